"""Invariants of a training step on all labels:

- both tables and the dense weights move as loops say: row-wise Adagrad, one
  occurrence of a row at a time, of the gradient of the mean loss on all scores,
  which automatic differentiation gives;
- padding rows change nothing, whatever the encoder makes of an empty text;
- `query_vectors` are the vectors with which the loss was computed;
- noise is a function of the step, and an encoder without weights is allowed;
- training lowers the loss, under jit and in low precision, and compiles once;
- queries in chunks train as a whole batch does, and only without a table;
- a saved model trains on as the one that was saved, with all its settings.
"""

import keras
import numpy as np
import pytest
import tensorflow as tf

import tfxc
from tfxc.data import Bags, LabelLists, full_label_batches
from tfxc.encoders import BagEncoder, FullLabelClassifier, StoredVectors
from tfxc.layers import LabelClassifier
from tfxc.training import RowAdagrad

TOKENS, LABELS, DIM, SIZE = 30, 23, 6, 6
TEMPERATURE, SHIFT, RATE = 0.4, 1.5, 0.3


def softmax(relevance, scores, temperature):
    """The plain softmax, which `tfxc.losses` has none of."""
    right = tf.cast(relevance == 1, tf.float32)
    log_z = tf.reduce_logsumexp(scores / temperature, axis=1, keepdims=True)
    total = tf.reduce_sum(right * (log_z - scores / temperature), axis=1)
    return total / tf.maximum(tf.reduce_sum(right, axis=1), 1)


def losses_on_all_scores(name, relevance, scores):
    if name == "binary_cross_entropy":
        function = tfxc.losses.binary_cross_entropy
        return function(relevance, scores, TEMPERATURE, SHIFT)
    functions = {"softmax": softmax}
    functions["decoupled_softmax"] = tfxc.losses.decoupled_softmax
    return functions[name](relevance, scores, TEMPERATURE)


def random_bags(rng, rows):
    ids = rng.integers(0, TOKENS, (rows, 4)).astype(np.int32)
    weights = rng.random((rows, 4)).astype(np.float16)
    return Bags(ids, np.where(ids, weights, 0).astype(np.float16))


def random_batch(rng, queries=SIZE - 1, size=SIZE):
    """A batch with rows of padding, and its relevance `[size, LABELS]`."""
    positives = np.full((size, 3), -1, np.int32)
    relevance = np.full((size, LABELS), -1)
    for row in range(queries):
        ids = rng.choice(LABELS, 1 + row % 3, replace=False)
        positives[row, : len(ids)] = ids
        relevance[row] = np.isin(np.arange(LABELS), ids)
    bags = random_bags(rng, queries)
    batch = {"query": bags.take(np.arange(queries), size)}
    batch["positives"] = positives
    return tf.nest.map_structure(tf.constant, batch), relevance


def compiled(
    encoder=None, loss="binary_cross_entropy", cosine=True, size=SIZE, rate=0.5
):
    """A model whose weights, all at random, hide no term."""
    encoder = encoder or BagEncoder(TOKENS, DIM, hidden=7)
    model = FullLabelClassifier(
        encoder,
        RowAdagrad(TOKENS, RATE, initial=0.2),
        size,
        LabelClassifier(LABELS, DIM, cosine),
        RowAdagrad(LABELS, 2 * RATE, initial=0.1, padding=False),
        loss,
        TEMPERATURE,
        block_labels=5,
        shift=SHIFT,
    )
    model.compile(keras.optimizers.SGD(rate), jit_compile=False)
    rng = np.random.default_rng(1)
    for weight in [*encoder.weights, *model.classifier.weights]:
        weight.assign(rng.normal(size=weight.shape))
    return model


def whole_gradients(model, batch, relevance, loss):
    """Mean loss on all scores, queries, and gradients: without `train_step`.

    The gradients are those to the weighted sums of tokens, to the table of the
    labels and to the dense weights.
    """
    table = model.classifier.table.value
    dense = [weight.value for weight in model.encoder.trainable_weights]
    with tf.GradientTape() as tape:
        sums = model.encoder.gather(batch["query"])
        tape.watch([sums, table])
        queries = model.encoder.head(sums)
        vectors = table * 1.0
        if model.classifier.cosine:
            vectors = tf.math.l2_normalize(vectors, axis=1)
        scores = queries @ tf.transpose(vectors)
        mean = tf.reduce_mean(losses_on_all_scores(loss, relevance, scores))
    found = tape.gradient(mean, [sums, table, *dense])
    return mean, queries, *(tf.convert_to_tensor(g).numpy() for g in found)


