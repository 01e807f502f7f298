"""Invariants of rows in a file:

- they read and write as an array does, whatever was given back in between;
- few of their pages count as memory of the process, in whatever order they are
  read and written.
"""

import numpy as np
import pytest

from tfxc.negatives import mapped_rows
from tfxc.negatives.mapped_rows import MappedRows


@pytest.mark.parametrize("limit", [1, 10_000, 2**30])
def test_rows_are_those_of_an_array(tmp_path, rng, monkeypatch, limit):
    monkeypatch.setattr(mapped_rows, "LIMIT", limit)
    path, array = tmp_path / "rows.npy", np.zeros((700, 9), np.float16)
    rows = MappedRows(path, array.shape, array.dtype)
    assert (rows.shape, len(rows)) == ((700, 9), 700)
    assert rows[:1].dtype == rows[[0]].dtype == np.float16
    for _ in range(40):
        start = rng.integers(700)
        for some in (slice(start, start + 50), rng.permutation(700)[:30]):
            array[some] = rng.normal(size=array[some].shape)
            rows[some] = array[some]
            read = rng.permutation(700)[:100]
            np.testing.assert_array_equal(rows[read], array[read])
            np.testing.assert_array_equal(
                rows[read.reshape(20, 5)], array[read.reshape(20, 5)]
            )
    np.testing.assert_array_equal(rows[:], array)
    np.testing.assert_array_equal(np.load(path), array)


@pytest.mark.parametrize("shuffled", [False, True])
def test_few_pages_stay(tmp_path, rng, monkeypatch, shuffled):
    monkeypatch.setattr(mapped_rows, "LIMIT", 2**22)
    rows = MappedRows(tmp_path / "rows.npy", (2**18, 64), np.float16)
    order = np.arange(len(rows))
    if shuffled:
        rng.shuffle(order)
    most, before = 0, resident()
    for start in range(0, len(rows), 1024):
        some = slice(start, start + 1024)
        rows[some] = 1
        rows[order[some]]
        most = max(most, resident() - before)
    assert len(rows) * 128 > 3e7 and most < 1.6e7


def resident():
    """Bytes of mapped files that count as memory of this process."""
    try:
        with open("/proc/self/status") as lines:
            [line] = [line for line in lines if line.startswith("RssFile")]
    except FileNotFoundError:
        pytest.skip("only Linux tells")
    return 1024 * int(line.split()[1])
