"""What a run has exported, read again.

Apart from `tfxc.serving`, which imports TensorFlow: a command answers a wrong
path at once.
"""

import importlib
import json
import pathlib

from tfxc.errors import InputError

DESCRIPTION = "tfxc.json"
# Packages that register operations of graphs, and what to do without.
PACKAGES = {
    "scann": "export it with `--index exact` to do without",
    "tensorflow_text": "pip install 'tfxc[text]'",
}


def read_description(run):
    """Reads what `export_saved_model` wrote about a model; without TensorFlow.

    Args:
        run: Path of a run folder, or of the SavedModel itself.

    Returns:
        `(folder of the SavedModel, dictionary)`.

    Raises:
        InputError: if there is no model.
    """
    run = pathlib.Path(run)
    if not run.is_dir():
        raise InputError(
            f"{run}: expected the folder of a run. Received: "
            + ("a file" if run.exists() else "no such folder")
        )
    folder = run if (run / "saved_model.pb").exists() else run / "saved_model"
    if not (folder / "saved_model.pb").exists():
        state = "nothing like it"
        if (run / "recipe.json").exists():
            state = (
                "a run that has not finished; give train.py the same "
                "arguments again to continue it"
            )
        raise InputError(
            f"{run}: expected a folder with saved_model/ in it, as train.py "
            f"writes. Received: {state}"
        )
    try:
        description = json.loads((folder / DESCRIPTION).read_text("utf-8"))
        if not isinstance(description, dict):
            raise ValueError(f"no JSON object but {description!r:.80}")
        return folder, description
    except (OSError, ValueError) as error:
        raise InputError(
            f"{folder}: expected a SavedModel with {DESCRIPTION}, as tfxc "
            f"exports it. Received: {error}"
        ) from error


def load_saved_model(run):
    """Loads the model of a run; see `export_saved_model` for its functions.

    Args:
        run: Path of a run folder, or of the SavedModel itself.

    Returns:
        `(what tf.saved_model.load returns, dictionary of tfxc.json)`.

    Raises:
        InputError: if there is no model, it is damaged, or it needs ScaNN or
            TensorFlow Text, which is not installed.
    """
    folder, description = read_description(run)
    import tensorflow as tf

    needed = [description.get("index"), *description.get("packages", [])]
    for package, advice in PACKAGES.items():
        try:
            if package in needed:
                importlib.import_module(package)
        except ImportError as error:
            raise InputError(
                f"{folder}: the model needs the package {package}; {advice}. "
                f"Received: {error}"
            ) from error
    try:
        return tf.saved_model.load(str(folder)), description
    except (OSError, ValueError, IndexError, tf.errors.OpError) as error:
        raise InputError(
            f"{folder}: expected a SavedModel. Received: {error}"
        ) from error
