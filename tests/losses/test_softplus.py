"""Invariants of the softplus: it is log(1 + e^x) to float32's rounding."""

import numpy as np
import pytest
import tensorflow as tf

from tfxc.losses.softplus import softplus


@pytest.mark.parametrize("jit", [False, True])
def test_equals_the_logarithm(jit):
    x = np.concatenate([np.linspace(-90, 90, 20_001), [-1e4, 1e4, 1e-6, 0.0]])
    x = x.astype(np.float32)
    found = tf.function(softplus, jit_compile=jit)(tf.constant(x)).numpy()
    np.testing.assert_allclose(
        found, np.logaddexp(0, x.astype(float)), rtol=5e-7, atol=1e-37
    )
    assert found.dtype == np.float32


def test_infinite():
    x = np.array([-np.inf, np.inf], np.float32)
    np.testing.assert_array_equal(softplus(x), [0, np.inf])
