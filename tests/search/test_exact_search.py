"""Invariants of exact search:

- it equals a full matrix product and a stable sort, for every cut into blocks:
  ties go to the lower id, also where thousands of labels tie;
- filtered labels are out before the top k are taken, so the next ones move up;
- where fewer than k labels are left, ids are -1 and scores -inf;
- low-precision and memory-mapped vectors give what their float32 copies give;
- blocks are computed when asked for, and memory is bounded by the block.
"""

import itertools
import tracemalloc

import ml_dtypes
import numpy as np
import pytest

from tfxc.data.label_lists import LabelLists
from tfxc.search import ExactSearch, exact_top_k


def oracle(queries, labels, k, filtered=None):
    """All scores, then a stable sort of each row."""
    scores = np.asarray(queries, np.float32) @ np.asarray(labels, np.float32).T
    for row in range(len(queries) if filtered is not None else 0):
        scores[row, filtered[row]] = -np.inf
    order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    best = np.take_along_axis(scores, order, axis=1)
    ids = np.where(best > -np.inf, order, -1)
    missing = ((0, 0), (0, k - order.shape[1]))
    return (
        np.pad(best, missing, constant_values=-np.inf),
        np.pad(ids, missing, constant_values=-1),
    )


def collect(blocks, k):
    """The blocks put together; checks that they are in order and typed."""
    scores, ids, rows = [np.empty((0, k))], [np.empty((0, k), int)], 0
    for start, block_scores, block_ids in list(blocks):
        assert start == rows
        assert (block_scores.dtype, block_ids.dtype) == (np.float32, np.int32)
        scores.append(block_scores)
        ids.append(block_ids)
        rows += len(block_ids)
    return np.concatenate(scores), np.concatenate(ids)


def check(queries, labels, k, filtered=None, **blocks):
    expected = oracle(queries, labels, k, filtered)
    found = collect(exact_top_k(queries, labels, k, filtered, **blocks), k)
    np.testing.assert_array_equal(found[1], expected[1])
    np.testing.assert_array_equal(found[0], expected[0])


def small_integers(rng, rows, high=2):
    """Vectors whose scores are exact in any order of summation, with ties."""
    return rng.integers(-high, high + 1, size=(rows, 4)).astype(np.float32)


def random_filter(rng, rows, columns, share):
    pairs = np.argwhere(rng.random((rows, columns)) < share)
    return LabelLists.from_pairs(pairs[:, 0], pairs[:, 1], rows, columns)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.97])
@pytest.mark.parametrize("blocks", [(None, None), (2, 5), (1, 1), (3, 64)])
def test_equals_a_full_sort(rng, blocks, share):
    sizes = itertools.product((1, 3, 17), (1, 5, 64, 700), (1, 3, 70))
    for rows, columns, k in sizes:
        if blocks[1] == 1 and rows * columns > 500:
            continue  # thousands of blocks of one score
        filtered = random_filter(rng, rows, columns, share) if share else None
        check(
            small_integers(rng, rows),
            small_integers(rng, columns),
            k,
            filtered,
            block_rows=blocks[0],
            block_labels=blocks[1],
        )


def test_ties_are_what_the_cases_hold(rng):
    """Guards the test above: its k-th best score is often shared."""
    scores = small_integers(rng, 17) @ small_integers(rng, 700).T
    third = np.sort(scores, axis=1)[:, -3, None]
    assert ((scores == third).sum(axis=1) > 3).any()


@pytest.mark.parametrize("block_labels", [None, 900])
def test_float_scores(rng, block_labels):
    labels = rng.normal(size=(5000, 16)).astype(np.float32)
    queries = rng.normal(size=(50, 16)).astype(np.float32)
    expected = oracle(queries, labels, 100)
    found = collect(
        exact_top_k(queries, labels, 100, block_labels=block_labels), 100
    )
    np.testing.assert_array_equal(found[1], expected[1])
    np.testing.assert_allclose(found[0], expected[0], rtol=1e-5)


