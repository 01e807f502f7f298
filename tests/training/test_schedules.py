"""Invariants of learning rates:

- they equal the formula, step by step, and are never negative, nor above the
  peak; from the last step on they are zero;
- an optimiser reads them; they survive a round trip.
"""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfxc.training import LinearDecay


def slow(step, peak, steps, warmup):
    """One step, in cases."""
    rising = warmup * steps
    if step >= steps:
        return 0.0
    if step < rising:
        return peak * step / rising
    return peak * (steps - step) / (steps - rising)


@pytest.mark.parametrize("warmup", [0.0, 0.1, 0.37, 0.5, 1.0])
@pytest.mark.parametrize("steps", [1, 2, 10, 1000])
def test_equals_the_formula(steps, warmup):
    rate = LinearDecay(0.3, steps, warmup)
    some = sorted({*range(0, steps + 5, max(steps // 50, 1)), steps, 2 * steps})
    rates = [float(rate(step)) for step in some]
    expected = [slow(step, 0.3, steps, warmup) for step in some]
    np.testing.assert_allclose(rates, expected, rtol=1e-4, atol=1e-6)
    assert min(rates) == rates[-1] == 0 and max(rates) < 0.3 + 1e-6


def test_reaches_the_peak_and_is_straight():
    rate = LinearDecay(2.0, 100, 0.2)
    rates = np.array([float(rate(step)) for step in range(101)])
    assert rates.argmax() == 20 and rates[20] == 2.0
    np.testing.assert_allclose(np.diff(rates[:21]), 0.1, rtol=1e-4)
    np.testing.assert_allclose(np.diff(rates[20:]), -0.025, rtol=1e-4)


def test_no_steps():
    assert float(LinearDecay(0.3, 0)(0)) == pytest.approx(0.3)
    assert float(LinearDecay(0.3, 0)(1)) == 0


def test_an_optimizer_reads_them():
    weight = keras.Variable([0.0])
    descent = keras.optimizers.SGD(LinearDecay(1.0, 4, 0.5))

    @tf.function(jit_compile=True)
    def step():
        descent.apply([tf.constant([1.0])], [weight])

    descent.build([weight])
    moved = []
    for _ in range(5):
        before = float(weight[0])
        step()
        moved.append(before - float(weight[0]))
    np.testing.assert_allclose(moved, [0, 0.5, 1, 0.5, 0], atol=1e-6)


def test_round_trip():
    rate = LinearDecay(0.7, steps=12, warmup=0.25)
    twin = keras.optimizers.schedules.deserialize(
        keras.optimizers.schedules.serialize(rate)
    )
    for step in range(14):
        assert float(twin(step)) == float(rate(step))
