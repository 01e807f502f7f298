"""Invariants of lists of nearest wrong labels:

- a list has the nearest labels that are not right for its query, found by
  loops; where there are too few, they repeat;
- draws are from the query's own list, as likely as log_q says;
- lists change when `finish` says so, and stay if the search failed;
- a run that is restored draws from the same lists.
"""

import keras
import numpy as np
import pytest
import tensorflow as tf
from sampler_cases import LABELS, label_vectors, queries

from tfxc.data import LabelLists
from tfxc.negatives import (
    LabelIndex,
    MixedNegatives,
    NearestNegatives,
    Uniform,
    shared_sample,
)
from tfxc.negatives.sampler import set_rows

ROWS, SIZE = 40, 6


def problem(rng, most=4):
    lists = [rng.choice(LABELS, n % (most + 1), False) for n in range(ROWS)]
    rows = np.repeat(np.arange(ROWS), [len(ids) for ids in lists])
    ids = np.concatenate(lists).astype(int)
    return queries(rows=ROWS), LabelLists.from_pairs(rows, ids, ROWS, LABELS)


def filled(rng):
    x, relevant = problem(rng)
    sampler = NearestNegatives(ROWS, LABELS, SIZE)
    sampler.start(LabelIndex(label_vectors()), x, relevant)
    assert sampler.finish() and not sampler.finish()
    return sampler, x, relevant


def test_lists_by_loops(rng):
    sampler, x, relevant = filled(rng)
    vectors = label_vectors()
    for row in range(ROWS):
        right = set(
            relevant.ids[relevant.splits[row] : relevant.splits[row + 1]]
        )
        order = np.argsort(-(vectors @ x[row]), kind="stable")
        wrong = [label for label in order if label not in right][:SIZE]
        assert sampler.lists[row].numpy().tolist() == wrong


def test_too_few_wrong_labels_repeat(rng):
    x = queries(rows=2)
    relevant = LabelLists.from_pairs([0] * 57, range(57), 2, LABELS)
    sampler = NearestNegatives(2, LABELS, SIZE)
    sampler.start(LabelIndex(label_vectors()), x, relevant)
    sampler.finish()
    first = sampler.lists[0].numpy()
    assert sorted(first) == [57, 57, 58, 58, 59, 59]
    rows = np.array([0])
    log_q = sampler.log_prob(x[:1], np.array([57, 3]), rows=rows)
    np.testing.assert_allclose(np.exp(log_q), [[1 / 3, 0]], rtol=1e-6)


def test_a_query_that_finds_nothing_keeps_its_list():
    x = queries(rows=2)
    relevant = LabelLists.from_pairs([0] * LABELS, range(LABELS), 2, LABELS)
    sampler = NearestNegatives(2, LABELS, SIZE)
    before = sampler.lists.numpy()
    sampler.start(LabelIndex(label_vectors()), x, relevant)
    assert sampler.finish()
    np.testing.assert_array_equal(sampler.lists[0], before[0])
    assert np.any(sampler.lists[1] != before[1])


@pytest.mark.parametrize("jit", [False, True])
def test_draws(rng, jit):
    sampler, x, _ = filled(rng)
    rows = np.array([7, 3, 7])

    def draw():
        return sampler.sample(x[rows], 6000, seed=1, rows=tf.constant(rows))

    ids, log_q = (tf.function(draw, jit_compile=True) if jit else draw)()
    np.testing.assert_allclose(log_q, -np.log(SIZE), rtol=1e-5)
    for row, drawn in zip(rows, ids.numpy(), strict=True):
        labels, counts = np.unique(drawn, return_counts=True)
        assert set(labels) == set(sampler.lists[row].numpy())
        assert np.abs(counts - 1000).max() < 150
    q = np.exp(sampler.log_prob(x[rows], np.arange(LABELS), rows=rows))
    np.testing.assert_allclose(q.sum(axis=1), 1, rtol=1e-5)


def test_mixed_and_shared_with_others(rng):
    """Hard ones alone leave labels out; others make the sums right."""
    sampler, x, _ = filled(rng)
    mixed = MixedNegatives([Uniform(LABELS), sampler], [1, 1])
    rows, f = tf.range(4), rng.uniform(1, 2, LABELS)
    sums = []
    for _ in range(400):
        ids, log_q = shared_sample(mixed, x[:4], 8, rows=rows)
        sums.append(np.mean(f[ids.numpy()] / np.exp(log_q.numpy())))
    error = np.std(sums) / 20
    assert abs(np.mean(sums) - f.sum()) < 4.5 * error < 0.1 * f.sum()


def test_a_search_that_fails_leaves_the_lists(rng):
    sampler, x, relevant = filled(rng)
    before = sampler.lists.numpy()
    sampler.start(None, x, relevant)
    with pytest.raises(AttributeError):
        sampler.finish()
    np.testing.assert_array_equal(sampler.lists, before)
    assert not sampler.finish()
    twin = NearestNegatives(ROWS, LABELS, SIZE)
    twin.restore(sampler.state())
    np.testing.assert_array_equal(twin.lists, before)


@pytest.mark.parametrize("size", [0, LABELS + 1])
def test_size(size):
    with pytest.raises(ValueError, match=f"Received: {size}"):
        NearestNegatives(ROWS, LABELS, size)


def test_set_rows(rng):
    table = rng.normal(size=(6, 3)).astype(np.float32)
    variable = keras.Variable(table)
    table[[4, 1]] = 9
    set_rows(variable, np.array([4, 1]), np.full((2, 3), 9, np.float32))
    np.testing.assert_array_equal(variable, table)
