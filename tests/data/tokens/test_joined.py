"""Invariants of two tables of rows, one after the other:

- rows are taken as from one table with all rows, in any order, padded;
- so they are for bags, sequences and vectors, the second shorter or as long;
- lengths are those of rows once they are taken.
"""

import numpy as np
import pytest

from tfxc.data import Bags, Joined, Sequences, Vectors


def bags(rng, rows, length):
    ids = rng.integers(1, 99, (rows, length)).astype(np.int32)
    return Bags(ids, rng.random((rows, length)).astype(np.float16))


def sequences(rng, rows, length):
    """Rows whose lengths differ, padded with 1."""
    ids = rng.integers(2, 99, (rows, length)).astype(np.int32)
    used = np.arange(length) < rng.integers(1, length + 1, (rows, 1))
    return Sequences(np.where(used, ids, 1).astype(np.int32), pad_id=1)


def vectors(rng, rows, length):
    del length
    return Vectors(rng.normal(size=(rows, 4)).astype(np.float16))


TABLES = [
    (bags, 6, 6),
    (bags, 6, 4),
    (sequences, 30, 30),
    (sequences, 30, 12),
    (sequences, 12, 30),
    (vectors, 4, 4),
]


def padding(name):
    return 1 if name == "token_ids" else 0


def one_row(first, second, row):
    """A row of the table it comes from, without padding at its end."""
    inside = row < len(first)
    table, row = (first, row) if inside else (second, row - len(first))
    return {n: part[0] for n, part in table.take(np.array([row])).items()}


@pytest.mark.parametrize(("make", "length", "other"), TABLES)
@pytest.mark.parametrize("more", [None, 0, 3])
def test_equals_row_by_row(rng, make, length, other, more):
    first, second = make(rng, 7, length), make(rng, 5, other)
    joined = Joined(first, second)
    assert len(joined) == 12
    for rows in (
        [11, 0, 7, 6, 0, 11, 3],
        [1, 2],
        [8, 7],
        [],
        *rng.integers(0, 12, (5, 6)),
    ):
        rows = np.array(rows, int)
        size = None if more is None else len(rows) + more
        taken = joined.take(rows, size)
        assert taken.keys() == joined.fields.keys()
        for name, (dtype, shape) in joined.fields.items():
            array = taken[name]
            assert array.dtype == dtype
            assert array.shape[0] == (len(rows) if size is None else size)
            if None not in shape:
                assert array.shape[1:] == shape
            for place, row in enumerate(rows):
                alone = one_row(first, second, row)[name]
                width = min(len(alone), array.shape[1])
                np.testing.assert_array_equal(
                    array[place, :width], alone[:width]
                )
                for rest in (array[place, width:], alone[width:]):
                    assert (rest == padding(name)).all()
            assert (array[len(rows) :] == padding(name)).all()


def test_the_tables_stay_as_they_are(rng):
    first, second = bags(rng, 7, 6), bags(rng, 5, 4)
    before = first.ids.copy(), second.ids.copy()
    taken = Joined(first, second).take(np.array([0, 8, 1]))
    taken["ids"][:] = 0
    np.testing.assert_array_equal(first.ids, before[0])
    np.testing.assert_array_equal(second.ids, before[1])


def test_rows_of_bags_are_all_as_long_as_the_first(rng):
    """Else batches would hold rows of one table alone, see `by_length`."""
    joined = Joined(bags(rng, 7, 6), bags(rng, 5, 4))
    lengths = joined.lengths(np.array([0, 8, 11]))
    assert lengths.tolist() == [6, 6, 6]
    both = Joined(vectors(rng, 7, 4), vectors(rng, 5, 4))
    assert np.ptp(both.lengths(np.arange(12))) == 0
    assert joined.lengths(np.array([], int)).shape == (0,)


def test_lengths_of_sequences(rng):
    first, second = sequences(rng, 7, 30), sequences(rng, 5, 12)
    rows = rng.integers(0, 12, 40)
    expected = [
        (one_row(first, second, row)["token_ids"] != 1).sum() for row in rows
    ]
    assert len(set(expected)) > 5
    joined = Joined(first, second)
    np.testing.assert_array_equal(joined.lengths(rows), expected)
