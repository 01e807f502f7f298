"""Invariants of an encoder that is trained with any output layer:

- a step moves the layer and the encoder by the gradient of the layer's loss,
  as one model would, each by its optimiser, and padding moves nothing;
- training lowers the loss under jit, with either kind of layer and an encoder
  of tokens, and compiles once;
- a saved model trains on as the one that was saved.
"""

import os
import pathlib
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfxc.encoders import BagEncoder, OutputLayerClassifier, StoredVectors
from tfxc.layers import AdaptiveSoftmax, MarginSoftmax
from tfxc.training import RowAdagrad

TOKENS, LABELS, DIM, SIZE = 30, 23, 6, 6


def layer_of(kind):
    if kind == "adaptive":
        # So rare ones that a tail has not room for all queries.
        frequencies = 0.5 ** np.arange(LABELS)
        return AdaptiveSoftmax(
            LABELS, [5, 10], shrink=2.0, frequencies=frequencies
        )
    return MarginSoftmax(LABELS, multiply=2, easing={"rate": 0.05})


def model_of(kind, optimizer, encoder=None, of_layer=None):
    bags = encoder is None
    encoder = encoder or BagEncoder(TOKENS, DIM, hidden=5)
    rows = RowAdagrad(TOKENS, 0.3, initial=0.2) if bags else None
    model = OutputLayerClassifier(encoder, rows, SIZE, layer_of(kind), of_layer)
    model.compile(optimizer, jit_compile=True)
    optimizer.build(model.trainable_variables)  # else traced once more
    return model


def batches_of(rng, count=20):
    labels = rng.integers(0, LABELS, (count, SIZE, 2)).astype(np.int32)
    ids = labels % (TOKENS - 1) + 1  # which tell the labels
    labels[:, 2, 1] = -1
    ids[:, -1], labels[:, -1] = 0, -1
    weights = np.where(ids, 0.7, 0).astype(np.float16)
    return {"query": {"ids": ids, "weights": weights}, "positives": labels}


def first(batches):
    return tf.nest.map_structure(lambda part: tf.constant(part[0]), batches)


@pytest.mark.parametrize("of_layer", [None, 0.3])
@pytest.mark.parametrize("kind", ["adaptive", "margin"])
def test_a_step(rng, kind, of_layer):
    another = keras.optimizers.SGD(of_layer) if of_layer else None
    model = model_of(kind, keras.optimizers.SGD(0.1), of_layer=another)
    batch = first(batches_of(rng))
    layer, encoder = model.layer, model.encoder
    variables = layer.trainable_variables + encoder.trainable_variables
    before = [variable.numpy() for variable in variables]
    with tf.GradientTape() as tape:
        losses = layer(
            encoder(batch["query"]), batch["positives"], training=True
        )
        mean = tf.reduce_sum(losses) / SIZE
    gradients = tape.gradient(mean, [v.value for v in variables])
    if kind == "margin":
        layer.steps.assign(0)
    logs = tf.function(model.train_step, jit_compile=True)(batch)
    assert float(logs["loss"]) == pytest.approx(float(mean), rel=1e-5)
    for variable, old, gradient in zip(
        variables, before, gradients, strict=True
    ):
        own = any(variable is weight for weight in layer.weights)
        rate = of_layer if own and of_layer else 0.1
        np.testing.assert_allclose(variable, old - rate * gradient, atol=1e-5)
        # The encoder's first dense layer has none yet.
        assert not own or np.abs(gradient).max() > 1e-4
    assert losses[-1] == 0, "of padding"


@pytest.mark.parametrize("kind", ["adaptive", "margin"])
def test_training_lowers_the_loss(rng, kind):
    model = model_of(kind, keras.optimizers.Adam(0.02))
    traced, step = [], model.label_step
    model.label_step = lambda *parts: traced.append(1) or step(*parts)
    losses = model.fit(
        tf.data.Dataset.from_tensor_slices(batches_of(rng)),
        **{"epochs": 15, "verbose": 0, "shuffle": False},
    ).history["loss"]
    assert losses[4] < 0.9 * losses[0] and len(traced) == 1
    if kind == "margin":
        assert model.layer.steps == 15 * 20
    else:
        assert losses[-1] < 0.6 * losses[0]


STEPS = """
import keras
import numpy as np
import sys
import test_output_layer_classifier as cases
import tensorflow as tf
model = cases.model_of("adaptive", keras.optimizers.Adam(0.02))
rng = np.random.default_rng(0)
step = tf.function(model.train_step, jit_compile=True)
step(cases.first(cases.batches_of(rng)))
print("another step", file=sys.stderr, flush=True)
step(cases.first(cases.batches_of(rng)))
"""


def test_compiles_once():
    """Also if the values of weights and batches change: see `some_rows`."""
    done = subprocess.run(
        [sys.executable, "-c", STEPS],
        cwd=pathlib.Path(__file__).parent,
        env={
            **os.environ,
            "TF_CPP_MIN_LOG_LEVEL": "0",
            "TF_CPP_VMODULE": "device_compiler=2",
            "PYTHONPATH": str(pathlib.Path(__file__).parents[2]),
        },
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    before, after = done.stderr.split("another step")
    assert "Compilation of XLA executable" in before
    assert "Compilation of XLA executable" not in after


@pytest.mark.parametrize(
    ("kind", "of_layer"), [("adaptive", None), ("margin", None), ("margin", 1)]
)
def test_a_saved_model_trains_on(rng, tmp_path, kind, of_layer):
    batches = batches_of(rng, 4)
    vectors = rng.normal(size=(4, SIZE, DIM)).astype(np.float32)
    data = {"query": {"vectors": vectors}, "positives": batches["positives"]}
    data = tf.data.Dataset.from_tensor_slices(data)
    encoder = StoredVectors(DIM, 0.0)
    model = model_of(
        *(kind, keras.optimizers.Adam(0.02), encoder),
        of_layer and keras.optimizers.Adam(0.05),
    )
    model.fit(data, verbose=0, shuffle=False)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    for one in (model, again):
        one.fit(data, verbose=0, shuffle=False)
    for one, other in zip(model.variables, again.variables, strict=True):
        np.testing.assert_array_equal(one.numpy(), other.numpy())
