"""Invariants of the readers on real data sets, where they are at hand:

- every one is what the slow reader reads, the largest on a sample of rows;
- counts are those that the data sets' authors state;
- the memory of a reader is a few times what it returns.
"""

import json
import os
import pathlib
import subprocess
import sys

import pytest
import slow_readers

from tfxc.data import (
    read_dataset,
    read_filter_labels,
    read_label_lists,
)

DEFAULT = pathlib.Path(__file__).parents[3] / ".." / "shared" / "data"
FOLDER = pathlib.Path(os.environ.get("TFXC_DATA", DEFAULT))


def real(name):
    if not (FOLDER / name).is_dir():
        pytest.skip(f"no {name} in {FOLDER}")
    return FOLDER / name


@pytest.mark.parametrize(
    "name, sizes",
    [
        ("cooking", (12_404, 3_000, 736)),
        ("bibtex", (4_880, 2_515, 159)),
        ("delicious", (12_920, 3_185, 983)),
    ],
)
def test_real_data_set(name, sizes):
    dataset = read_dataset(real(name))
    assert (len(dataset.train), len(dataset.test), dataset.num_labels) == sizes
    lists = slow_readers.as_lists(dataset)
    expected = slow_readers.read(real(name))
    for part in expected:
        assert bool(lists[part] == expected[part]), part


def test_label_matrix_at_scale():
    folder = real("lf-amazontitles-131k-fixture")
    path = folder / "tst_X_Y.txt.gz"
    lists = read_label_lists(path)
    assert (len(lists), lists.num_columns) == (134_835, 131_073)
    rows, _ = slow_readers.read_matrix(path)
    ids = [id_ for row in rows for id_, _ in row]
    assert bool(lists.ids.tolist() == ids) and len(ids) == 284_746
    assert lists.row_counts().tolist() == [len(row) for row in rows]
    filtered = read_filter_labels(
        folder / "filter_labels_test.txt.gz", len(lists), lists.num_columns
    )
    assert len(filtered.ids) == 79_663


@pytest.mark.slow
def test_half_a_million_queries():
    folder = real("yso-finna-en")
    dataset = read_dataset(folder)
    assert (len(dataset.train), len(dataset.test)) == (525_773, 35_771)
    lines = slow_readers.lines_of(folder / "trn.json.gz")
    for row in range(0, len(lines), 97):
        value = json.loads(lines[row])
        assert dataset.train.queries[row] == value["title"]
        assert dataset.train.relevant[row].tolist() == value["target_ind"]


@pytest.mark.slow
def test_memory():
    # The peak of this process alone: `ru_maxrss` starts at its parent's.
    code = """
import sys, tfxc.data
tfxc.data.read_dataset(sys.argv[1])
print(open("/proc/self/status").read().split("VmHWM:")[1].split()[0])
"""
    command = [sys.executable, "-c", code, real("yso-finna-en")]
    kilobytes = int(subprocess.check_output(command))
    assert 100_000 < kilobytes < 700_000
