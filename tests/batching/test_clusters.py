"""Invariants of balanced clusters:

- they are a partition; sizes are floor(n / k) or ceil(n / k), none too large;
- they equal a recursion over nodes, one at a time, in plain Python;
- with power_of_two, number and sizes are those of NGAME's released code;
- the result depends on the vectors and the seed, not on threads, on BLAS, on
  the dtype's container, or on what was computed before; the input is unchanged;
- planted clusters are found, and sampling in large nodes costs little;
- equal, zero, single rows work; what is not a finite matrix is refused.
"""

import os
import subprocess
import sys

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest

from tfxc.batching import (
    Clusters,
    balanced_clusters,
    balanced_two_means,
    cluster_tree,
    mean_cosine,
    num_clusters,
    two_means,
)


def random_unit(rng, rows, d):
    x = rng.normal(size=(rows, d))
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)


def planted(rng, clusters, size, d, noise):
    """Rows of `clusters` centres, shuffled, and the centre of each row."""
    centre = rng.permutation(np.repeat(np.arange(clusters), size))
    x = random_unit(rng, clusters, d)[centre]
    x = x + noise * random_unit(rng, len(centre), d)
    return x.astype(np.float32), centre


def check_partition(clusters, n, k):
    assert len(clusters) == k
    assert np.array_equal(np.sort(clusters.order), np.arange(n))
    assert set(clusters.sizes()) <= {n // k, -(-n // k)}
    assert clusters.splits[0] == 0 and clusters.splits[-1] == n
    for c in range(0, k, max(1, k // 5)):
        assert (np.diff(clusters[c]) > 0).all()
        assert (clusters.of_rows()[clusters[c]] == c).all()


@hypothesis.settings(max_examples=40, deadline=None)
@hypothesis.given(
    st.integers(1, 400), st.integers(1, 450), st.booleans(), st.integers(0, 9)
)
def test_sizes_are_exact(n, cluster_size, power_of_two, seed):
    x = random_unit(np.random.default_rng(seed), n, 3)
    clusters = balanced_clusters(
        x, cluster_size, seed, threads=1, power_of_two=power_of_two
    )
    k = num_clusters(n, cluster_size, power_of_two)
    check_partition(clusters, n, k)
    if not power_of_two:
        assert k == -(-n // cluster_size)
        assert clusters.sizes().max() <= cluster_size


def slow_clusters(x, rows, path, low, high, k, block):
    """The tree of seed 3 by recursion: a list of sets of rows."""
    if high - low == 1:
        return [set(rows)]
    n, middle = len(x), (low + high) // 2
    first = middle * n // k - low * n // k
    key = two_means.seed_key(3)
    starts = two_means.starting_rows(key, np.array([path]), len(rows))
    ranks, _ = two_means.split_nodes(x[rows][None], first, starts)
    left = ranks[0, :first].tolist()
    if len(rows) > block:  # rows that must change sides swap places, in order
        leaving = [p for p in range(first) if p not in left]
        coming = [p for p in sorted(left) if p >= first]
        places = list(range(len(rows)))
        for p, q in zip(leaving, coming, strict=True):
            places[p], places[q] = q, p
    else:
        places = ranks[0].tolist()
    rows = [rows[place] for place in places]
    children = (
        (rows[:first], 2 * path, low, middle),
        (rows[first:], 2 * path + 1, middle, high),
    )
    return [c for a in children for c in slow_clusters(x, *a, k, block)]


@pytest.mark.parametrize("block", [10, 70, 4096])
@pytest.mark.parametrize(
    ("n", "cluster_size", "power_of_two", "k"),
    [(500, 7, False, 72), (500, 47, False, 11), (420, 7, True, 64)],
)
def test_equals_a_recursion(
    rng, block, n, cluster_size, power_of_two, k, monkeypatch
):
    monkeypatch.setattr(cluster_tree, "BLOCK", block)
    x = random_unit(rng, n, 6)
    clusters = balanced_clusters(
        x, cluster_size, seed=3, power_of_two=power_of_two
    )
    expected = slow_clusters(x, list(range(n)), 1, 0, k, k, block)
    assert [set(clusters[c].tolist()) for c in range(k)] == expected


def test_a_sample_is_split_in_the_same_proportion(rng, monkeypatch):
    seen = []

    def recorded(x, first, starts):
        seen.append((x.shape[1], first))
        return two_means.split_nodes(x, first, starts)

    monkeypatch.setattr(cluster_tree, "split_nodes", recorded)
    x = random_unit(rng, 12_000, 3)
    balanced_clusters(x, 4000, 0, sample_rows=3000)  # 3 clusters: 1 and 2
    assert seen == [(3000, 1000), (3000, 1500)]


def test_first_split_is_balanced_two_means(rng):
    x = random_unit(rng, 30, 4)
    clusters = balanced_clusters(x, 15, seed=5)
    half = balanced_two_means(x, seed=5)
    assert np.array_equal(clusters[0], np.flatnonzero(half))


def released_sizes(n, depth):
    """Leaf sizes of repeated halving; the first half has the odd row."""
    if depth == 0:
        return [n]
    return released_sizes(n - n // 2, depth - 1) + (
        released_sizes(n // 2, depth - 1)
    )


@pytest.mark.parametrize(("n", "cluster_size"), [(1000, 40), (11, 3), (37, 2)])
def test_power_of_two_gives_the_released_sizes(rng, n, cluster_size):
    clusters = balanced_clusters(
        random_unit(rng, n, 4), cluster_size, 0, power_of_two=True
    )
    depth = int(np.ceil(np.log2(np.ceil(n / cluster_size))))
    assert sorted(clusters.sizes()) == sorted(released_sizes(n, depth))


def test_released_schedule():
    """Mean sizes of NGAME's schedule on LF-AmazonTitles-131K.

    Its code starts at one cluster per row and halves the number requested at
    each growth epoch, then rounds up to a power of two.
    """
    n = 294_805
    sizes = [
        n / num_clusters(n, 2**halvings, power_of_two=True)
        for halvings in range(1, 10)
    ]
    np.testing.assert_allclose(
        sizes, [1.12, 2.25, 4.5, 9, 18, 36, 72, 144, 288], rtol=5e-3
    )


@pytest.mark.parametrize(("n", "k"), [(1, 1), (5, 4), (8, 8), (9, 8)])
def test_power_of_two_depth_is_capped(rng, n, k):
    assert num_clusters(n, 1, power_of_two=True) == k
    clusters = balanced_clusters(
        random_unit(rng, n, 3), 1, 0, power_of_two=True
    )
    check_partition(clusters, n, k)


def assert_same(a, b):
    np.testing.assert_array_equal(a.order, b.order)
    np.testing.assert_array_equal(a.splits, b.splits)


def test_threads_change_nothing(rng):
    x = random_unit(rng, 30_000, 16)
    before = x.copy()
    runs = [
        balanced_clusters(x, 50, 1, threads=threads, sample_rows=5000)
        for threads in (1, 2, 5, None)
    ]
    for run in runs[1:]:
        assert_same(run, runs[0])
    check_partition(runs[0], 30_000, 600)
    np.testing.assert_array_equal(x, before)
    other = balanced_clusters(x, 50, 2, sample_rows=5000)
    assert (other.order != runs[0].order).mean() > 0.9


def test_blas_threads_change_nothing():
    program = (
        "import numpy as np, hashlib; from tfxc.batching import *;"
        "x = np.random.default_rng(0).normal(size=(9000, 64));"
        "c = balanced_clusters(x, 30, 0, sample_rows=6000);"
        "print(hashlib.md5(c.order.tobytes()).hexdigest())"
    )
    digests = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "OPENBLAS_NUM_THREADS": threads},
            check=True,
            capture_output=True,
        ).stdout
        for threads in ("1", "2")
    }
    assert len(digests) == 1 and len(digests.pop()) == 33


def test_seed_may_be_a_tuple(rng):
    x = random_unit(rng, 300, 4)
    runs = [balanced_clusters(x, 10, seed) for seed in ((0, 1), (0, 2), (0, 1))]
    assert_same(runs[0], runs[2])
    assert (runs[0].order != runs[1].order).any()


def test_memory_mapped_low_precision(rng, tmp_path):
    x = random_unit(rng, 9000, 8).astype(np.float16)
    np.save(tmp_path / "bank.npy", x)
    bank = np.load(tmp_path / "bank.npy", mmap_mode="r")
    assert_same(
        balanced_clusters(bank, 33, 0),
        balanced_clusters(x.astype(np.float32), 33, 0),
    )


def test_length_of_a_vector_does_not_matter(rng):
    x = random_unit(rng, 300, 4)
    scale = 2.0 ** rng.integers(-3, 4, size=(300, 1))
    assert_same(balanced_clusters(x * scale, 9, 0), balanced_clusters(x, 9, 0))


def test_many_dimensions_are_projected(rng):
    """On a few dimensions of many nothing is lost by it; on noise, little."""
    plain = np.linalg.qr(rng.normal(size=(60, 6)))[0].T  # 6 of 60 dimensions
    vectors = rng.normal(size=(900, 6)) @ plain
    whole, projected = (
        balanced_clusters(vectors, 8, 0, max_dim=most) for most in (None, 6)
    )
    np.testing.assert_array_equal(whole.order, projected.order)
    found = balanced_clusters(vectors, 8, 0, max_dim=3)
    assert 0.5 < mean_cosine(vectors, found) < mean_cosine(vectors, whole)


def test_finds_planted_clusters(rng):
    x, centre = planted(rng, clusters=64, size=32, d=32, noise=0.1)
    clusters = balanced_clusters(x, 32, seed=0)
    pure = [len(set(centre[clusters[c]])) == 1 for c in range(64)]
    assert np.mean(pure) > 0.5
    shuffled = Clusters(rng.permutation(len(x)), clusters.splits)
    assert mean_cosine(x, clusters) > 0.85 > 2 * mean_cosine(x, shuffled)


def test_sampling_costs_little(rng):
    x, _ = planted(rng, clusters=400, size=50, d=16, noise=0.6)
    exact = mean_cosine(x, balanced_clusters(x, 50, 0, sample_rows=None))
    sampled = mean_cosine(x, balanced_clusters(x, 50, 0, sample_rows=4000))
    assert 0.97 * exact < sampled < 1.03 * exact


def test_mean_cosine_is_the_mean_over_rows(rng):
    x = random_unit(rng, 100, 5)
    clusters = balanced_clusters(x, 9, 0)
    cosines = []
    for c in range(len(clusters)):
        rows = x[clusters[c]].astype(np.float64)
        centroid = rows.sum(0) / np.linalg.norm(rows.sum(0))
        cosines += list(rows @ centroid)
    assert len(cosines) == 100
    np.testing.assert_allclose(
        mean_cosine(3 * x, clusters), np.mean(cosines), rtol=1e-5
    )


@pytest.mark.parametrize("value", [0.0, 1.0])
@pytest.mark.parametrize("cluster_size", [1, 3, 64, 6000, 9000])
def test_equal_rows(value, cluster_size):
    x = np.full((7000, 2), value, np.float32)
    clusters = balanced_clusters(x, cluster_size, 0, sample_rows=4500)
    check_partition(clusters, 7000, -(-7000 // cluster_size))


def test_one_row_per_cluster_needs_no_clustering(rng):
    clusters = balanced_clusters(random_unit(rng, 50, 4), 1, 0)
    assert np.array_equal(clusters.order, np.arange(50))


@pytest.mark.parametrize(
    ("vectors", "options", "message"),
    [
        (np.ones((5, 2)), {"cluster_size": 0}, "cluster_size=0"),
        (np.ones((5, 2)), {"sample_rows": 1}, "`sample_rows`"),
        (np.ones((5, 2)), {"max_dim": 0}, "`max_dim`"),
        (np.full((5, 2), np.nan), {"max_dim": 1}, "finite.*row 0"),
        (np.ones(5), {}, "shape"),
        (np.ones((0, 2)), {}, "shape"),
        (np.ones((2, 0)), {}, "shape"),
        ([[0.0, 1.0], [np.nan, 1.0]], {}, "finite.*row 1"),
        ([[0.0, np.inf], [0.0, 1.0]], {}, "finite.*row 0"),
        ([[0.0, 1.0], [1.0, 1e300]], {}, "finite.*row 1"),
    ],
)
def test_bad_input(vectors, options, message):
    with pytest.raises(
        ValueError, match=rf"(?s)Received: .*{message}|{message}"
    ):
        balanced_clusters(vectors, **{"cluster_size": 2, "seed": 0, **options})
