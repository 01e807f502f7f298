"""Invariants of the label classifier:

- `call` is the normalised sum of weighted rows, `head(gather(inputs))`;
- label l is row l, label 0 too: `vectors()` are what `call` gives each label;
- it starts from given encodings, or from the directions of a seed;
- padding, of weight 0, has the vector 0, and leaves its row as it is;
- by batches or over all labels, its optimiser makes labels match queries;
- it is the label encoder of a `DualEncoder`, and a layer of one's own model;
- it comes back from configuration and weights, and from a saved model.
"""

import keras
import numpy as np
import pytest
import tensorflow as tf

import tfxc
from tfxc.layers import LabelClassifier
from tfxc.training import RowAdagrad

LABELS, DIM = 30, 16


def one_each(ids, weights=1.0):
    """Inputs of one label each."""
    ids = np.asarray(ids, np.int32)[:, None]
    return {"ids": ids, "weights": np.broadcast_to(weights, ids.shape)}


def random_classifier(rng, **options):
    """One whose rows are of many lengths."""
    initial = 3 * rng.normal(size=(LABELS, DIM))
    return LabelClassifier(LABELS, DIM, initial=initial, **options), initial


@pytest.mark.parametrize("cosine", [False, True])
def test_equals_the_formula(rng, cosine):
    classifier, rows = random_classifier(rng, cosine=cosine)
    inputs = {
        "ids": rng.integers(0, LABELS, (7, 3)).astype(np.int32),
        "weights": rng.random((7, 3)).astype(np.float16),
    }
    sums = np.sum(rows[inputs["ids"]] * inputs["weights"][:, :, None], axis=1)
    np.testing.assert_allclose(classifier.gather(inputs), sums, rtol=1e-3)
    if cosine:
        sums /= np.linalg.norm(sums, axis=1, keepdims=True)
    vectors = classifier(inputs)
    assert vectors.dtype == tf.float32
    np.testing.assert_allclose(vectors, sums, rtol=1e-3, atol=1e-4)
    compiled = tf.function(classifier, jit_compile=True)
    np.testing.assert_allclose(compiled(inputs), vectors, atol=1e-6)


@pytest.mark.parametrize("cosine", [False, True])
def test_vectors_are_those_of_each_label(rng, cosine):
    classifier, rows = random_classifier(rng, cosine=cosine)
    vectors = classifier.vectors()
    assert vectors.shape == (LABELS, DIM)
    each = classifier(one_each(range(LABELS)))
    np.testing.assert_allclose(vectors, each, rtol=1e-6)
    norms = np.linalg.norm(rows, axis=1) if not cosine else 1
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), norms, 1e-5)


def test_where_it_starts(rng):
    classifier, rows = random_classifier(rng)
    np.testing.assert_array_equal(classifier.table, rows.astype(np.float32))
    tables = [
        LabelClassifier(400, 64, seed=seed).table.numpy() for seed in (0, 0, 1)
    ]
    np.testing.assert_array_equal(tables[0], tables[1])
    assert not np.array_equal(tables[0], tables[2])
    assert abs(tables[0].mean()) < 0.01
    lengths = np.linalg.norm(tables[0], axis=1)
    np.testing.assert_allclose(lengths, 1, atol=0.3)
    assert not classifier.trainable_weights


def test_bad_initial():
    with pytest.raises(ValueError, match=r"\(30, 16\).*Received.*\(30, 4\)"):
        LabelClassifier(LABELS, DIM, initial=np.zeros((LABELS, 4)))


def test_padding_stays_as_it_is(rng):
    """Also where it is label 0, which is a label like any other."""
    classifier, _ = random_classifier(rng)
    optimizer = RowAdagrad(LABELS, padding=False)
    inputs = one_each([0, 4, 0, 7], [[1.0], [1.0], [0.0], [0.0]])
    assert not np.any(classifier(inputs)[2:])
    before = classifier.table.numpy()
    with tf.GradientTape() as tape:
        sums = classifier.gather(inputs)
        tape.watch(sums)
        total = tf.reduce_sum(classifier.head(sums)[:, 0])
    gradient = tape.gradient(total, sums)
    optimizer.update(classifier.table, [inputs], [gradient], 4)
    moved = (classifier.table.numpy() != before).any(axis=1)
    assert np.flatnonzero(moved).tolist() == [0, 4]
    assert np.isfinite(classifier.table).all()


