"""Trains a recipe on a data set, then evaluates and exports the model.

python train.py                                     NGAME on built-in data
python train.py ngame --data FOLDER --output RUN    on your own data
python train.py ngame --output RUN                  goes on, if interrupted
python train.py --list                              all recipes
python train.py ngame --help                        all fields of a recipe
"""

import ast
import importlib
import pathlib
import sys

from tfxc.command import run_command
from tfxc.errors import InputError
from tfxc.options import parse_options, settings_of
from tfxc.run import Run

MODELS = pathlib.Path(__file__).parent / "models"


def main():
    """Runs the command line; see the docstring of the module."""
    arguments = sys.argv[1:]
    if arguments[:1] == ["--list"]:
        for name, line in recipes().items():
            print(f"{name:20} {line}")
        return
    if arguments[:1] in (["--help"], ["-h"]):
        print(__doc__)
        return
    name = "ngame"
    if arguments and not arguments[0].startswith("-"):
        name, *arguments = arguments
    if name not in recipes():
        raise InputError(
            f"expected a recipe: {', '.join(recipes())}. Received: {name!r}"
        )
    model = importlib.import_module(f"models.{name}")
    options, recipe = parse_options(name, model.Recipe, arguments)
    train(name, model, options, recipe)


def recipes():
    """`{name: first line}` of the files in `models/`."""
    files = sorted(MODELS.glob("*.py"))
    return {
        file.stem: ast.get_docstring(ast.parse(file.read_text())).split("\n")[0]
        for file in files
        if file.stem != "__init__"
    }


def train(name, model, options, recipe):
    """From data to a finished run folder; goes on where it was interrupted."""
    import keras  # here, after the command line was found to be right
    from rich.console import Console

    import tfxc

    console = Console()
    run = Run(options.output)
    dataset, key = tfxc.data.load_dataset(options.data)
    model.check(recipe, dataset)
    indexes = getattr(model, "INDEXES", tfxc.serving.INDEXES)
    if options.index not in indexes:
        raise InputError(
            f"--index: expected {' or '.join(indexes)}, as {name} ranks by "
            f"more than vectors. Received: {options.index}"
        )
    settings = settings_of(name, options, recipe)
    content = {"key": key, "encoder": tfxc.encoders.content_of(recipe.encoder)}
    run.start({**settings, "content": content})
    if run.complete:
        print(f"{run.folder} is complete: see {run.folder / 'report.html'}")
        return
    print(tfxc.data.describe(dataset))
    if options.mixed_precision == "bfloat16":
        keras.config.set_dtype_policy("mixed_bfloat16")
    keras.utils.set_random_seed(recipe.seed)
    try:
        trained = model.fit(recipe, dataset, key, run, console)
    except InputError:
        run.withdraw()
        raise
    metrics, examples = tfxc.serving.finish(
        run, trained, dataset, run.data_name(), options.index
    )
    tfxc.serving.print_summary(run, metrics, examples, console)


if __name__ == "__main__":
    sys.exit(run_command(main))
