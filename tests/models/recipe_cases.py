"""Data sets of any size for what recipes check, and one that they train on."""

import numpy as np
import pytest
from train_command import (
    SMALL,
    files_below,
    metrics_of,
    run,
    run_here,
    served_precision,
    write_small_data,
)

from tfxc import InputError
from tfxc.data import Dataset, LabelLists, Split


def dataset_of(rows, labels=30, empty=0):
    """Training queries of one label each, and some without any."""
    ids, total = np.zeros(rows, np.int32), rows + empty
    relevant = LabelLists(ids, np.minimum(np.arange(total + 1), rows), labels)
    none = LabelLists.from_pairs([], [], total, labels)
    split = Split(range(total), relevant, none)
    return Dataset(split, split, None, range(labels))


def refusal(module, dataset, **fields):
    """What a recipe with some fields is refused with, in one message."""
    with pytest.raises(InputError) as error:
        module.check(module.Recipe(**fields), dataset)
    return str(error.value)


class SmallRun:
    """A run that `train.py` took to its end.

    Args:
        folder: Empty folder for data and run. The cache is beside it, so that
            the same data are prepared once for all runs.
        name: Name of the recipe.
        options: Flags, beside those that make it small.
        words: What queries are made of.
        alone: Whether it is a process of its own, which takes seconds more.
            In one, a recipe has to import all that it needs.
    """

    def __init__(self, folder, name, *options, words=None, alone=False):
        self.folder = folder / "run"
        self.cache = folder.parent / "cache_of_small_runs"
        data = write_small_data(folder / "small", words)
        self.command = [name, "--data", data, "--output", self.folder, *SMALL]
        self.command += options
        command = run if alone else run_here
        code, self.output, errors = command(self.command, self.cache)
        assert code == 0, errors
        self.metrics = metrics_of(self.folder)
        self.served = served_precision(self.folder, data)

    def assert_it_learnt_and_serves_as_measured(self):
        assert self.metrics["P@1"] > 60, "of three words, two are right"
        assert self.metrics["P@1"] == pytest.approx(self.served)

    def assert_a_second_start_changes_nothing(self):
        before = files_below(self.folder)
        code, output, errors = run_here(self.command, self.cache)
        assert code == 0 and f"{self.folder} is complete" in output, errors
        assert files_below(self.folder) == before and len(before) > 9
