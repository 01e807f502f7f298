"""Invariants of lists of label ids:

- lists built from pairs are the sorted sets of a loop, whatever the order and
  however often a pair occurs; rows may be empty;
- counts, `take`, `identity` and `followed_by` are what they are for matrices;
- the arrays are those that `tf.RaggedTensor.from_row_splits` reads.
"""

import numpy as np
import pytest
import tensorflow as tf

from tfxc.data import LabelLists


def random_lists(rng, rows=20, columns=7, pairs=60):
    """Lists of which some are empty, and the pairs that they come from."""
    of_row = rng.integers(0, rows, pairs)
    of_row[of_row == 3] = 4
    ids = rng.integers(0, columns, pairs)
    return LabelLists.from_pairs(of_row, ids, rows, columns), of_row, ids


def dense(lists):
    """`[rows, columns]` of 0 and 1, entry by entry."""
    matrix = np.zeros((len(lists), lists.num_columns), int)
    for row in range(len(lists)):
        for column in lists[row]:
            matrix[row, column] += 1
    return matrix


def test_from_pairs_equals_sets(rng):
    lists, of_row, ids = random_lists(rng)
    sets = [set() for _ in range(20)]
    for row, column in zip(of_row.tolist(), ids.tolist(), strict=True):
        sets[row].add(column)
    assert len(set(zip(of_row.tolist(), ids.tolist(), strict=True))) < 60
    assert [lists[row].tolist() for row in range(20)] == list(map(sorted, sets))
    assert not len(lists[3]) and lists.ids.dtype == np.int32


def test_counts(rng):
    lists, _, _ = random_lists(rng)
    assert lists.row_counts().tolist() == dense(lists).sum(axis=1).tolist()
    assert lists.counts().tolist() == dense(lists).sum(axis=0).tolist()
    assert LabelLists.from_pairs([], [], 0, 3).counts().tolist() == [0, 0, 0]


@pytest.mark.parametrize("rows", [[], [3], [19, 0, 0, 3, 5]])
def test_take(rng, rows):
    lists, _, _ = random_lists(rng)
    taken = lists.take(rows)
    assert len(taken) == len(rows) and taken.num_columns == 7
    np.testing.assert_array_equal(
        dense(taken), dense(lists)[np.array(rows, int)]
    )


@pytest.mark.parametrize("size", [0, 1, 6])
def test_identity(size):
    lists = LabelLists.identity(size)
    np.testing.assert_array_equal(dense(lists), np.eye(size, dtype=int))
    pairs = LabelLists.from_pairs(range(size), range(size), size, size)
    assert lists.ids.dtype == pairs.ids.dtype
    np.testing.assert_array_equal(lists.splits, pairs.splits)


def test_followed_by(rng):
    one, other = random_lists(rng)[0], random_lists(rng, rows=9)[0]
    none = LabelLists.from_pairs([], [], 0, 7)
    own = LabelLists.identity(7)
    for first, second in (
        (one, other),
        (other, own),
        (none, one),
        (one, none),
        (none, none),
    ):
        both = first.followed_by(second)
        assert len(both) == len(first) + len(second)
        np.testing.assert_array_equal(
            dense(both), np.concatenate([dense(first), dense(second)])
        )
        assert both.ids.dtype == np.int32 and both.num_columns == 7
    twice = one.followed_by(other).followed_by(own)
    np.testing.assert_array_equal(
        dense(twice.take([29, 35])), np.eye(7)[[0, 6]]
    )


def test_followed_by_other_columns(rng):
    lists, _, _ = random_lists(rng)
    with pytest.raises(ValueError, match=r"7 columns. Received: 8"):
        lists.followed_by(LabelLists.identity(8))


def test_ragged_tensors_read_them(rng):
    lists = random_lists(rng)[0].followed_by(LabelLists.identity(7))
    ragged = tf.RaggedTensor.from_row_splits(lists.ids, lists.splits)
    assert ragged.to_list() == [lists[row].tolist() for row in range(27)]
