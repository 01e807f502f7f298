"""Invariants of the soft top-k loss:

- it equals the published worked case and a slow float64 solver;
- the probabilities sum to k, and come closer to a hard top k as they sharpen;
- its gradient is the slope, and that of the published backward formula;
- compiled and eager agree; an ignored candidate changes nothing;
- where a query has no more than k candidates, or no positive, it costs 0;
- scores far apart stay finite; low precision gives a float32 loss;
- every setting survives a round trip, and each has an effect.
"""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfxc.losses import SoftTopK, soft_top_k, soft_top_k_loss


def slow_log_p(s, k, sharpness):
    """Bisection in float64, for one query."""
    if len(s) <= k:
        return np.zeros(len(s))
    low, high = -60.0, 60.0
    for _ in range(200):
        t = (low + high) / 2
        total = np.sum(1 / (1 + np.exp(-sharpness * (s + t))))
        low, high = (t, high) if total < k else (low, t)
    return -np.log1p(np.exp(-sharpness * (s + t)))


def oracle(relevance, scores, k=5, sharpness=2.0, temperature=1.0):
    losses = []
    scores = np.asarray(scores, np.float64) / temperature
    for y, s in zip(relevance, scores, strict=True):
        log_p = slow_log_p(s[y >= 0], k, sharpness)
        terms = -log_p[y[y >= 0] == 1]
        losses.append(terms.mean() if len(terms) else 0.0)
    return np.array(losses)


@functools.cache
def differentiated(jit, **settings):
    """Compiled once for all cases of one shape."""

    @tf.function(jit_compile=jit)
    def run(relevance, scores):
        with tf.GradientTape() as tape:
            tape.watch(scores)
            losses = soft_top_k_loss(relevance, scores, **settings)
        return losses, tape.gradient(losses, scores)

    return run


def value_and_grad(relevance, scores, jit=False, **settings):
    run = differentiated(jit, **settings)
    losses, grad = run(tf.constant(relevance), tf.constant(scores, tf.float32))
    return losses.numpy(), grad.numpy()


def random_case(rng, shape=(5, 12)):
    return rng.choice([-1, 0, 0, 1], shape), rng.uniform(-2, 2, shape)


def test_published_worked_case():
    log_p = soft_top_k(np.array([[2.0, 1.0, 0.0, -1.0]]), k=2, sharpness=2)
    np.testing.assert_allclose(
        np.exp(log_p), [[0.952574, 0.731059, 0.268941, 0.047426]], atol=1e-6
    )
    p = 1 / (1 + np.exp([-3.0, -1.0, 1.0, 3.0]))  # t = -0.5
    np.testing.assert_allclose(np.exp(log_p)[0], p, atol=1e-6)


