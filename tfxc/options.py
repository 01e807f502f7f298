"""The command line of a recipe, made from its dataclass."""

import dataclasses
import inspect
import pathlib
import typing

import tyro

from tfxc.errors import InputError
from tfxc.run import Run, data_name


@dataclasses.dataclass(frozen=True)
class Options:
    """What every recipe is told."""

    data: pathlib.Path | None = None
    """Folder or file of the data set; the built-in one if left out."""
    output: pathlib.Path | None = None
    """Folder of the run; runs/RECIPE-DATA if left out."""
    index: typing.Literal["exact", "scann"] = "exact"
    """How the exported model searches; to serve scann, install scann."""
    mixed_precision: typing.Literal["float32", "bfloat16"] = "float32"
    """Type of the activations; weights, scores and losses stay float32."""


@dataclasses.dataclass(frozen=True)
class Encoder:
    """The one field that other defaults depend on."""

    encoder: str = "bag"


def parse_options(name, recipe_class, arguments):
    """Parses the flags of a recipe.

    The defaults come from the run folder, where there is one already; else
    from the recipe's constructor that is named as the data set, such as
    `Recipe.cooking()`, or with `--encoder` from `Recipe.cooking_transformer()`
    or `Recipe.transformer()`; else from the recipe's fields.

    Args:
        name: Name of the recipe.
        recipe_class: Frozen dataclass whose fields have docstrings.
        arguments: List of strings.

    Returns:
        `(options, recipe)`; `options.output` is set.

    Raises:
        InputError: if the run folder belongs to another recipe or holds an
            unknown field.
        SystemExit: with code 2 for a flag that does not exist, as argparse.
    """
    options, _ = tyro.cli(
        Options, args=_without_help(arguments), return_unknown_args=True
    )
    data = data_name(options.data)
    output = options.output or pathlib.Path("runs") / f"{name}-{data}"
    recipe = defaults(recipe_class, data, arguments)
    saved = Run(output).settings()
    if saved is not None:
        options, recipe = _from_settings(output, saved, name, recipe_class)

    @dataclasses.dataclass(frozen=True)
    class Flags:
        options: tyro.conf.OmitArgPrefixes[Options]
        recipe: tyro.conf.OmitArgPrefixes[recipe_class]

    flags = tyro.cli(
        Flags,
        prog=f"train.py {name}",
        description=recipe_class.__doc__,
        default=Flags(options, recipe),
        args=arguments,
    )
    return dataclasses.replace(flags.options, output=output), flags.recipe


def defaults(recipe_class, data, arguments):
    """The recipe that a data set, and an encoder, start from."""
    encoder, _ = tyro.cli(
        Encoder, args=_without_help(arguments), return_unknown_args=True
    )
    name = data.lower().replace("-", "_").partition(".")[0]
    names = [name]
    if encoder.encoder != "bag":
        names = [f"{name}_transformer", "transformer"]
    for name in names:
        found = inspect.getattr_static(recipe_class, name, None)
        if isinstance(found, classmethod):
            return getattr(recipe_class, name)()
    return recipe_class()


def settings_of(name, options, recipe):
    """What a run was asked for, as `recipe.json` keeps it."""
    chosen = dataclasses.asdict(options)
    del chosen["output"]
    chosen["data"] = str(options.data.resolve()) if options.data else None
    return {
        "options": {"name": name, **chosen},
        "recipe": dataclasses.asdict(recipe),
    }


def _from_settings(output, saved, name, recipe_class):
    """The options and the recipe of an earlier start."""
    try:
        chosen, fields = dict(saved["options"]), dict(saved["recipe"])
        if chosen.pop("name") != name:
            raise ValueError(f"recipe {saved['options']['name']!r}")
        data = chosen.pop("data")
        data = pathlib.Path(data) if data else None
        for field in dataclasses.fields(recipe_class):
            if isinstance(field.default, tuple):
                fields[field.name] = tuple(fields[field.name])
            value, kind = fields[field.name], type(field.default)
            if type(value) is not kind and not (kind, type(value)) == (
                float,
                int,
            ):
                raise ValueError(f"{field.name}={value!r}")
        return Options(data=data, **chosen), recipe_class(**fields)
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"{output / 'recipe.json'}: expected a run of the recipe {name!r} "
            f"with its fields. Received: {error}"
        ) from error


def _without_help(arguments):
    return [a for a in arguments if a not in ("-h", "--help")]