@pytest.mark.parametrize("block_labels", [None, 700])
def test_a_query_of_zeros_gets_the_lowest_ids(rng, block_labels):
    labels = rng.normal(size=(3000, 4)).astype(np.float32)
    queries = np.zeros((2, 4), np.float32)
    queries[1] = -0.0
    blocks = exact_top_k(queries, labels, 5, block_labels=block_labels)
    _, ids = collect(blocks, 5)
    assert ids.tolist() == [[0, 1, 2, 3, 4]] * 2


def test_similar_neighbours_among_the_ids():
    """All best labels of a query lie in one run of ids."""
    labels = np.repeat(np.eye(8, dtype=np.float32), 400, axis=0)
    check(np.eye(8, dtype=np.float32), labels, 300)


def test_no_queries_and_no_labels(rng):
    some = small_integers(rng, 3)
    assert list(exact_top_k(some[:0], some, 2)) == []
    scores, ids = collect(exact_top_k(some, some[:0], 2), 2)
    assert (ids == -1).all() and (scores == -np.inf).all() and len(ids) == 3


def test_nan_spoils_its_own_query_only(rng):
    queries, labels = small_integers(rng, 3), small_integers(rng, 50)
    expected = oracle(queries, labels, 4)[1]
    queries[1, 2] = np.nan
    expected[1] = -1
    _, ids = collect(exact_top_k(queries, labels, 4), 4)
    np.testing.assert_array_equal(ids, expected)


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16, np.float64])
def test_other_precisions(rng, dtype):
    labels = rng.normal(size=(300, 16)).astype(dtype)
    queries = rng.normal(size=(20, 16)).astype(dtype)
    wide = [x.astype(np.float32) for x in (queries, labels)]
    for blocks in ({}, {"block_rows": 7, "block_labels": 90}):
        found = collect(exact_top_k(queries, labels, 10, **blocks), 10)
        expected = collect(exact_top_k(*wide, 10, **blocks), 10)
        np.testing.assert_array_equal(found[1], expected[1])
        np.testing.assert_array_equal(found[0], expected[0])


def test_memory_mapped_labels(rng, tmp_path):
    labels = small_integers(rng, 100).astype(np.float16)
    np.save(tmp_path / "labels.npy", labels)
    mapped = np.load(tmp_path / "labels.npy", mmap_mode="r")
    queries = small_integers(rng, 9)
    found = collect(ExactSearch(mapped).top_k(queries, 7), 7)
    np.testing.assert_array_equal(found[1], oracle(queries, labels, 7)[1])


def test_memory_is_bounded_by_the_block(rng):
    queries = rng.normal(size=(1000, 4)).astype(np.float32)
    labels = rng.normal(size=(10_000, 4)).astype(np.float32)
    tracemalloc.start()
    try:
        for _ in exact_top_k(queries, labels, 3, None, 100, 1000):
            pass
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert 400_000 < peak < 2_000_000  # all scores would be 40,000,000


def test_blocks_are_computed_when_asked_for(rng):
    queries, labels = small_integers(rng, 6), small_integers(rng, 30)
    blocks = exact_top_k(queries, labels, 2, block_rows=3)
    next(blocks)
    queries[3:] = 0
    assert next(blocks)[2].tolist() == [[0, 1]] * 3


def test_bad_arguments(rng):
    some = small_integers(rng, 3)
    with pytest.raises(ValueError, match=r"Received: k=0"):
        exact_top_k(some, some, 0)
    with pytest.raises(ValueError, match=r"Received: \(3, 4\) and \(3, 2\)"):
        exact_top_k(some, some[:, :2], 1)
    with pytest.raises(ValueError, match=r"Received: \(4,\) and \(3, 4\)"):
        exact_top_k(some[0], some, 1)
    for rows, columns in ((2, 3), (3, 4)):
        filtered = random_filter(rng, rows, columns, 1.0)
        with pytest.raises(ValueError, match=f"Received: {rows} and {columns}"):
            exact_top_k(some, some, 1, filtered)
