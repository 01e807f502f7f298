"""Invariants of the groups of labels:

- every label has one group; unseen is exactly the labels without a pair;
- no label of a later group occurs more often than one of an earlier group;
- head, and head with torso, are the fewest labels that hold a third, and two
  thirds, of all pairs;
- the rows with a group are those that a loop finds.
"""

import numpy as np
import pytest

from tfxc.data.label_lists import LabelLists
from tfxc.metrics import LabelGroups, frequency_groups, rows_with_group


@pytest.mark.parametrize(
    "counts",
    [
        np.random.default_rng(0).zipf(1.5, size=500) - 1,
        np.random.default_rng(0).integers(1, 3, size=5000),
        [5, 0, 0],
        [0, 0],
        [],
        [1, 3, 0, 1, 1],
        [2, 2, 2],
    ],
)
def test_groups_hold_a_third_each(counts):
    counts = np.array(counts, int)
    groups = frequency_groups(counts)
    assert groups.names == ("head", "torso", "tail", "unseen")
    assert groups.of_label.dtype == np.int8
    assert len(groups.of_label) == len(counts)
    np.testing.assert_array_equal(groups.of_label == 3, counts == 0)
    order = np.lexsort((np.arange(len(counts)), -counts))
    assert (np.diff(groups.of_label[order]) >= 0).all()
    for last, share in ((0, 1 / 3), (1, 2 / 3)):
        inside = counts[order][groups.of_label[order] <= last]
        if inside.size:
            assert inside.sum() >= share * counts.sum() - 1e-9
            assert inside[:-1].sum() < share * counts.sum()


def test_equal_counts_go_by_id():
    groups = frequency_groups([1, 1, 1, 0, 1, 1, 1])
    assert groups.of_label.tolist() == [0, 0, 1, 3, 1, 2, 2]


def test_rows_with_group(rng):
    truth = rng.random((40, 12)) < 0.1
    rows, ids = np.nonzero(truth)
    relevant = LabelLists.from_pairs(rows, ids, 40, 12)
    groups = LabelGroups(rng.integers(0, 2, 12).astype(np.int8), ("a", "b"))
    expected = [
        row for row in range(40) if truth[row, groups.of_label == 1].any()
    ]
    assert 0 < len(expected) < 40
    assert rows_with_group(relevant, groups, "b").tolist() == expected
