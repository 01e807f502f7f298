"""Invariants of batches of rows of similar length:

- `by_length` sorts window by window, as loops do;
- an epoch visits every row once, no cluster is spread over two batches, and
  batches are never too large, whatever the lengths;
- a plan is a function of (seed, epoch): frozen examples, no hidden state;
- there is far less padding where lengths are skewed, and yet neither batches
  nor rows stand in the order of their lengths over the epoch;
- without lengths, or with equal ones, the same rows meet as ever before.
"""

import itertools

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest

from tfxc.batching import (
    ClusteredBatches,
    Clusters,
    ShuffledBatches,
    by_length,
)


def clusters_of(sizes, seed=0):
    order = np.random.default_rng(seed).permutation(sum(sizes))
    return Clusters(order, np.concatenate([[0], np.cumsum(sizes, dtype=int)]))


def listed(batches):
    return [batch.tolist() for batch in batches]


def skewed(count, seed=0):
    """Most texts are short, some are long."""
    rng = np.random.default_rng(seed)
    return np.minimum(4 + rng.geometric(0.15, count), 64)


def plans(rows, batch_size, lengths, seed=0, size=4):
    """A plain plan and one of clusters."""
    count = rows if np.ndim(rows) == 0 else len(rows)
    clusters = clusters_of([size] * (count // size))
    return [
        ShuffledBatches(rows, batch_size, seed, lengths),
        ClusteredBatches(rows, batch_size, seed, clusters, lengths),
    ]


def padded_tokens(batches, lengths):
    """Tokens of all batches, each as long as its longest row."""
    return sum(len(batch) * lengths[batch].max() for batch in batches)


@pytest.mark.parametrize("window", [0, 1, 3, 10, 99])
def test_by_length_equals_loops(rng, window):
    lengths = rng.integers(1, 6, 40)
    order = rng.permutation(40)[:25]
    slow = []
    for start in range(0, 25, max(window, 1)):
        part = order[start : start + max(window, 1)].tolist()
        slow += sorted(part, key=lambda row: lengths[row])  # stable
    assert by_length(order, lengths, window).tolist() == slow


@hypothesis.settings(max_examples=60, deadline=None)
@hypothesis.given(
    st.lists(st.integers(1, 9), min_size=1, max_size=80),
    st.integers(9, 20),
    st.integers(0, 5),
    st.integers(0, 5),
)
def test_whole_clusters_and_every_row_once(sizes, batch_size, seed, epoch):
    clusters = clusters_of(sizes)
    rows = 1000 + 3 * np.arange(sum(sizes))
    lengths = skewed(len(rows), seed)
    plain = ShuffledBatches(rows, batch_size, seed, lengths)
    whole = ClusteredBatches(rows, batch_size, seed, clusters, lengths)
    for plan in (plain, whole):
        batches = plan.plan(epoch)
        assert np.array_equal(np.sort(np.concatenate(batches)), rows)
        assert {len(b) for b in batches} <= set(range(1, batch_size + 1))
    batch_of = {row: b for b, batch in enumerate(batches) for row in batch}
    for c in range(len(clusters)):
        assert len({batch_of[row] for row in rows[clusters[c]]}) == 1


def test_no_rows():
    none = np.array([], int)
    assert ShuffledBatches(none, 4, 0, none).plan(0) == []
    empty = Clusters(none, np.zeros(1, int))
    for lengths in (none, None):
        assert ClusteredBatches(none, 4, 0, empty, lengths).plan(0) == []


def test_a_function_of_seed_and_epoch():
    lengths = skewed(200)
    for number in range(2):
        plan = plans(200, 20, lengths)[number]
        fourth = listed(plan.plan(4))
        assert listed(plan.plan(5)) != fourth
        assert listed(plan.plan(4)) == fourth
        assert listed(plans(200, 20, lengths)[number].plan(4)) == fourth
        assert listed(plans(200, 20, lengths, seed=1)[number].plan(4)) != fourth


def test_frozen_examples():
    """A change here changes every run: do not adapt these numbers lightly."""
    lengths = np.array([9, 5, 7, 1, 8, 2, 6])
    plain, whole = plans(7, 2, lengths, seed=3, size=1)
    assert listed(plain.plan(2)) == [[2, 4], [1, 6], [0], [3, 5]]
    assert listed(whole.plan(2)) == [[2, 4], [1, 6], [0], [3, 5]]
    clusters = Clusters(
        np.array([0, 3, 1, 4, 2, 5, 6]), np.array([0, 2, 4, 6, 7])
    )
    plan = ClusteredBatches(np.arange(10, 17), 4, 3, clusters, lengths)
    assert listed(plan.plan(2)) == [[11, 14, 10, 13], [16, 12, 15]]


@pytest.mark.parametrize(("clustered", "size"), [(0, 1), (1, 4)])
def test_padding_goes_down(clustered, size):
    lengths = skewed(4000)
    without, sorted_ = (
        padded_tokens(plans(4000, 32, given)[clustered].plan(1), lengths)
        for given in (None, lengths)
    )
    # Were each cluster, here of rows of any length, a batch of its own.
    rows = clusters_of([size] * (4000 // size)).order.reshape(-1, size)
    least = size * lengths[rows].max(axis=1).sum()
    assert without > 1.7 * least
    assert sorted_ < 1.2 * least


@pytest.mark.parametrize("clustered", [0, 1])
def test_the_epoch_is_not_in_the_order_of_lengths(clustered):
    lengths = skewed(8000)
    means = [
        [lengths[batch].mean() for batch in plan.plan(epoch)]
        for epoch in range(3)
        for plan in [plans(8000, 32, lengths)[clustered]]
    ]
    for one in means:
        place = np.arange(len(one))
        assert abs(np.corrcoef(place, one)[0, 1]) < 0.2
        assert np.std(one) > 1, "all alike, so would find no order"
        rising = np.mean(np.diff(one) > 0)
        assert 0.4 < rising < 0.6


def test_rows_meet_others_in_other_epochs():
    lengths = skewed(2000)
    plan = plans(2000, 20, lengths)[0]
    first, second = (
        {
            frozenset(pair)
            for batch in plan.plan(epoch)
            for pair in itertools.pairwise(batch)
        }
        for epoch in (0, 1)
    )
    assert len(first & second) < 0.1 * len(first)


def test_rows_of_a_subset_have_their_own_lengths():
    """Lengths are by place in `rows`, not by row id."""
    rows = np.array([50, 7, 31, 2])
    lengths = np.array([9, 1, 8, 2])
    for plan in plans(rows, 2, lengths, size=1):
        pairs = {frozenset(batch) for batch in listed(plan.plan(0))}
        assert pairs == {frozenset([50, 31]), frozenset([7, 2])}


def test_without_lengths_nothing_changes():
    for plan, equal in zip(
        plans(300, 16, None), plans(300, 16, np.full(300, 7)), strict=True
    ):
        batches = listed(plan.plan(3))
        assert listed(equal.plan(3)) != batches
        assert sorted(listed(equal.plan(3))) == sorted(batches)
    clusters = Clusters(
        np.array([0, 3, 1, 4, 2, 5, 6]), np.array([0, 2, 4, 6, 7])
    )
    plain = ClusteredBatches(np.arange(10, 17), 4, 3, clusters, lengths=None)
    assert listed(plain.plan(2)) == [[10, 13, 16], [12, 15, 11, 14]]


@pytest.mark.parametrize("lengths", [[1, 2, 3], np.ones((4, 1), int), 3])
def test_wrong_lengths(lengths):
    for number in range(2):
        with pytest.raises(ValueError, match=r"4 rows' lengths. Received: "):
            _ = plans(4, 2, lengths, size=2)[number]
