"""Invariants of batch plans:

- an epoch visits every row once; batches are never too large;
- a cluster is never spread over two batches, and packing is greedy;
- a plan is a function of (seed, epoch): frozen examples, no hidden state;
- clusters of one row give the plain shuffle; new clusters act at once;
- what cannot be packed is refused;
- how many batches there will be is known before the clusters are.
"""

import dataclasses

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest

from tfxc.batching import (
    ClusteredBatches,
    Clusters,
    ShuffledBatches,
    balanced_clusters,
    epoch_order,
    num_batches,
)


def clusters_of(sizes, seed=0):
    order = np.random.default_rng(seed).permutation(sum(sizes))
    return Clusters(order, np.concatenate([[0], np.cumsum(sizes, dtype=int)]))


def listed(batches):
    return [batch.tolist() for batch in batches]


def slow_plan(rows, batch_size, seed, clusters, epoch):
    """Greedy packing, one cluster at a time."""
    batches = [[]]
    for c in np.random.default_rng((seed, epoch)).permutation(len(clusters)):
        if len(batches[-1]) + len(clusters[c]) > batch_size:
            batches.append([])
        batches[-1] += [rows[place] for place in clusters[c]]
    return batches


@hypothesis.settings(max_examples=60, deadline=None)
@hypothesis.given(
    st.lists(st.integers(1, 9), min_size=1, max_size=60),
    st.integers(9, 40),
    st.integers(0, 5),
    st.integers(0, 5),
)
def test_clustered_equals_greedy_packing(sizes, batch_size, seed, epoch):
    clusters = clusters_of(sizes)
    rows = 1000 + 3 * np.arange(sum(sizes))
    batches = ClusteredBatches(rows, batch_size, seed, clusters).plan(epoch)
    assert listed(batches) == slow_plan(rows, batch_size, seed, clusters, epoch)
    assert np.array_equal(np.sort(np.concatenate(batches)), rows)
    assert {len(b) for b in batches} <= set(range(1, batch_size + 1))
    batch_of = {row: b for b, batch in enumerate(batches) for row in batch}
    for c in range(len(clusters)):
        assert len({batch_of[row] for row in rows[clusters[c]]}) == 1


def test_equal_clusters_fill_batches(rng):
    clusters = clusters_of([8] * 100)
    sizes = [len(b) for b in ClusteredBatches(800, 50, 0, clusters).plan(3)]
    assert sizes == [48] * 16 + [32]  # 50 // 8 = 6 clusters


@pytest.mark.parametrize(("n", "size"), [(10, 3), (12, 4), (1, 5), (0, 5)])
def test_shuffled_visits_every_row_once(n, size):
    rows = 7 * np.arange(n)
    batches = ShuffledBatches(rows, size, seed=1).plan(4)
    assert len(batches) == -(-n // size)
    assert all(len(batch) == size for batch in batches[:-1])
    assert sorted(np.concatenate([*batches, []])) == rows.tolist()


def test_frozen_examples():
    """A change here changes every run: do not adapt these numbers lightly."""
    assert epoch_order(8, 0, 0).tolist() == [2, 4, 3, 6, 5, 0, 1, 7]
    assert epoch_order(8, 0, 1).tolist() == [1, 3, 7, 6, 0, 4, 2, 5]
    plain = ShuffledBatches([10, 20, 30, 40, 50], batch_size=2, seed=3)
    assert listed(plain.plan(2)) == [[50, 10], [20, 30], [40]]
    clusters = Clusters(
        np.array([0, 3, 1, 4, 2, 5, 6]), np.array([0, 2, 4, 6, 7])
    )
    plan = ClusteredBatches(np.arange(10, 17), 4, 3, clusters)
    assert listed(plan.plan(2)) == [[10, 13, 16], [12, 15, 11, 14]]


def test_epochs_and_seeds_differ_and_repeat():
    clusters = clusters_of([4] * 50)
    plan = ClusteredBatches(200, 20, 0, clusters)
    fourth = listed(plan.plan(4))
    assert listed(plan.plan(5)) != fourth
    assert listed(plan.plan(4)) == fourth
    assert listed(ClusteredBatches(200, 20, 1, clusters).plan(4)) != fourth
    assert listed(ClusteredBatches(200, 20, 0, clusters).plan(4)) == fourth


def test_clusters_of_one_row_are_the_plain_shuffle():
    rows = np.arange(30) ** 2
    single = Clusters(np.arange(30), np.arange(31))
    for epoch in range(3):
        clustered = ClusteredBatches(rows, 7, 5, single).plan(epoch)
        assert listed(clustered) == listed(
            ShuffledBatches(rows, 7, 5).plan(epoch)
        )


def test_new_clusters_act_in_the_same_epoch():
    plan = ClusteredBatches(40, 10, 0, clusters_of([5] * 8, seed=0))
    fresh = dataclasses.replace(plan, clusters=clusters_of([5] * 8, seed=1))
    pairs = [{frozenset(b.tolist()) for b in p.plan(2)} for p in (plan, fresh)]
    assert pairs[0].isdisjoint(pairs[1])


def test_bad_clusters():
    with pytest.raises(ValueError, match=r"fit in a batch.*Received: .* of 5"):
        ClusteredBatches(10, 4, 0, clusters_of([5, 5]))
    with pytest.raises(ValueError, match=r"11 positions.*Received: 10"):
        ClusteredBatches(11, 5, 0, clusters_of([5, 5]))
    repeated = Clusters(np.zeros(4, int), np.array([0, 2, 4]))
    with pytest.raises(ValueError, match=r"once. Received"):
        ClusteredBatches(4, 2, 0, repeated)


@pytest.mark.parametrize(
    "plan",
    [
        lambda **k: ShuffledBatches(seed=0, **k),
        lambda **k: ClusteredBatches(
            seed=0, clusters=clusters_of([1] * 4), **k
        ),
    ],
)
def test_bad_arguments(plan):
    for batch_size in (0, -1):
        with pytest.raises(ValueError, match=r"`batch_size`.*Received: "):
            plan(rows=4, batch_size=batch_size)
    for rows in ([0.5, 1.5, 2, 3], np.zeros((2, 2), int), [1, 2, 3, -1], -4):
        with pytest.raises(ValueError, match=r"`rows`.*Received: "):
            plan(rows=rows, batch_size=2)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 16, 30, 48])
@pytest.mark.parametrize("rows", [48, 500, 1001])
def test_number_of_batches(rng, rows, size):
    clusters = balanced_clusters(rng.normal(size=(rows, 4)), size, seed=0)
    batches = ClusteredBatches(rows, 48, 0, clusters).plan(epoch=0)
    foretold = num_batches(rows, 48, size)
    # Where clusters differ by one row, more of them may fit.
    assert len(batches) <= foretold <= 1.2 * len(batches) + 1
