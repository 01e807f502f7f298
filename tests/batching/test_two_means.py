"""Invariants of balanced two-means:

- it equals the published loop, one row at a time, from the same two rows;
- many nodes at once are split as each would be alone;
- two blobs of any stated sizes are recovered; the halves have exact sizes;
- the objective never falls from one pass to the next;
- the two starting rows are distinct, and every pair of them occurs;
- equal rows and zero rows still give exact sizes.
"""

import numpy as np
import pytest

from tfxc.batching import balanced_two_means, two_means
from tfxc.batching.two_means import seed_key, split_nodes, starting_rows


def unit(x):
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def oracle(x, first, start):
    """The published loop with a full sort, in float64.

    Returns the rows of the first half, as a set, and the objective per pass.
    """
    c1, c2 = x[start[0]], x[start[1]]
    objectives = []
    while len(objectives) < two_means.MAX_PASSES:
        ranks = sorted(range(len(x)), key=lambda i: x[i] @ c2 - x[i] @ c1)
        near, far = ranks[:first], ranks[first:]
        objectives.append(
            (sum(x[i] @ c1 for i in near) + sum(x[i] @ c2 for i in far))
            / len(x)
        )
        c1, c2 = unit(sum(x[i] for i in near)), unit(sum(x[i] for i in far))
        if len(objectives) > 1 and objectives[-1] - objectives[-2] < 1e-4:
            break
    return set(near), objectives


@pytest.mark.parametrize(("rows", "first"), [(2, 1), (7, 3), (40, 20), (60, 9)])
def test_equals_the_published_loop(rng, rows, first):
    passes = []
    for seed in range(5):
        x = unit(rng.normal(size=(rows, 6)))
        start = starting_rows(seed_key(seed), np.array([1]), rows)[0]
        expected, objectives = oracle(x, first, start)
        half = balanced_two_means(x, seed, first)
        assert set(np.flatnonzero(half)) == expected
        assert np.diff(objectives).min(initial=0) > -1e-12
        passes.append(len(objectives))
    assert max(passes) > 2 or rows < 10, "would compare one step only"


def test_nodes_are_split_as_if_alone(rng):
    x = unit(rng.normal(size=(9, 800, 5))).astype(np.float32)
    starts = starting_rows(seed_key(0), np.arange(9), 800)
    ranks, directions = split_nodes(x, 370, starts)
    converged_after = set()
    for node in range(9):
        expected, objectives = oracle(x[node], 370, starts[node])
        assert set(ranks[node, :370]) == expected
        assert sorted(ranks[node]) == list(range(800))
        near = np.isin(np.arange(800), list(expected))
        direction = unit(x[node][~near].sum(0)) - unit(x[node][near].sum(0))
        np.testing.assert_allclose(directions[node], direction, atol=1e-5)
        converged_after.add(len(objectives))
    assert len(converged_after) > 2, "nodes should stop at different passes"


@pytest.mark.parametrize("first", [10, 30, 50])
def test_recovers_two_blobs(rng, first):
    centres = np.array([[1.0, 0, 0, 0], [0, 1.0, 0, 0]])
    blob = rng.permutation(np.arange(60) < first)
    x = unit(centres[blob.astype(int)] + 0.05 * rng.normal(size=(60, 4)))
    for seed in range(10):
        half = balanced_two_means(x, (seed, 7), first)
        assert half.sum() == first
        if first == 30:  # else the wrong blob may claim the smaller half
            assert np.array_equal(half, blob) or np.array_equal(half, ~blob)
        else:
            small = half if first < 30 else ~half
            assert len(set(blob[small])) == 1


def test_default_is_one_half(rng):
    assert balanced_two_means(rng.normal(size=(9, 3)), 0).sum() == 4


def test_starting_rows_are_distinct_and_cover_all_pairs():
    pairs = starting_rows(seed_key(3), np.arange(1, 3000), 5)
    assert (pairs[:, 0] != pairs[:, 1]).all()
    assert pairs.min() == 0 and pairs.max() == 4
    counts = np.bincount(pairs[:, 0] * 5 + pairs[:, 1])
    counts = counts[counts > 0]
    assert len(counts) == 20
    assert counts.min() > 100  # 150 expected
    other = starting_rows(seed_key(4), np.arange(1, 3000), 5)
    assert (pairs == other).all(axis=1).mean() < 0.1


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_equal_rows_give_exact_sizes(value):
    half = balanced_two_means(np.full((11, 3), value), seed=0, first=4)
    assert half.sum() == 4


@pytest.mark.parametrize(
    ("vectors", "first", "message"),
    [
        (np.ones((1, 3)), None, "two rows"),
        (np.ones(3), None, "two rows"),
        ([[1.0, np.nan], [0.0, 1.0]], None, "finite"),
        (np.ones((3, 2)), 0, "`first`"),
        (np.ones((3, 2)), 3, "`first`"),
    ],
)
def test_bad_input(vectors, first, message):
    with pytest.raises(ValueError, match=rf"{message}.*Received: "):
        balanced_two_means(vectors, 0, first)
