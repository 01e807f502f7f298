"""Extreme classification in Keras: few right labels among millions.

One package per stage, in the order in which data flows:

data -> batching -> encoders -> layers -> losses -> negatives -> training ->
search -> metrics -> serving.

A stage is imported when it is first used, so what is written in numpy and
`keras.ops` alone works where TensorFlow is not installed.
"""

import importlib

from tfxc.errors import InputError as InputError

__version__ = "0.1.0"

STAGES = (
    "data",
    "batching",
    "encoders",
    "layers",
    "losses",
    "negatives",
    "search",
    "metrics",
    "training",
    "serving",
)


def __getattr__(name):
    if name in STAGES:
        return importlib.import_module(f"tfxc.{name}")
    raise AttributeError(f"module 'tfxc' has no attribute {name!r}")


def __dir__():
    return sorted([*globals(), *STAGES])
