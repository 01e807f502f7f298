"""Measures the model of a run on the test queries of a data set.

python -m tfxc.evaluate RUN --data PATH
"""

import dataclasses
import json
import os
import pathlib
import sys
import time

import tyro

from tfxc.command import run_command
from tfxc.errors import InputError
from tfxc.run import Run
from tfxc.saved_model import load_saved_model, read_description

NEEDED = {"num_train_rows", "propensity_A", "propensity_B"}


@dataclasses.dataclass(frozen=True)
class Options:
    """Measures the model of a run on the test queries of a data set."""

    run: tyro.conf.Positional[pathlib.Path]
    """Folder of a run, as train.py writes it, or of its saved_model."""
    data: pathlib.Path | None = None
    """Folder or file of the data set; what the run used if left out."""
    output: pathlib.Path | None = None
    """File to write the metrics to, as JSON."""


def main(arguments=None):
    """Runs the command line; see the docstring of the module."""
    options = tyro.cli(Options, args=arguments, prog="python -m tfxc.evaluate")
    # What can be checked without TensorFlow is answered at once.
    _, description = read_description(options.run)
    check_output(options.output)
    check_description(description, options.run)
    dataset = read_data(options.data, options.run)
    model, description = load_saved_model(options.run)
    check_labels(model.label_names.numpy(), dataset.label_names.encoded())
    metrics = evaluate(model, description, dataset.test)
    show(metrics, options.output)


def evaluate(model, description, split):
    """Measures a loaded model.

    Args:
        model: What `tfxc.serving.load_saved_model` returns first.
        description: What it returns second.
        split: `tfxc.data.Split` over the labels of the model.

    Returns:
        Dictionary of metrics, see `tfxc.metrics.evaluate_split`, and
        "evaluate_seconds".
    """
    from tfxc.metrics.evaluation import evaluate_split
    from tfxc.serving.fused_find import restored_search
    from tfxc.serving.query_vectors import QueryVectors

    start = time.perf_counter()
    metrics, _ = evaluate_split(
        QueryVectors(model, split.queries),
        restored_search(model, description["fusion"]),
        split,
        model.label_counts.numpy(),
        description["num_train_rows"],
        description["propensity_A"],
        description["propensity_B"],
    )
    return {**metrics, "evaluate_seconds": time.perf_counter() - start}


def check_description(description, run):
    """Raises `InputError` unless the model says how it was trained."""
    missing = sorted(NEEDED - description.keys())
    if missing:
        raise InputError(
            f"{run}: expected a model that was exported with the metadata "
            f"{', '.join(sorted(NEEDED))}. Received: no {', '.join(missing)}"
        )


def check_labels(names, data_names):
    """Raises `InputError` unless both lists of `bytes` are the same."""
    expected = f"the {len(names):,} labels that the model was trained on"
    if len(data_names) != len(names):
        raise InputError(
            f"--data: expected {expected}. Received: {len(data_names):,} labels"
        )
    pairs = enumerate(zip(names, data_names, strict=True))
    for number, (name, data_name) in pairs:
        if name != data_name:
            raise InputError(
                f"--data: expected {expected}; label {number} is "
                f"{name.decode()!r}. Received: {data_name.decode()!r}"
            )


def check_output(file):
    """Raises `InputError` if `file` is given and cannot be written."""
    if file is None:
        return
    folder = file.absolute().parent
    if file.is_dir() or not os.access(folder, os.W_OK):
        raise InputError(
            "--output: expected a file in a folder that can be written to. "
            f"Received: {file}"
        )


def read_data(path, run):
    """The data set at `path`, or the one that the run was started with."""
    from tfxc.data import load_dataset

    if path is None:
        recipe = run / "recipe.json"
        if not recipe.exists():
            raise InputError(
                f"--data: expected a data set, as {run} does not name one. "
                "Received: none"
            )
        path = Run(run).settings()["options"]["data"]
    return load_dataset(path)[0]


def show(metrics, output):
    """Prints metrics, and writes them to a file if one is given."""
    from rich.console import Console

    from tfxc.data.arrays import write_text
    from tfxc.serving.metric_tables import print_metrics

    print_metrics(metrics, Console())
    if output is not None:
        write_text(output, json.dumps(metrics, indent=1) + "\n")


if __name__ == "__main__":
    sys.exit(run_command(main))