def row_adagrad(table, sums, occurrences, rate):
    """The formula of `RowAdagrad`, of `(row, weight, gradient)`; in place."""
    for row, weight, gradient in occurrences:
        sums[row] += np.mean(gradient**2) * weight**2
    for row, weight, gradient in occurrences:
        table[row] -= rate * weight * gradient / np.sqrt(sums[row])


def token_occurrences(query, gradients):
    """Of every token of every query, but for padding."""
    for ids, weights, gradient in zip(
        query["ids"].numpy(), query["weights"].numpy(), gradients, strict=True
    ):
        for row, weight in zip(ids, weights.astype(float), strict=True):
            if row > 0:
                yield row, weight, SIZE * gradient.astype(float)


@pytest.mark.parametrize(
    ("loss", "cosine", "jit"),
    [
        ("binary_cross_entropy", True, False),
        ("decoupled_softmax", False, True),
        ("softmax", True, False),
    ],
)
def test_steps_equal_loops(rng, loss, cosine, jit):
    model = compiled(loss=loss, cosine=cosine)
    model.optimizer.build(model.trainable_variables)
    step = tf.function(model.train_step, jit_compile=jit) if jit else None
    tokens, labels = (
        table.numpy().astype(float)
        for table in (model.encoder.table, model.classifier.table)
    )
    dense = [w.numpy() for w in model.encoder.trainable_weights]
    assert len(dense) == 4
    token_sums, label_sums = np.full(TOKENS, 0.2), np.full(LABELS, 0.1)
    for _ in range(2):
        batch, relevance = random_batch(rng)
        mean, queries, of_sums, of_table, *of_dense = whole_gradients(
            model, batch, relevance, loss
        )
        for gradient in (of_sums, of_table, *of_dense):
            assert np.abs(gradient).max() > 1e-3, "would compare nothing"
        every_label = [
            (row, 1.0, SIZE * gradient.astype(float))
            for row, gradient in enumerate(of_table)
        ]
        every_token = list(token_occurrences(batch["query"], of_sums))
        row_adagrad(labels, label_sums, every_label, 2 * RATE)
        row_adagrad(tokens, token_sums, every_token, RATE)
        for weight, gradient in zip(dense, of_dense, strict=True):
            weight -= 0.5 * gradient

        logs = (step or model.train_step)(batch)
        np.testing.assert_allclose(logs["loss"], mean, rtol=1e-5)
        np.testing.assert_allclose(model.query_vectors, queries, atol=1e-6)
        close = {"rtol": 1e-3, "atol": 1e-4}
        np.testing.assert_allclose(model.classifier.table, labels, **close)
        np.testing.assert_allclose(model.encoder.table, tokens, **close)
        for weight, expected in zip(
            model.encoder.trainable_weights, dense, strict=True
        ):
            np.testing.assert_allclose(weight, expected, **close)
    for optimizer, sums in (
        (model.row_optimizer, token_sums),
        (model.label_row_optimizer, label_sums),
    ):
        np.testing.assert_allclose(optimizer.accumulators, sums, rtol=1e-4)
        assert optimizer.iterations == 2
    assert model.optimizer.iterations == 2
    assert not np.allclose(model(batch["query"])[:-1], queries[:-1], atol=1e-3)


class Elsewhere(BagEncoder):
    """Gives an empty text a direction, as a transformer's first token does."""

    def head(self, sums, training=False):
        return super().head(sums + 1.0, training)


class MeanOfTokens(keras.layers.Layer):
    """As a transformer: what is gathered are token ids, not floats."""

    dim = DIM

    def __init__(self, dense):
        super().__init__()
        self.dense = dense

    def build(self, input_shape=None):
        self.dense.build((None, TOKENS))
        self.built = True

    def gather(self, inputs):
        return inputs["ids"]

    def head(self, ids, training=False):
        counts = tf.reduce_sum(tf.one_hot(ids, TOKENS), axis=1)
        return tf.math.l2_normalize(self.dense(counts), axis=1)


