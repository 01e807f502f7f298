"""What every output layer keeps to:

- shapes, float32 results under mixed precision, near those of float32;
- gradients at inputs and weights are those of finite differences;
- a layer made of its configuration, with its weights, computes the same;
- compiled as eager, values and gradients; JAX and torch compute the same;
- probabilities sum to one, and the best labels are those of a sort.
"""

import os
import pathlib
import subprocess
import sys

import contract
import keras
import numpy as np
import pytest
import tensorflow as tf
from contract import CASES, DIM, LABELS, ROWS, SHAPES, case


@pytest.mark.parametrize("name", CASES)
def test_shapes_and_mixed_precision(name):
    layer, arguments, training = case(name)
    found = layer(*arguments, **training)
    assert found.shape == SHAPES[name] and found.dtype == "float32"
    low, *_ = case(name, dtype="mixed_bfloat16")
    other = low(*arguments, **training)
    assert other.shape == found.shape and other.dtype == "float32"
    np.testing.assert_allclose(other, found, rtol=0.1, atol=0.2)
    for one, same in zip(layer.weights, low.weights, strict=True):
        assert one.dtype == same.dtype, "weights stay as they are"


def weights_of(layer):
    """Those that training moves: of a classifier by rows."""
    return layer.trainable_variables or [layer.classifier.table]


def gradients(name, jit_compile=False):
    layer, (x, *rest), training = case(name)
    x, variables = tf.constant(x), weights_of(layer)
    upstream = np.random.default_rng(9).normal(size=SHAPES[name])

    @tf.function(jit_compile=jit_compile)
    def compute(x):
        with tf.GradientTape() as tape:
            tape.watch([x, *(v.value for v in variables)])
            found = layer(x, *map(tf.constant, rest), **training)
            total = tf.reduce_sum(tf.cast(upstream, "float32") * found)
        return found, tape.gradient(total, [x, *(v.value for v in variables)])

    return (layer, rest, training, upstream, variables), compute(x)


@pytest.mark.parametrize("name", CASES)
def test_gradients(name):
    parts, (_, [of_x, *of_weights]) = gradients(name)
    layer, rest, training, upstream, variables = parts
    x = case(name)[1][0]

    def total(x):
        return float(np.sum(upstream * np.asarray(layer(x, *rest, **training))))

    rng, step = np.random.default_rng(3), 2e-3
    for _ in range(6):
        change = rng.normal(size=x.shape).astype(np.float32)
        slope = (total(x + step * change) - total(x - step * change)) / 2 / step
        expected = np.sum(np.asarray(of_x) * change)
        assert slope == pytest.approx(expected, rel=0.02, abs=0.02)
    for variable, gradient in zip(variables, of_weights, strict=True):
        start = variable.numpy()
        change = rng.normal(size=start.shape).astype(np.float32)
        around = []
        for sign in (1, -1):
            variable.assign(start + sign * step * change)
            around.append(total(x))
        variable.assign(start)
        slope = (around[0] - around[1]) / 2 / step
        expected = np.sum(tf.convert_to_tensor(gradient).numpy() * change)
        assert slope == pytest.approx(expected, rel=0.02, abs=0.02)


@pytest.mark.parametrize("name", CASES)
def test_compiled_as_eager(name):
    _, (found, slopes) = gradients(name)
    _, (compiled, compiled_slopes) = gradients(name, jit_compile=True)
    np.testing.assert_allclose(compiled, found, rtol=1e-4, atol=1e-5)
    for one, other in zip(compiled_slopes, slopes, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", CASES)
def test_made_again(name):
    layer, arguments, training = case(name)
    config = keras.saving.serialize_keras_object(layer)
    again = keras.saving.deserialize_keras_object(config)
    assert type(again) is type(layer)
    if not again.built:
        again.build((ROWS, DIM))
    again.set_weights(layer.get_weights())
    np.testing.assert_array_equal(
        again(*arguments, **training), layer(*arguments, **training)
    )


@pytest.mark.parametrize("name", sorted(set(CASES) - {"margin, scores"}))
def test_probabilities(name):
    layer, (x, *_), _ = case(name)
    log_p = np.asarray(layer.log_probs(x))
    np.testing.assert_allclose(np.exp(log_p).sum(axis=1), 1, atol=1e-5)
    for k in (1, 4, LABELS):
        _, ids = layer.top_k(x, k)
        order = np.argsort(-log_p, axis=1, kind="stable")[:, :k]
        np.testing.assert_array_equal(ids, order)


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_other_backends_compute_the_same(backend, tmp_path):
    pytest.importorskip(backend)
    file = tmp_path / "found.npz"
    subprocess.run(
        [sys.executable, pathlib.Path(contract.__file__), file],
        check=True,
        cwd=pathlib.Path(__file__).parents[2],
        env={
            **os.environ,
            "KERAS_BACKEND": backend,
            "PYTHONPATH": str(pathlib.Path(__file__).parents[2]),
        },
    )
    found = np.load(file)
    expected = contract.computed()
    assert len(expected) > 12 and set(found) == set(expected)
    for name, array in expected.items():
        np.testing.assert_allclose(
            found[name], array, rtol=1e-4, atol=1e-5, err_msg=name
        )
