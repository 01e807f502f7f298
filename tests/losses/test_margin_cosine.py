"""Invariants of cosines with margins:

- they are the definition by angles in float64, for every m and a;
- they fall with the angle, without a break, and their gradient is that of
  finite differences away from the steps of k;
- without margins nothing changes; margins out of range are refused.
"""

import math

import numpy as np
import pytest
import tensorflow as tf

from tfxc.losses import margin_cosine

COSINES = np.cos(np.linspace(0.02, np.pi - 0.02, 501))


def by_angles(cosine, multiply, angle, subtract):
    wide = multiply * np.arccos(cosine) + angle
    k = np.floor(wide / np.pi)
    return (-1) ** k * np.cos(wide) - 2 * k - subtract


@pytest.mark.parametrize("angle", [0.0, 0.1, 0.5, 2.0])
@pytest.mark.parametrize("multiply", [1, 2, 3, 4, 5])
def test_the_definition(multiply, angle):
    found = margin_cosine(COSINES, multiply, angle, 0.25).numpy()
    expected = by_angles(COSINES, multiply, angle, 0.25)
    np.testing.assert_allclose(found, expected, atol=2e-5)
    assert (np.diff(found) < 1e-5).all() and found[0] - found[-1] > 1.5
    assert np.abs(np.diff(found)).max() < 0.2


@pytest.mark.parametrize("multiply", [1, 2, 3, 4])
def test_ends(multiply):
    ends = margin_cosine(np.array([1.0, -1.0]), multiply).numpy()
    np.testing.assert_allclose(ends, [1, 1 - 2 * multiply], atol=1e-6)


@pytest.mark.parametrize("angle", [0.0, 0.5])
@pytest.mark.parametrize("multiply", [1, 2, 3, 4, 5])
def test_gradient(multiply, angle):
    x = tf.constant(COSINES, tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(x)
        value = margin_cosine(x, multiply, angle)
    found = tape.gradient(value, x).numpy()
    step = 1e-5
    above, below = (
        by_angles(COSINES + sign * step, multiply, angle, 0) for sign in (1, -1)
    )
    expected = (above - below) / (2 * step)
    steps = [
        math.cos((math.pi * j - angle) / multiply)
        for j in range(1, multiply + 1)
    ]
    away = np.abs(COSINES[:, None] - steps).min(axis=1) > 1e-3
    assert away.mean() > 0.9
    np.testing.assert_allclose(
        found[away], expected[away], rtol=2e-2, atol=1e-3
    )


def test_the_gradient_at_the_ends_is_finite():
    x = tf.constant([1.0, -1.0, 1.1])
    with tf.GradientTape() as tape:
        tape.watch(x)
        value = margin_cosine(x, 3, 0.5)
    assert np.isfinite(tape.gradient(value, x)).all()


def test_no_margin():
    np.testing.assert_array_equal(
        margin_cosine(COSINES), COSINES.astype(np.float32)
    )


@pytest.mark.parametrize(
    "margins",
    [(0,), (1.5,), (-1,), (True,), (1, -0.1), (1, math.pi), (1, 0, -1)],
)
def test_out_of_range(margins):
    with pytest.raises(ValueError, match="Received: "):
        margin_cosine(COSINES, *margins)
