"""Trains a recipe on a data set, then evaluates and exports the model.

python train.py                                     NGAME on built-in data
python train.py ngame --data FOLDER --output RUN    on your own data
python train.py ngame --output RUN                  goes on, if interrupted
python train.py --list                              all recipes
python train.py ngame --help                        all fields of a recipe
"""

import dataclasses
import importlib
import pathlib
import sys
import time
import typing

import tyro

from tfxc.command import run_command
from tfxc.errors import InputError

MODELS = pathlib.Path(__file__).parent / "models"


@dataclasses.dataclass(frozen=True)
class Options:
    """What every recipe is told."""

    data: pathlib.Path | None = None
    """Folder or file of the data set; built-in data if left out."""
    output: pathlib.Path | None = None
    """Folder of the run; runs/RECIPE-DATA if left out."""
    index: typing.Literal["exact", "scann"] = "exact"
    """How the exported model searches; scann needs scann to serve."""
    mixed_precision: typing.Literal["float32", "bfloat16"] = "float32"
    """Type of the dense part's activations."""


def main(arguments):
    """Runs the command line; see the module's docstring."""
    if "--list" in arguments:
        for name, line in recipes().items():
            print(f"{name:24} {line}")
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
    from tfxc.training.pipeline import run_recipe  # after the quick checks

    run_recipe(importlib.import_module(f"models.{name}"), *parse(name, arguments))
