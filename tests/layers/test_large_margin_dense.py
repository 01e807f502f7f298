"""Invariants of output layers with margins:

- scores are those of the definition by angles in float64, for every kind of
  margin, with one or several right classes, by norms or a scale;
- without labels or training there is no margin, and a margin of 1 is `Dense`
  and its cross-entropy, gradients and all;
- easing falls as published, one step each time, and weighs the two scores;
- a shortlist has the scores that all classes have;
- inputs of zeros have finite gradients; classes out of range, margins of 0 or
  no integer and scales of 0 are refused.
"""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfxc.layers import (
    LargeMarginDense,
    MarginSoftmax,
    margin_easing,
    margin_scores,
)

CLASSES, DIM, ROWS = 7, 4, 5
LABELS = np.array([[0, 3], [2, -1], [6, 5], [-1, -1], [1, -1]])


def inputs(seed=0):
    x = np.random.default_rng(seed).normal(size=(ROWS, DIM))
    return (2 * x).astype(np.float32)


def by_angles(x, kernel, margins, scale, easing=0.0):
    """Scores with a margin of every class, float64."""
    multiply, angle, subtract = margins
    norms = np.linalg.norm(x, axis=1)[:, None] * np.linalg.norm(kernel, axis=0)
    cosine = x @ kernel / norms
    wide = multiply * np.arccos(cosine) + angle
    k = np.floor(wide / np.pi)
    psi = (-1) ** k * np.cos(wide) - 2 * k - subtract
    factor = norms if scale is None else scale
    return factor * (easing * cosine + psi) / (1 + easing)


MARGINS = [(multiply, 0, 0) for multiply in range(1, 6)]
MARGINS += [(1, 0.5, 0), (1, 0, 0.35), (2, 0.1, 0.1)]


@pytest.mark.parametrize("scale", [None, 12.0])
@pytest.mark.parametrize("margins", MARGINS)
def test_scores(margins, scale):
    layer = LargeMarginDense(CLASSES, *margins, scale)
    x = inputs()
    found = layer(x, LABELS, training=True).numpy()
    kernel = layer.kernel.numpy().astype(float)
    held = by_angles(x.astype(float), kernel, margins, scale)
    plain = by_angles(x.astype(float), kernel, (1, 0, 0), scale)
    right = (LABELS[:, :, None] == np.arange(CLASSES)).any(axis=1)
    expected = np.where(right, held, plain)
    np.testing.assert_allclose(found, expected, atol=1e-4)
    np.testing.assert_allclose(layer(x), plain, atol=1e-4)
    np.testing.assert_allclose(layer(x, LABELS), plain, atol=1e-4)
    one = layer(x, LABELS[:, 0], training=True).numpy()
    assert (one[1] == found[1]).all() and (one[3] == found[3]).all()


def test_no_margin_is_dense():
    layer = MarginSoftmax(CLASSES, multiply=1)
    x, labels = tf.constant(inputs()), np.array([0, 2, 6, 3, 1])
    dense = keras.layers.Dense(CLASSES, use_bias=False)
    layer(x, labels), dense(x)
    dense.kernel.assign(layer.kernel)
    results = []
    for function in (
        lambda: layer(x, labels, training=True),
        lambda: keras.losses.sparse_categorical_crossentropy(
            labels, dense(x), from_logits=True
        ),
    ):
        with tf.GradientTape() as tape:
            tape.watch(x)
            losses = function()
        kernel = layer.kernel if not results else dense.kernel
        results.append((losses, *tape.gradient(losses, [x, kernel.value])))
    for one, other in zip(*results, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


def test_several_right_classes():
    layer = MarginSoftmax(CLASSES, multiply=3)
    x = inputs()
    losses = layer(x, LABELS, training=True).numpy()
    scores = LargeMarginDense.call(layer, x, LABELS, training=True).numpy()
    log_p = scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))
    for row, labels in enumerate(LABELS):
        own = [-log_p[row, label] for label in labels if label >= 0]
        expected = np.mean(own) if own else 0
        assert losses[row] == pytest.approx(expected, abs=1e-5)


def test_easing():
    layer = LargeMarginDense(
        CLASSES, 2, easing={"start": 8.0, "rate": 1.0, "power": 2.0}
    )
    x, labels = inputs(), LABELS[:, 0]
    layer(x)
    kernel = layer.kernel.numpy().astype(float)
    right = labels[:, None] == np.arange(CLASSES)
    for step in (1, 2, 3):
        found = layer(x, labels, training=True).numpy()
        easing = 8 / (1 + step) ** 2
        found_easing = float(margin_easing(step, 8.0, 1.0, 2.0))
        assert found_easing == pytest.approx(easing, rel=1e-6)
        parts = x.astype(float), kernel
        expected = np.where(
            right,
            by_angles(*parts, (2, 0, 0), None, easing),
            by_angles(*parts, (1, 0, 0), None),
        )
        np.testing.assert_allclose(found, expected, atol=1e-4)
        assert layer.steps == step
    layer(x, labels)  # not trained
    assert layer.steps == 3
    assert float(margin_easing(10**6, least=5.0)) == 5


def test_a_shortlist():
    layer = LargeMarginDense(CLASSES, 2, 0.2, 0.1, scale=3.0)
    x = inputs()
    whole = layer(x, LABELS, training=True).numpy()
    cosine = layer(x).numpy() / 3
    listed = np.random.default_rng(1).integers(0, CLASSES, (ROWS, 4))
    relevance = (listed[:, :, None] == LABELS[:, None]).any(axis=2)
    found = margin_scores(
        relevance.astype("int8"),
        np.take_along_axis(cosine, listed, axis=1),
        *(3.0, (2, 0.2, 0.1)),
    )
    expected = np.take_along_axis(whole, listed, axis=1)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_inputs_of_zeros():
    layer = MarginSoftmax(CLASSES, multiply=4)
    x = tf.zeros((2, DIM))
    layer(x, np.array([1, 2]))
    with tf.GradientTape() as tape:
        tape.watch(x)
        losses = layer(x, np.array([1, 2]), training=True)
    gradients = tape.gradient(losses, [x, layer.kernel.value])
    for part in (losses, *gradients):
        assert np.isfinite(part).all()


def test_two_classes():
    layer = MarginSoftmax(2, multiply=2)
    x = inputs()
    p = np.exp(layer.log_probs(x))
    np.testing.assert_allclose(p.sum(axis=1), 1, atol=1e-6)
    values, ids = layer.top_k(x, 2)
    np.testing.assert_allclose(np.exp(values).max(axis=1), p.max(axis=1))
    assert ids.shape == (ROWS, 2)


@pytest.mark.parametrize("label", [-2, CLASSES])
def test_classes_out_of_range(label):
    for layer in (LargeMarginDense(CLASSES), MarginSoftmax(CLASSES)):
        with pytest.raises(ValueError, match=f"Received: {label}"):
            layer(inputs(), np.full(ROWS, label))


@pytest.mark.parametrize(
    "options",
    [
        {"multiply": 0},
        {"multiply": 1.5},
        {"multiply": True},
        {"angle": -0.1},
        {"angle": 4.0},
        {"subtract": -1.0},
        {"scale": 0.0},
        {"units": 0},
    ],
)
def test_wrong_options(options):
    [value] = options.values()
    with pytest.raises(ValueError, match=f"Received: .*{value}"):
        LargeMarginDense(**{"units": CLASSES, **options})
