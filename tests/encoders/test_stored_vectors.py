"""Invariants of the encoder of stored vectors:

- it passes on the directions that it is given, as float32 unit vectors, under
  low precision too; zero vectors stay, with a finite gradient;
- dropout hides the share it should, in training alone, by its seed;
- it is the same under jit, from its config, and after a round trip.
"""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfxc.encoders import StoredVectors


def unit(vectors):
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
def test_directions(rng, policy):
    vectors = rng.normal(size=(6, 5)).astype(np.float32)
    keras.config.set_dtype_policy(policy)
    try:
        layer = StoredVectors(5)
    finally:
        keras.config.set_dtype_policy("float32")
    found = layer({"vectors": vectors})
    assert found.dtype == tf.float32 and layer.dim == 5
    np.testing.assert_allclose(found, unit(vectors), atol=1e-6)
    head = layer.head(layer.gather({"vectors": vectors}))
    np.testing.assert_array_equal(head, found)
    assert not layer.trainable_variables


def test_dropout_in_training_alone(rng):
    vectors = unit(rng.normal(size=(50, 400)))
    layer = StoredVectors(400, dropout=0.3)
    one, other = (layer({"vectors": vectors}, training=True) for _ in range(2))
    for found in (one.numpy(), other.numpy()):
        np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, rtol=1e-5)
        assert abs((found == 0).mean() - 0.3) < 0.02
        kept = np.where(found, vectors, 0)
        np.testing.assert_allclose(found, unit(kept), atol=1e-6)
    assert ((one == 0) != (other == 0)).numpy().mean() > 0.3
    for training in (False, None):
        quiet = layer({"vectors": vectors}, training=training)
        np.testing.assert_allclose(quiet, vectors, atol=1e-6)


def test_seed(rng):
    vectors = {"vectors": rng.normal(size=(9, 20))}
    found = [
        StoredVectors(20, seed=seed)(vectors, training=True).numpy()
        for seed in (3, 3, 4)
    ]
    np.testing.assert_array_equal(found[0], found[1])
    assert not np.array_equal(found[0] == 0, found[2] == 0)


@pytest.mark.parametrize("training", [False, True])
def test_zero_vectors(training):
    layer = StoredVectors(4)
    zeros = tf.zeros([3, 4])
    with tf.GradientTape() as tape:
        tape.watch(zeros)
        found = layer({"vectors": zeros}, training=training)
    np.testing.assert_array_equal(found, zeros)
    assert np.isfinite(tape.gradient(found, zeros)).all()


def test_jit_equals_eager(rng):
    vectors = {"vectors": rng.normal(size=(6, 5)).astype(np.float32)}
    layer = StoredVectors(5)
    compiled = tf.function(layer, jit_compile=True)
    np.testing.assert_allclose(compiled(vectors), layer(vectors), atol=1e-6)


def test_round_trip(rng, tmp_path):
    vectors = {"vectors": rng.normal(size=(6, 20)).astype(np.float32)}
    layer = StoredVectors(20, dropout=0.8, seed=3)
    twin = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(layer)
    )
    expected = layer(vectors, training=True)
    np.testing.assert_array_equal(twin(vectors, training=True), expected)
    assert (expected == 0).numpy().mean() > 0.6

    given = keras.Input((20,), name="vectors")
    model = keras.Model({"vectors": given}, layer({"vectors": given}))
    assert model.output_shape == (None, 20)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded(vectors), layer(vectors))
