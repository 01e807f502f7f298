"""Invariants of samplers in a model that is not ours:

- a plain `keras.Model` trains with any of them, compiled by XLA, once, and
  learns to tell the labels apart;
- its weights, saved and loaded, have the sampler's in them;
- a batch of unknown size is refused with what to do about it.
"""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops
from sampler_cases import LABELS, unit

from tfxc.losses import sampled_softmax
from tfxc.negatives import (
    ClusterTreeSampler,
    InBatch,
    Midx,
    MixedNegatives,
    NegativeCache,
    Uniform,
    Unigram,
)

DIM, BATCH, ROWS = 8, 16, 320


class Classifier(keras.Model):
    """A vector for each label, trained against a few labels that are drawn."""

    def __init__(self, sampler, labels):
        super().__init__()
        self.sampler = sampler
        self.encoder = keras.layers.Dense(DIM)
        self.labels = self.add_weight(shape=labels.shape, name="labels")
        self.labels.assign(labels)

    def build(self, input_shape):
        self.encoder.build(input_shape)

    def call(self, x):
        return ops.normalize(self.encoder(x), axis=-1)

    def compute_loss(self, x, y, y_pred, sample_weight=None, training=True):
        ids, log_q, relevance = self.sampler(
            ops.stop_gradient(y_pred),
            num=32,
            positives=y[:, None],
            candidates=y,  # which `InBatch` draws among
        )
        return ops.mean(
            sampled_softmax(
                ops.ones((BATCH, 1), "int8"),
                ops.sum(ops.take(self.labels, y, axis=0) * y_pred, axis=1)[
                    :, None
                ],
                relevance,
                ops.sum(
                    ops.take(self.labels, ids, axis=0) * y_pred[:, None], axis=2
                ),
                log_q,
                temperature=0.125,
            )
        )


def data():
    """Queries `[ROWS, 6]` of labels, and these; vectors of labels."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, LABELS, ROWS).astype(np.int32)
    looks = rng.normal(size=(LABELS, 6))
    x = looks[y] + 0.1 * rng.normal(size=(ROWS, 6))
    return x.astype(np.float32), y, unit(rng.normal(size=(LABELS, DIM)))


def tree(labels, **options):
    return ClusterTreeSampler(
        labels, 8.0, opened=2, branching=4, leaf_size=4, **options
    )


SAMPLERS = {
    "uniform": lambda labels: Uniform(LABELS),
    "in-batch": lambda labels: InBatch(np.ones(LABELS)),
    "mixed": lambda labels: MixedNegatives(
        [Uniform(LABELS), tree(labels)], [1, 3]
    ),
    "unigram": lambda labels: Unigram(np.ones(LABELS)),
    "cache": lambda labels: NegativeCache(
        np.arange(LABELS), labels, LABELS, 8.0
    ),
    "midx": lambda labels: Midx(labels, 8.0, words=5),
    "tree": tree,
    "tree of sketches": lambda labels: tree(labels, sketch=2, exact=5),
}


@pytest.mark.parametrize("name", SAMPLERS)
def test_it_trains(name):
    keras.utils.set_random_seed(0)
    x, y, labels = data()
    model = Classifier(SAMPLERS[name](labels), labels)
    model.compile(keras.optimizers.Adam(0.05), jit_compile=True)
    batches = tf.data.Dataset.from_tensor_slices((x, y)).batch(
        BATCH, drop_remainder=True
    )
    calls = []
    sample = model.sampler.sample
    model.sampler.sample = lambda *args, **kw: (
        calls.append(1),
        sample(*args, **kw),
    )[1]
    follow = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: model.sampler.refresh(
            model.labels.numpy()
        )
    )
    model.fit(batches, epochs=15, shuffle=False, verbose=0, callbacks=[follow])
    assert len(calls) <= 2, "traced once, and once to build"
    scores = model.predict(x, verbose=0) @ model.labels.numpy().T
    assert (scores.argmax(axis=1) == y).mean() > 0.8


@pytest.mark.parametrize("name", SAMPLERS)
def test_a_batch_of_unknown_size(name):
    x, y, labels = data()
    model = Classifier(SAMPLERS[name](labels), labels)
    model.compile("adam", jit_compile=True)
    batches = tf.data.Dataset.from_tensor_slices((x, y)).batch(BATCH)
    with pytest.raises(ValueError, match="drop_remainder"):
        model.fit(batches, shuffle=False, verbose=0)


@pytest.mark.parametrize("name", SAMPLERS)
def test_saved_weights(name, tmp_path):
    x, _, labels = data()
    models = []
    for vectors in (labels, labels[::-1].copy()):
        model = Classifier(SAMPLERS[name](vectors), vectors)
        model(x[:BATCH])
        models.append(model)
    path = tmp_path / "model.weights.h5"
    models[0].save_weights(path)
    if name not in ("uniform", "unigram", "in-batch"):
        apart = [model.sampler.law(labels[:3]) for model in models]
        assert np.abs(apart[0] - apart[1]).max() > 0.1, "would test less"
    models[1].load_weights(path)
    states = [model.sampler.state() for model in models]
    assert states[0].keys() == states[1].keys() and states[0]
    for key, array in states[0].items():
        np.testing.assert_array_equal(array, states[1][key])
