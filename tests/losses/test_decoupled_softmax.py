"""Invariants of the decoupled softmax:

- it equals the formula, written as loops;
- an ignored candidate changes nothing, whatever its score;
- positives do not compete: adding one leaves the others' gradient sign alone;
- a row without negatives, or without positives, costs 0 with a finite gradient;
- low-precision scores give a float32 loss; the config survives a round trip.
"""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfxc.losses import DecoupledSoftmax, decoupled_softmax


def oracle(relevance, scores, temperature):
    """The formula in the docstring, one scalar at a time."""
    losses = []
    scores = np.asarray(scores, np.float64) / temperature
    for y, s in zip(relevance, scores, strict=True):
        z = sum(np.exp(s[n]) for n in np.flatnonzero(y == 0))
        terms = [
            -np.log(np.exp(s[p]) / (np.exp(s[p]) + z))
            for p in np.flatnonzero(y == 1)
        ]
        losses.append(np.mean(terms) if terms else 0.0)
    return np.array(losses)


def value_and_grad(relevance, scores, jit=False):
    @tf.function(jit_compile=jit)
    def run(scores):
        with tf.GradientTape() as tape:
            tape.watch(scores)
            loss = tf.reduce_sum(decoupled_softmax(relevance, scores))
        return loss, tape.gradient(loss, scores)

    loss, grad = run(tf.constant(scores, tf.float32))
    return loss.numpy(), grad.numpy()


@pytest.mark.parametrize("temperature", [0.05, 1.0, 3.0])
@pytest.mark.parametrize("shape", [(1, 1), (4, 7), (16, 50)])
def test_matches_the_formula(rng, shape, temperature):
    relevance = rng.integers(-1, 2, size=shape)
    scores = rng.uniform(-1, 1, size=shape)
    np.testing.assert_allclose(
        decoupled_softmax(relevance, scores, temperature),
        oracle(relevance, scores, temperature),
        rtol=1e-5,
        atol=1e-6,
    )


def test_published_worked_case():
    scores = np.array([[2, 1, 0, -1], [0, 0.5, 1, -2]])
    relevance = np.array([[1, 1, 0, 0], [0, 0, 1, 0]])
    loss = DecoupledSoftmax()(relevance, scores)
    np.testing.assert_allclose(loss, 0.496950, atol=1e-6)


@pytest.mark.parametrize("jit", [False, True])
def test_gradient_is_the_slope(rng, jit):
    relevance = rng.integers(-1, 2, size=(3, 6))
    scores = rng.uniform(-1, 1, size=(3, 6))
    _, grad = value_and_grad(relevance, scores, jit)
    slope = np.zeros_like(scores)
    for place in np.ndindex(scores.shape):
        step = np.zeros_like(scores)
        step[place] = 1e-6
        up = oracle(relevance, scores + step, 1.0).sum()
        down = oracle(relevance, scores - step, 1.0).sum()
        slope[place] = (up - down) / 2e-6
    assert np.abs(slope).max() > 0.1
    np.testing.assert_allclose(grad, slope, atol=1e-5)


@pytest.mark.parametrize("score", [-1e6, 0.0, 1e6])
def test_ignored_candidates_change_nothing(rng, score):
    relevance = np.array([[1, 0, 0, 1]])
    scores = rng.normal(size=(1, 4))
    loss, grad = value_and_grad(relevance, scores)
    padded_loss, padded_grad = value_and_grad(
        np.append(relevance, [[-1]], axis=1),
        np.append(scores, [[score]], axis=1),
    )
    assert loss > 0 and np.abs(grad).sum() > 0, "would compare nothing"
    np.testing.assert_allclose(padded_loss, loss, rtol=1e-6)
    np.testing.assert_allclose(padded_grad[:, :4], grad, rtol=1e-6)
    assert padded_grad[0, 4] == 0


def test_positives_do_not_compete():
    relevance = np.array([[1, 1, 0]])
    scores = np.array([[9.0, 0.0, 0.0]])  # the first positive already wins
    _, grad = value_and_grad(relevance, scores)
    plain_softmax = np.exp(scores) / np.exp(scores).sum() - relevance / 2
    assert plain_softmax[0, 0] > 0.4  # a softmax would push it down, hard
    assert -1e-3 < grad[0, 0] <= 0  # here it is left where it is
    assert grad[0, 1] < -0.2


@pytest.mark.parametrize("jit", [False, True])
@pytest.mark.parametrize("relevance", [[1, 1, -1], [0, 0, -1], [-1, -1, -1]])
def test_degenerate_rows_cost_nothing(relevance, jit):
    loss, grad = value_and_grad(np.array([relevance]), [[1.0, -2.0, 3.0]], jit)
    assert loss == 0
    np.testing.assert_array_equal(grad, np.zeros((1, 3)))


@pytest.fixture
def floatx():
    """Sets Keras' float type for one test."""
    before = keras.config.floatx()
    yield keras.config.set_floatx
    keras.config.set_floatx(before)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_low_precision_scores_give_a_float32_loss(floatx, dtype):
    floatx(dtype)
    relevance = np.array([[1, 0]])
    scores = tf.constant([[1.5, 0.25]], dtype)
    loss = DecoupledSoftmax()(relevance, scores)
    assert loss.dtype == tf.float32
    np.testing.assert_allclose(
        loss, oracle(relevance, [[1.5, 0.25]], 1.0)[0], rtol=1e-6
    )


def test_round_trip():
    loss = DecoupledSoftmax(temperature=0.05, reduction="sum", name="dsl")
    twin = keras.losses.deserialize(keras.losses.serialize(loss))
    assert twin.get_config() == loss.get_config()
    relevance, scores = np.array([[1, 0, 0]]), np.array([[0.2, 0.1, 0.3]])
    assert twin(relevance, scores) == loss(relevance, scores)


@pytest.mark.parametrize("temperature", [0, -1.0, float("nan")])
def test_bad_temperature(temperature):
    with pytest.raises(ValueError, match="Received: temperature="):
        DecoupledSoftmax(temperature=temperature)
