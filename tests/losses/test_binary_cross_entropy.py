"""Invariants of the one-versus-all loss:

- it equals the formula, written as loops, and Keras' mean times the count;
- its gradient is sigmoid(s) - y, at any size of the scores;
- an ignored candidate changes nothing; a row without candidates costs 0;
- low-precision scores give a float32 loss; the config survives a round trip.
"""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfxc.losses import BinaryCrossEntropy, binary_cross_entropy


def oracle(relevance, scores, temperature=1.0, shift=0.0):
    """The logarithms of the probabilities, one scalar at a time."""
    losses = []
    scores = np.asarray(scores, np.float64) / temperature - shift
    for y, s in zip(relevance, scores, strict=True):
        terms = [
            -np.log(1 / (1 + np.exp(-s[c] if y[c] else s[c])))
            for c in np.flatnonzero(y >= 0)
        ]
        losses.append(sum(terms))
    return np.array(losses)


def value_and_grad(relevance, scores, jit=False, temperature=1.0):
    @tf.function(jit_compile=jit)
    def run(scores):
        with tf.GradientTape() as tape:
            tape.watch(scores)
            losses = binary_cross_entropy(relevance, scores, temperature)
        return losses, tape.gradient(losses, scores)

    losses, grad = run(tf.constant(scores, tf.float32))
    return losses.numpy(), grad.numpy()


@pytest.mark.parametrize("shift", [0.0, 4.0])
@pytest.mark.parametrize("temperature", [0.05, 1.0, 3.0])
@pytest.mark.parametrize("shape", [(1, 1), (4, 7), (16, 50)])
def test_matches_the_formula(rng, shape, temperature, shift):
    relevance = rng.integers(-1, 2, size=shape)
    scores = rng.uniform(-1, 1, size=shape)
    np.testing.assert_allclose(
        binary_cross_entropy(relevance, scores, temperature, shift),
        oracle(relevance, scores, temperature, shift),
        rtol=1e-5,
        atol=1e-6,
    )


def test_is_keras_mean_times_the_candidates(rng):
    relevance = rng.integers(0, 2, size=(6, 9))
    scores = rng.normal(size=(6, 9))
    mean = keras.losses.BinaryCrossentropy(from_logits=True)(relevance, scores)
    loss = BinaryCrossEntropy()(relevance, scores)
    np.testing.assert_allclose(loss, 9 * mean, rtol=1e-5)


@pytest.mark.parametrize("jit", [False, True])
@pytest.mark.parametrize("size", [1.0, 30.0, 1e6])
def test_gradient_is_sigmoid_minus_target(rng, size, jit):
    relevance = rng.integers(-1, 2, size=(5, 20))
    scores = rng.uniform(-size, size, (5, 20)).astype(np.float32)
    losses, grad = value_and_grad(relevance, scores, jit, temperature=0.5)
    with np.errstate(over="ignore"):
        sigmoid = 1 / (1 + np.exp(-scores.astype(np.float64) / 0.5))
    expected = np.where(relevance < 0, 0, sigmoid - relevance) / 0.5
    assert np.isfinite(losses).all() and np.abs(expected).max() > 0.5
    np.testing.assert_allclose(grad, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("jit", [False, True])
def test_gradient_is_the_slope(rng, jit):
    relevance = rng.integers(-1, 2, size=(3, 6))
    scores = rng.uniform(-1, 1, size=(3, 6))
    _, grad = value_and_grad(relevance, scores, jit)
    slope = np.zeros_like(scores)
    for place in np.ndindex(scores.shape):
        step = np.zeros_like(scores)
        step[place] = 1e-6
        up = oracle(relevance, scores + step).sum()
        down = oracle(relevance, scores - step).sum()
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


@pytest.mark.parametrize("jit", [False, True])
def test_a_row_without_candidates_costs_nothing(jit):
    loss, grad = value_and_grad(np.array([[-1, -1]]), [[2.0, -3.0]], jit)
    assert loss == 0
    np.testing.assert_array_equal(grad, np.zeros((1, 2)))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_low_precision_scores_give_a_float32_loss(dtype):
    relevance = np.array([[1, 0]])
    scores = tf.constant([[1.5, 0.25]], dtype)
    loss = BinaryCrossEntropy()(relevance, scores)
    assert loss.dtype == tf.float32
    np.testing.assert_allclose(
        loss, oracle(relevance, [[1.5, 0.25]])[0], rtol=1e-6
    )


def test_round_trip():
    loss = BinaryCrossEntropy(0.05, shift=2.0, reduction="sum", name="ova")
    twin = keras.losses.deserialize(keras.losses.serialize(loss))
    assert twin.name == "ova"
    relevance = np.array([[1, 0, 0], [0, 1, -1]])
    scores = np.array([[0.2, 0.1, 0.3], [0.1, -0.4, 0.2]])
    value = float(loss(relevance, scores))
    assert float(twin(relevance, scores)) == value
    default = BinaryCrossEntropy().get_config()
    for key in ("temperature", "shift", "reduction"):
        other = BinaryCrossEntropy(**{**loss.get_config(), key: default[key]})
        assert float(other(relevance, scores)) != value, key


@pytest.mark.parametrize("temperature", [0, -1.0, float("nan")])
def test_bad_temperature(temperature):
    with pytest.raises(ValueError, match="Received: temperature="):
        BinaryCrossEntropy(temperature=temperature)