def clustered_queries(rng, rows=240):
    """Queries near one direction per label, and which label that is."""
    labels = np.arange(rows) % LABELS
    directions = rng.normal(size=(LABELS, DIM))
    queries = directions[labels] + 0.1 * rng.normal(size=(rows, DIM))
    queries /= np.linalg.norm(queries, axis=1, keepdims=True)
    return queries.astype(np.float32), labels


def accuracy(classifier, queries, labels):
    scores = queries @ np.transpose(classifier.vectors())
    return np.mean(np.argmax(scores, axis=1) == labels)


@pytest.mark.parametrize("loss", ["softmax", "binary_cross_entropy"])
def test_learns_over_all_labels(rng, loss):
    cosine = loss == "softmax"
    classifier = LabelClassifier(LABELS, DIM, cosine)
    optimizer = RowAdagrad(LABELS, 0.1, padding=False)
    queries, labels = clustered_queries(rng)

    @tf.function(jit_compile=True)
    def step():
        losses, _, gradient = tfxc.layers.full_label_loss_and_gradients(
            queries,
            classifier.table,
            labels[:, None],
            loss,
            temperature=0.1,
            block_labels=8,
            cosine=cosine,
        )
        optimizer.update_all(classifier.table, gradient, len(queries))
        return tf.reduce_mean(losses)

    assert accuracy(classifier, queries, labels) < 0.3
    losses = [float(step()) for _ in range(40)]
    assert losses[-1] < 0.5 * losses[0]
    assert accuracy(classifier, queries, labels) > 0.9


def test_is_the_label_encoder_of_a_dual_encoder(rng):
    """Queries go through a frozen encoder: their table has no optimiser."""
    queries, labels = clustered_queries(rng)
    model = tfxc.encoders.DualEncoder(
        FrozenVectors(queries),
        None,
        batch_size=60,
        label_encoder=LabelClassifier(LABELS, DIM),
        label_row_optimizer=RowAdagrad(LABELS, 0.3, padding=False),
    )
    model.compile("adam", loss=tfxc.losses.DecoupledSoftmax(0.1))
    model.optimizer.build([])
    step = tf.function(model.train_step, jit_compile=True)
    for _ in range(60):
        rows = rng.choice(len(queries), 60, replace=False).astype(np.int32)
        step(
            {
                "query": {"ids": rows[:, None]},
                "candidates": one_each(range(LABELS)),
                "relevance": np.equal.outer(labels[rows], range(LABELS)) * 1.0,
            }
        )
    assert accuracy(model.label_encoder, queries, labels) > 0.9


class FrozenVectors(keras.layers.Layer):
    """An encoder that looks its vectors up, and learns nothing."""

    def __init__(self, vectors):
        super().__init__()
        self.vectors = vectors
        self.dim = vectors.shape[1]

    def build(self, input_shape=None):
        pass

    def gather(self, inputs):
        return inputs["ids"]

    def head(self, ids, training=False):
        return tf.gather(self.vectors, ids[:, 0])


@pytest.mark.parametrize("cosine", [False, True])
def test_round_trip(rng, cosine, tmp_path):
    classifier, _ = random_classifier(rng, cosine=cosine, seed=3, name="mine")
    config = keras.saving.serialize_keras_object(classifier)
    twin = keras.saving.deserialize_keras_object(config)
    fresh = LabelClassifier(LABELS, DIM, cosine, seed=3)
    np.testing.assert_array_equal(twin.table, fresh.table)
    twin.set_weights(classifier.get_weights())
    np.testing.assert_array_equal(twin.vectors(), classifier.vectors())

    inputs = {
        "ids": keras.Input((1,), dtype="int32", name="ids"),
        "weights": keras.Input((1,), name="weights"),
    }
    shared = keras.layers.Dense(3)(classifier(inputs))
    model = keras.Model(inputs, shared)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    batch = one_each([3, 0, 29], [[1.0], [0.5], [0.0]])
    np.testing.assert_array_equal(loaded(batch), model(batch))


def test_low_precision_leaves_it_alone(rng):
    classifier, _ = random_classifier(rng, dtype="mixed_bfloat16")
    inputs = one_each([3, 4])
    assert classifier(inputs).dtype == tf.float32
    assert classifier.vectors().dtype == tf.float32