@pytest.mark.parametrize("jit", [False, True])
@pytest.mark.parametrize("settings", [{"k": 3}, {"k": 1, "sharpness": 9}])
def test_matches_the_formula(rng, settings, jit):
    relevance, scores = random_case(rng)
    settings = {**settings, "temperature": 0.3}
    losses, _ = value_and_grad(relevance, scores, jit, **settings)
    expected = oracle(relevance, scores, **settings)
    assert np.median(expected) > 0.01, "would compare zeros"
    np.testing.assert_allclose(losses, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("k", [1, 4, 11])
@pytest.mark.parametrize("scale", [0.01, 1.0, 20.0])
def test_probabilities_sum_to_k(rng, k, scale):
    scores = scale * rng.normal(size=(20, 12))
    p = np.exp(soft_top_k(scores, k))
    np.testing.assert_allclose(p.sum(axis=1), k, rtol=1e-4)
    best = np.argsort(-scores, axis=1)
    ordered = np.take_along_axis(p, best, axis=1)
    assert (np.diff(ordered, axis=1) <= 0).all()


def test_sharper_is_harder(rng):
    scores = rng.permutation(12)[None].astype(np.float32)
    hard = scores >= 8  # the 4 highest
    apart = [
        np.abs(np.exp(soft_top_k(scores, 4, sharpness)) - hard).max()
        for sharpness in (0.5, 2, 10)
    ]
    assert apart[0] > 0.4 > apart[1] > 0.1 > apart[2]


@pytest.mark.parametrize("jit", [False, True])
def test_gradient_is_the_slope(rng, jit):
    relevance, scores = random_case(rng, (4, 8))
    settings = {"k": 2, "sharpness": 1.5, "temperature": 0.7}
    _, grad = value_and_grad(relevance, scores, jit, **settings)
    slope = np.zeros_like(scores)
    for place in np.ndindex(scores.shape):
        step = np.zeros_like(scores)
        step[place] = 1e-6
        up = oracle(relevance, scores + step, **settings).sum()
        down = oracle(relevance, scores - step, **settings).sum()
        slope[place] = (up - down) / 2e-6
    assert np.abs(slope).max() > 0.1
    np.testing.assert_allclose(grad, slope, atol=1e-4)


def test_gradient_is_the_published_one(rng):
    """The backward pass that the authors write out, for any upstream g."""
    scores, k, a = rng.normal(size=(3, 9)), 4, 1.7
    upstream = rng.normal(size=(3, 9))
    variable = tf.constant(scores, tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(variable)
        log_p = soft_top_k(variable, k, a)
        target = tf.reduce_sum(log_p * upstream.astype(np.float32))
    p = np.exp(np.stack([slow_log_p(s, k, a) for s in scores]))
    v = a * p * (1 - p)
    pulled = np.sum(a * (1 - p) * upstream, axis=1, keepdims=True)
    expected = a * (1 - p) * upstream - v * pulled / v.sum(1, keepdims=True)
    np.testing.assert_allclose(
        tape.gradient(target, variable), expected, atol=1e-5
    )


@pytest.mark.parametrize("score", [-1e6, 0.0, 1e6])
def test_ignored_candidates_change_nothing(rng, score):
    relevance = np.array([[1, 0, 0, 1]])
    scores = rng.normal(size=(1, 4))
    loss, grad = value_and_grad(relevance, scores, k=2)
    padded_loss, padded_grad = value_and_grad(
        np.append(relevance, [[-1]], axis=1),
        np.append(scores, [[score]], axis=1),
        k=2,
    )
    assert loss > 0 and np.abs(grad).sum() > 0, "would compare nothing"
    np.testing.assert_allclose(padded_loss, loss, rtol=1e-6)
    np.testing.assert_allclose(padded_grad[:, :4], grad, rtol=1e-5)
    assert padded_grad[0, 4] == 0


@pytest.mark.parametrize("jit", [False, True])
@pytest.mark.parametrize("relevance", [[1, 0, -1], [0, 0, 0], [-1, -1, -1]])
def test_degenerate_rows_cost_nothing(relevance, jit):
    scores = [[1.0, -2.0, 3.0]]
    loss, grad = value_and_grad(np.array([relevance]), scores, jit, k=2)
    assert loss == 0
    np.testing.assert_array_equal(grad, np.zeros((1, 3)))


@pytest.mark.parametrize("jit", [False, True])
@pytest.mark.parametrize("gap", [20.0, 1e3, 1e6])
def test_scores_far_apart_stay_finite(gap, jit):
    scores = [[gap, gap, -gap, -gap]]
    right = value_and_grad(np.array([[1, 1, 0, 0]]), scores, jit, k=2)
    assert right[0] < 1e-5 and np.abs(right[1]).max() < 1e-5
    loss, grad = value_and_grad(np.array([[0, 0, 1, 1]]), scores, jit, k=2)
    assert np.isfinite(loss) and loss > gap
    assert np.isfinite(grad).all() and (grad[0, 2:] <= 0).all()


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_low_precision_scores_give_a_float32_loss(dtype):
    relevance = np.array([[1, 0]])
    scores = tf.constant([[1.5, 0.25]], dtype)
    loss = SoftTopK(k=1)(relevance, scores)
    assert loss.dtype == tf.float32
    np.testing.assert_allclose(
        loss, oracle(relevance, [[1.5, 0.25]], k=1)[0], rtol=1e-5
    )


def test_round_trip(rng):
    loss = SoftTopK(
        k=3, sharpness=1.2, temperature=0.4, reduction="sum", name="top"
    )
    twin = keras.losses.deserialize(keras.losses.serialize(loss))
    assert twin.name == "top"
    relevance, scores = random_case(rng)
    value = float(loss(relevance, scores))
    assert float(twin(relevance, scores)) == value
    default = SoftTopK().get_config()
    for key in ("k", "sharpness", "temperature", "reduction"):
        other = SoftTopK(**{**loss.get_config(), key: default[key]})
        assert float(other(relevance, scores)) != value, key


@pytest.mark.parametrize(
    "settings",
    [
        {"k": 0},
        {"k": 1.5},
        {"sharpness": 0},
        {"temperature": -1.0},
        {"temperature": float("nan")},
    ],
)
def test_bad_settings(settings):
    [(name, value)] = settings.items()
    with pytest.raises(ValueError, match=f"Received: {name}={value}"):
        SoftTopK(**settings)
