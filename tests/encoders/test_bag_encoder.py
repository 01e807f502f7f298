"""Invariants of the bag encoder:

- it equals its formula in numpy, with and without the residual block;
- results are unit vectors; the order of tokens and padding do not matter; an
  empty bag gives finite values;
- untrained, it compares bags by the cosine of their token weights;
- it is the same under jit, from config and weights, and from a saved model;
- low precision is for the residual block alone: table, sums and results are
  float32, and calls agree with `head(gather(...))`.
"""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfxc.encoders import BagEncoder


@pytest.fixture
def policy():
    """Sets Keras' policy for one test."""
    yield keras.config.set_dtype_policy
    keras.config.set_dtype_policy("float32")


def random_bags(rng, rows=6, length=5, tokens=40):
    ids = rng.integers(1, tokens, (rows, length)).astype(np.int32)
    weights = rng.random((rows, length)).astype(np.float16)
    ids[:, -2:] *= rng.integers(0, 2, (rows, 2))  # some rows are shorter
    return {"ids": ids, "weights": np.where(ids, weights, 0)}


def trained(rng, hidden=7, **options):
    """An encoder whose weights are all at random."""
    encoder = BagEncoder(num_tokens=40, dim=6, hidden=hidden, **options)
    encoder.build()
    for weight in encoder.weights:
        weight.assign(rng.normal(size=weight.shape))
    return encoder


def numpy_encoder(encoder, bags):
    """The formula of the docstring, row by row, in float64."""
    table, *dense = (w.numpy().astype(float) for w in sorted_weights(encoder))
    rows = []
    for ids, weights in zip(bags["ids"], bags["weights"], strict=True):
        x = sum(float(w) * table[i] for i, w in zip(ids, weights, strict=True))
        u = x / np.linalg.norm(x)
        if dense:
            w1, b1, w2, b2 = dense
            y = u + np.maximum(u @ w1 + b1, 0) @ w2 + b2
            u = y / np.linalg.norm(y)
        rows.append(u)
    return np.array(rows)


def sorted_weights(encoder):
    return [encoder.table, *encoder.trainable_weights]


@pytest.mark.parametrize("hidden", [0, 7])
def test_equals_the_formula(rng, hidden):
    encoder, bags = trained(rng, hidden), random_bags(rng)
    vectors = encoder(bags)
    assert vectors.shape == (6, 6) and vectors.dtype == tf.float32
    np.testing.assert_allclose(
        vectors, numpy_encoder(encoder, bags), rtol=1e-4, atol=1e-5
    )
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-5)
    assert len(encoder.trainable_weights) == (4 if hidden else 0)


def test_order_and_padding_do_not_matter(rng):
    encoder, bags = trained(rng), random_bags(rng)
    order = rng.permutation(5)
    moved = {
        name: np.pad(array[:, order], ((0, 0), (1, 3)))
        for name, array in bags.items()
    }
    np.testing.assert_allclose(encoder(moved), encoder(bags), atol=1e-5)
    half = {**bags, "weights": bags["weights"] * np.float16(0.5)}
    np.testing.assert_allclose(encoder(half), encoder(bags), atol=1e-5)


@pytest.mark.parametrize("hidden", [0, 7])
def test_an_empty_bag_is_finite(rng, hidden):
    encoder = trained(rng, hidden)
    empty = {"ids": np.zeros((2, 5), int), "weights": np.zeros((2, 5))}
    with tf.GradientTape() as tape:
        sums = encoder.gather(empty)
        tape.watch(sums)
        vectors = encoder.head(sums)
    assert np.isfinite(vectors).all()
    assert np.isfinite(tape.gradient(vectors, sums)).all()
    assert np.linalg.norm(vectors, axis=1).max() < 1 + 1e-5


def test_untrained_it_is_a_random_projection():
    rng = np.random.default_rng(0)
    ids = np.stack([rng.choice(99, 8, replace=False) + 1 for _ in range(40)])
    weights = rng.random(ids.shape)
    weights /= np.linalg.norm(weights, axis=1, keepdims=True)
    dense = np.zeros((40, 100))
    np.put_along_axis(dense, ids, weights, axis=1)
    vectors = BagEncoder(100, dim=4096)({"ids": ids, "weights": weights})
    cosines = dense @ dense.T
    assert 0.2 < np.triu(cosines, 1).max() < 0.9, "all alike, or all apart"
    np.testing.assert_allclose(vectors @ vectors.numpy().T, cosines, atol=0.08)


def test_seed():
    tables = [BagEncoder(9, 4, seed=seed).table.numpy() for seed in (0, 0, 1)]
    np.testing.assert_array_equal(tables[0], tables[1])
    assert not np.array_equal(tables[0], tables[2])


def test_jit_equals_eager(rng):
    encoder, bags = trained(rng), random_bags(rng)
    compiled = tf.function(encoder, jit_compile=True)
    np.testing.assert_allclose(compiled(bags), encoder(bags), atol=1e-6)


@pytest.mark.parametrize("hidden", [0, 7])
def test_round_trip(rng, hidden, tmp_path):
    encoder, bags = trained(rng, hidden, seed=3, name="mine"), random_bags(rng)
    config = keras.saving.serialize_keras_object(encoder)
    twin = keras.saving.deserialize_keras_object(config)
    twin.build()  # it is built already, and may be told so again
    twin.set_weights(encoder.get_weights())
    np.testing.assert_array_equal(twin(bags), encoder(bags))
    fresh = BagEncoder(40, 6, hidden, seed=3)
    again = type(fresh).from_config(fresh.get_config())
    np.testing.assert_array_equal(again.table, fresh.table)

    inputs = {
        "ids": keras.Input((5,), dtype="int32", name="ids"),
        "weights": keras.Input((5,), name="weights"),
    }
    model = keras.Model(inputs, encoder(inputs))
    assert model.output_shape == (None, 6)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded(bags), encoder(bags))


@pytest.mark.parametrize("name", ["mixed_bfloat16", "mixed_float16"])
def test_low_precision_is_for_the_block_alone(rng, policy, name):
    exact, bags = trained(rng), random_bags(rng)
    policy(name)
    encoder = trained(rng)
    encoder.set_weights(exact.get_weights())
    np.testing.assert_array_equal(encoder.gather(bags), exact.gather(bags))
    vectors = encoder(bags)
    assert vectors.dtype == tf.float32
    assert all(weight.dtype == "float32" for weight in encoder.weights)
    np.testing.assert_array_equal(vectors, encoder.head(encoder.gather(bags)))
    difference = np.abs(vectors - exact(bags)).max()
    assert 0 < difference < 0.05
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-5)
    # The policy belongs to the layer: it is the same in another program.
    config = encoder.get_config()
    policy("float32")
    twin = BagEncoder.from_config(config)
    twin.build()
    twin.set_weights(encoder.get_weights())
    np.testing.assert_array_equal(twin(bags), vectors)
