"""Invariants of the bound of augment and reduce:

- with all other labels drawn once, it is at least the softmax loss, and is it
  where the sum of a query is right; its gradient then is the softmax loss's;
- sums move as said, and approach the right one;
- queries without a label count nothing and learn nothing.
"""

import numpy as np
import pytest
import tensorflow as tf

from tfxc.losses import augment_and_reduce

LABELS = 6


def all_drawn(scores, label, log_sum, rate):
    """What drawing all labels once, as uniform draws, gives."""
    scores = tf.convert_to_tensor(scores, tf.float32)
    return augment_and_reduce(
        np.array([[label]]),
        scores[None, label, None],
        np.arange(LABELS)[None],
        scores[None],
        np.full((1, LABELS), -np.log(LABELS)),
        np.array([log_sum], np.float32),
        rate,
    )


@pytest.mark.parametrize("label", [0, 3])
def test_a_bound_that_touches(rng, label):
    scores = rng.normal(size=LABELS) * 2
    right = np.log(np.exp(scores).sum())
    for off in (-1.0, 0.0, 0.5):
        loss, _ = all_drawn(scores, label, right + off, 1e-6)
        exact = right - scores[label]
        assert loss[0] > exact - 1e-4
        if off == 0:
            assert float(loss[0]) == pytest.approx(exact, abs=1e-4)
        else:
            assert loss[0] > exact + 0.05
    values = tf.constant(scores, tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(values)
        loss, _ = all_drawn(values, label, right, 1e-6)
    softmax = np.exp(scores - right) - np.eye(LABELS)[label]
    np.testing.assert_allclose(tape.gradient(loss, values), softmax, atol=1e-4)


def test_sums_approach_the_right_one(rng):
    scores = rng.normal(size=LABELS)
    right, log_sum = np.log(np.exp(scores).sum()), 9.0
    _, moved = all_drawn(scores, 2, log_sum, 0.25)
    expected = np.log(0.75 * np.exp(9.0) + 0.25 * np.exp(right))
    assert float(moved[0]) == pytest.approx(expected, rel=1e-5)
    for _ in range(60):
        _, moved = all_drawn(scores, 2, log_sum, 0.25)
        log_sum = float(moved[0])
    assert log_sum == pytest.approx(right, abs=1e-3)


def test_no_label():
    none = np.full((1, 1), -1)
    losses, sums = augment_and_reduce(
        *(none, np.zeros((1, 1)), np.zeros((1, 2), int), np.zeros((1, 2))),
        *(np.zeros((1, 2)), np.array([3.0], np.float32)),
    )
    assert float(losses[0]) == 0 and float(sums[0]) == 3


def test_scores_far_apart_stay_finite():
    losses, sums = augment_and_reduce(
        *(np.array([[0]]), np.array([[-80.0]])),
        *(np.array([[1, 2]]), np.array([[90.0, -90.0]]), np.zeros((1, 2))),
        np.array([5.0], np.float32),
    )
    assert np.isfinite(losses).all() and np.isfinite(sums).all()
