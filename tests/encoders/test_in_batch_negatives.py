"""Invariants of candidates that stand for all labels:

- where batches hold all labels, the loss is that of all of them;
- a rare negative weighs as much as it is rarer, a positive does not;
- the sum that a batch stands for is right on average;
- in a short batch candidates weigh alike.
"""

import numpy as np
import pytest
import tensorflow as tf

from tfxc.encoders import InBatchNegatives
from tfxc.losses import decoupled_softmax

LABELS = 12


def batch_of(ids, relevance, rows):
    return {
        "rows": tf.constant(rows),
        "candidate_ids": tf.constant(ids, tf.int32),
        "relevance": tf.constant(relevance, tf.int8),
    }


def loss_of(probability, ids, relevance, scores, rows=(0, 1, 2, 3)):
    negatives = InBatchNegatives(probability, temperature=0.5)
    draw = negatives.draw(None, batch_of(ids, relevance, rows))
    assert draw.inputs is None
    return float(negatives.loss(relevance, tf.constant(scores), draw))


def problem(rng):
    scores = rng.normal(size=(4, LABELS)).astype(np.float32)
    relevance = rng.choice([-1, 0, 1], (4, LABELS), p=[0.1, 0.7, 0.2])
    relevance[:, 0] = 1
    return scores, relevance


def test_of_all_labels(rng):
    scores, relevance = problem(rng)
    found = loss_of(np.ones(LABELS), np.arange(LABELS), relevance, scores)
    expected = decoupled_softmax(relevance, scores, 0.5)
    np.testing.assert_allclose(found, np.mean(expected), rtol=1e-5)


def test_rare_negatives_weigh_more(rng):
    scores, relevance = problem(rng)
    ids = rng.permutation(LABELS)
    probability = rng.uniform(0.1, 1, LABELS)
    weights = np.where(relevance == 0, 1 / probability[ids], 1)
    found = loss_of(probability, ids, relevance, scores)
    weighed = scores + 0.5 * np.log(weights).astype(np.float32)
    expected = decoupled_softmax(relevance, weighed, 0.5)
    np.testing.assert_allclose(found, np.mean(expected), rtol=1e-5)
    moved = np.where(relevance == 1, 0.01, 1)[0]
    alone = relevance[:1], scores[:1]
    one, other = (
        loss_of(p, np.arange(LABELS), *alone) for p in (np.ones(LABELS), moved)
    )
    assert one == pytest.approx(other)


def test_padding_and_sums_on_average(rng):
    scores = rng.normal(size=LABELS).astype(np.float32)
    probability = rng.uniform(0.2, 0.9, LABELS)
    probability[0] = 1  # the positive of the query
    exact = np.exp(scores[1:] / 0.5).sum()
    sums = []
    for _ in range(1500):
        held = np.flatnonzero(rng.random(LABELS) < probability)
        ids = np.full(LABELS, -1)
        ids[: len(held)] = held
        relevance = np.where(ids < 0, -1, np.where(ids == 0, 1, 0))[None]
        given = np.where(ids < 0, 9, scores[ids]).astype(np.float32)[None]
        loss = loss_of(probability, ids, relevance, given)
        sums.append(np.expm1(loss) * np.exp(scores[0] / 0.5))
    error = np.std(sums) / np.sqrt(len(sums))
    assert error < 0.05 * exact
    assert abs(np.mean(sums) - exact) < 4.5 * error


def test_short_batches(rng):
    scores, relevance = problem(rng)
    relevance[3] = -1
    given = np.arange(LABELS), relevance, scores
    one, rare = np.ones(LABELS), rng.uniform(0.01, 0.1, LABELS)
    assert loss_of(one, *given) != pytest.approx(loss_of(rare, *given))
    found = loss_of(rare, *given, rows=(5, 6, 7, -1))
    assert found == pytest.approx(loss_of(one, *given))


@pytest.mark.parametrize("wrong", [0.0, 1.5, np.nan])
def test_probabilities_out_of_range(wrong):
    with pytest.raises(ValueError, match=r"in \(0, 1\].*Received: "):
        InBatchNegatives([0.5, wrong])