def test_padding_changes_nothing():
    found = []
    for size in (5, 8):
        batch, _ = random_batch(np.random.default_rng(2), 5, size)
        # The mean is over more rows, so the rate is larger by as much.
        encoder = Elsewhere(TOKENS, DIM, hidden=7)
        model = compiled(encoder, size=size, rate=size / 10)
        padding = model(batch["query"])[5:]
        assert np.abs(padding).max(initial=1) > 0.1
        value = model.train_step(batch)["loss"] * size
        weights = [*model.encoder.weights, *model.classifier.weights]
        found.append([value, *(weight.numpy() for weight in weights)])
    assert found[0][0] > 1
    for one, other in zip(*found, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


def test_biases_learn_how_frequent_labels_are():
    """Of queries of zeros, whose scores are the biases."""
    share = np.array([0.5, 0.3, 0.2])
    labels = LabelClassifier(
        3, DIM, cosine=False, bias=True, initial=np.zeros((3, DIM + 1))
    )
    rows = RowAdagrad(3, 0.5, padding=False)
    model = FullLabelClassifier(
        *(StoredVectors(DIM, 0.0), None, 10, labels, rows), "softmax"
    )
    model.compile("sgd", jit_compile=True)
    positives = np.repeat(np.arange(3), (10 * share).astype(int))[:, None]
    batch = {"query": {"vectors": np.zeros((10, DIM), np.float32)}}
    batch["positives"] = positives.astype(np.int32)
    step = tf.function(model.train_step, jit_compile=True)
    for _ in range(300):
        step(tf.nest.map_structure(tf.constant, batch))
    table = labels.table.numpy()
    assert (table[:, :-1] == 0).all()
    p = np.exp(table[:, -1]) / np.exp(table[:, -1]).sum()
    np.testing.assert_allclose(p, share, atol=0.01)


def test_noise_is_a_function_of_the_step(rng):
    """Of a frozen encoder; a run that goes on draws what it would have."""
    labels = LabelClassifier(LABELS, 64)
    rows = RowAdagrad(LABELS, 0.1, padding=False)
    model = FullLabelClassifier(StoredVectors(64, 0.5), None, 3, labels, rows)
    model.compile("sgd")
    batch = {
        "query": {"vectors": rng.normal(size=(3, 64)).astype(np.float32)},
        "positives": np.array([[0], [1], [2]]),
    }
    batch = tf.nest.map_structure(tf.constant, batch)
    vectors, before = [], labels.table.numpy()
    for step in (0, 1, 0, 1):
        model.optimizer.iterations.assign(step)
        model.train_step(batch)
        assert model.optimizer.iterations == step + 1
        vectors.append(model.query_vectors.numpy())
    np.testing.assert_array_equal(vectors[:2], vectors[2:])
    assert not np.allclose(vectors[0], vectors[1])
    assert 0.3 < np.mean(vectors[0] == 0) < 0.7
    assert (labels.table.numpy() != before).any(axis=1).all()


def test_chunks_equal_whole_batches(rng):
    """Without noise; the dense weights and the table of the labels move."""
    moved = []
    for chunk_rows in (None, 2):
        dense = keras.layers.Dense(
            DIM, kernel_initializer=keras.initializers.GlorotNormal(seed=1)
        )
        labels = LabelClassifier(LABELS, DIM)
        labels.table.assign(np.random.default_rng(5).normal(size=(LABELS, DIM)))
        model = FullLabelClassifier(
            MeanOfTokens(dense),
            None,
            SIZE,
            labels,
            RowAdagrad(LABELS, 0.1, padding=False),
            temperature=TEMPERATURE,
            chunk_rows=chunk_rows,
        )
        model.compile(keras.optimizers.SGD(0.5), jit_compile=False)
        before = dense.kernel.numpy()
        batch, _ = random_batch(np.random.default_rng(3))
        loss = float(model.train_step(batch)["loss"])
        assert np.abs(dense.kernel.numpy() - before).max() > 1e-3
        moved.append([loss, *(v.numpy() for v in model.variables)])
    for one, other in zip(*moved, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


def test_a_table_cannot_be_chunked():
    with pytest.raises(ValueError, match="Received: chunk_rows=2 with"):
        FullLabelClassifier(
            BagEncoder(TOKENS, DIM),
            RowAdagrad(TOKENS, RATE),
            SIZE,
            LabelClassifier(LABELS, DIM),
            RowAdagrad(LABELS, RATE, padding=False),
            chunk_rows=2,
        )


def small_problem(rng, rows=22):
    """Queries that share a token with each of their labels."""
    lists = [rng.choice(LABELS, 2, replace=False) for _ in range(rows)]
    relevant = LabelLists.from_pairs(
        np.repeat(np.arange(rows), 2), np.concatenate(lists), rows, LABELS
    )
    queries = random_bags(rng, rows)
    queries.ids[:, :2] = relevant.ids.reshape(rows, 2) + 1
    queries.weights[:, :2] = 1
    order = np.split(np.arange(rows), range(8, rows, 8))
    epochs = iter(range(99))
    return full_label_batches(
        lambda: (next(epochs), order), queries, relevant, 8
    )


def test_training_lowers_the_loss_and_compiles_once(rng):
    traces = []

    class Watched(FullLabelClassifier):
        def train_step(self, batch):
            if not tf.executing_eagerly():
                traces.append(tf.nest.map_structure(lambda x: x.shape, batch))
            return super().train_step(batch)

    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = Watched(
            BagEncoder(TOKENS, 8, 4),
            RowAdagrad(TOKENS, 0.3),
            8,
            LabelClassifier(LABELS, 8),
            RowAdagrad(LABELS, 0.3, padding=False),
            *("binary_cross_entropy", 0.2, 10, 2.0),
        )
    finally:
        keras.config.set_dtype_policy("float32")
    model.compile(keras.optimizers.Adam(0.01), jit_compile=True)
    model.optimizer.build(model.trainable_variables)
    batches, losses = small_problem(rng), []
    for epoch in range(6):  # as `tfxc.training.fit` calls it
        history = model.fit(
            batches,
            initial_epoch=epoch,
            epochs=epoch + 1,
            steps_per_epoch=3,
            shuffle=False,
            verbose=0,
        )
        losses += history.history["loss"]
    assert losses[-1] < 0.5 * losses[0]
    assert model.jit_compile and len(traces) == 1
    assert model.query_vectors.dtype == model.classifier.table.dtype
    assert model.query_vectors.dtype == "float32"


def test_round_trip(rng, tmp_path):
    model = compiled(loss="binary_cross_entropy")
    model.train_step(random_batch(rng)[0])
    model.save(tmp_path / "model.keras")
    twin = keras.models.load_model(tmp_path / "model.keras")
    batch, _ = random_batch(rng)
    before = model(batch["query"]).numpy()
    np.testing.assert_array_equal(twin(batch["query"]), before)
    losses = [float(one.train_step(batch)["loss"]) for one in (model, twin)]
    np.testing.assert_allclose(*losses, rtol=1e-6)
    assert not np.allclose(model(batch["query"])[:-1], before[:-1], atol=1e-3)
    for one, other in zip(model.variables, twin.variables, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)
    assert twin.label_row_optimizer.iterations == 2
    assert twin.row_optimizer.iterations == 2 == twin.optimizer.iterations


def test_settings_survive_and_matter(rng):
    model, (batch, _) = compiled(), random_batch(rng)
    config, losses = model.get_config(), []
    others = [{"label_loss": "softmax"}, {"temperature": 1.0}, {"shift": 0.0}]
    for changed in ({}, *others):
        twin = FullLabelClassifier.from_config({**config, **changed})
        twin.compile("sgd", jit_compile=False)
        for part in ("encoder", "classifier"):
            weights = getattr(model, part).get_weights()
            getattr(twin, part).set_weights(weights)
        losses.append(float(twin.train_step(batch)["loss"]))
    value = float(model.train_step(batch)["loss"])
    np.testing.assert_allclose(losses[0], value, rtol=1e-6)
    assert np.abs(np.array(losses[1:]) - value).min() > 0.01
