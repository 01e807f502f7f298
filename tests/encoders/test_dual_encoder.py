"""Invariants of a training step of the dual encoder:

- rows of the table and dense weights move along the gradient that automatic
  differentiation of the whole call gives, checked by finite differences;
- padding rows and columns change nothing; queries and labels share the table;
- `query_vectors` are the vectors with which the loss was computed;
- training lowers the loss, under jit as without, in low precision too;
- short batches and further epochs compile nothing new;
- a saved model comes back with both optimisers.
"""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfxc.data import Bags, LabelLists, in_batch_candidates, training_batches
from tfxc.encoders import BagEncoder, DualEncoder
from tfxc.losses import DecoupledSoftmax
from tfxc.training import RowAdagrad

TOKENS = 30


class RowDescent:
    """Plain gradient descent in the place of `RowAdagrad`."""

    def __init__(self, rate):
        self.rate = rate

    def update(self, table, inputs, gradients, num_examples):
        self.num_examples = num_examples
        for bag, gradient in zip(inputs, gradients, strict=True):
            weights = tf.cast(bag["weights"], tf.float32)[:, :, None]
            rows = weights * gradient[:, None, :]
            table.assign(
                tf.tensor_scatter_nd_sub(
                    table.value, bag["ids"][:, :, None], self.rate * rows
                )
            )


def random_bags(rng, rows):
    ids = rng.integers(0, TOKENS, (rows, 4)).astype(np.int32)
    weights = rng.random((rows, 4)).astype(np.float16)
    return Bags(ids, np.where(ids, weights, 0).astype(np.float16))


def random_batch(rng, queries=5, size=6, candidates=8):
    relevant = LabelLists.from_pairs(
        np.repeat(np.arange(queries), 2),
        rng.integers(0, 20, 2 * queries),
        queries,
        20,
    )
    chosen, relevance = in_batch_candidates(relevant, (size, candidates), rng)
    queries, labels = random_bags(rng, size), random_bags(rng, 20)
    queries.ids[len(relevant) :] = queries.weights[len(relevant) :] = 0
    batch = {
        "query": queries.take(np.arange(size)),
        "candidates": labels.take(chosen),
        "relevance": relevance,
    }
    return tf.nest.map_structure(tf.constant, batch)


def compiled(rows, hidden=7, rate=0.5, size=6, jit=False, **options):
    encoder = BagEncoder(TOKENS, dim=6, hidden=hidden)
    model = DualEncoder(encoder, rows, size)
    model.compile(
        keras.optimizers.SGD(rate),
        loss=DecoupledSoftmax(temperature=0.3),
        jit_compile=jit,
        **options,
    )
    return model


def at_random(model, rng):
    """Weights that hide no term: those of the block do not start at zero."""
    for weight in model.encoder.weights:
        weight.assign(rng.normal(size=weight.shape))
    return model


def whole_loss(model, batch):
    """The loss through `call`, without any part of `train_step`."""
    scores = model(batch["query"]) @ tf.transpose(model(batch["candidates"]))
    return model.loss(batch["relevance"], scores)


@pytest.mark.parametrize("hidden", [0, 7])
def test_updates_follow_the_gradient(rng, hidden):
    model = at_random(compiled(RowDescent(0.5), hidden), rng)
    batch = random_batch(rng)
    weights = [model.encoder.table, *model.encoder.trainable_weights]
    before = [weight.numpy() for weight in weights]
    with tf.GradientTape() as tape:
        values = [weight.value for weight in weights]
        tape.watch(values)
        loss = whole_loss(model, batch)
    gradients = [
        tf.convert_to_tensor(g).numpy() for g in tape.gradient(loss, values)
    ]
    queries = model(batch["query"]).numpy()

    logs = model.train_step(batch)
    np.testing.assert_allclose(logs["loss"], loss, rtol=1e-6)
    assert len(weights) == (5 if hidden else 1)
    for weight, old, gradient in zip(weights, before, gradients, strict=True):
        assert np.abs(gradient).max() > 1e-3, "would compare nothing"
        np.testing.assert_allclose(
            weight, old - 0.5 * gradient, rtol=1e-4, atol=1e-6
        )
    np.testing.assert_allclose(model.query_vectors, queries, atol=1e-6)
    assert not np.allclose(model(batch["query"]), queries, atol=1e-3)
    assert model.optimizer.iterations == 1
    assert model.row_optimizer.num_examples == 6, "what the mean is over"


def test_the_gradient_equals_finite_differences(rng):
    model = at_random(compiled(RowDescent(1.0)), rng)
    batch = random_batch(rng)
    table = model.encoder.table
    before = table.numpy()
    direction = rng.normal(size=before.shape).astype(np.float32)
    step = 2e-3
    losses = []
    for sign in (1, -1):
        table.assign(before + sign * step * direction)
        losses.append(float(whole_loss(model, batch)))
    table.assign(before)
    slope = (losses[0] - losses[1]) / (2 * step)
    model.train_step(batch)
    assert abs(slope) > 0.01
    moved = (before - table.numpy()).astype(float)
    np.testing.assert_allclose((moved * direction).sum(), slope, rtol=5e-3)


def test_padding_changes_nothing(rng):
    small = random_batch(rng, queries=5, size=5, candidates=8)
    rows, columns = 3, 2
    large = tf.nest.map_structure(lambda x: x.numpy(), small)
    for name, count in (("query", rows), ("candidates", columns)):
        large[name] = {
            part: np.pad(array, ((0, count), (0, 0)))
            for part, array in large[name].items()
        }
    large["relevance"] = np.pad(
        large["relevance"], ((0, rows), (0, columns)), constant_values=-1
    )
    large = tf.nest.map_structure(tf.constant, large)
    tables = []
    # The mean is over more rows, so the rate is larger by as much.
    for batch, size, rate in ((small, 5, 0.5), (large, 8, 0.8)):
        model = compiled(RowDescent(rate), rate=rate, size=size)
        at_random(model, np.random.default_rng(1))
        model.train_step(batch)
        tables.append([w.numpy() for w in model.encoder.weights])
    for one, other in zip(*tables, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)


def small_problem(rng, size, rows=22, labels=12):
    """Queries that share a token with each of their labels."""
    lists = [rng.choice(labels, 2, replace=False) for _ in range(rows)]
    relevant = LabelLists.from_pairs(
        np.repeat(np.arange(rows), 2), np.concatenate(lists), rows, labels
    )
    queries, texts = random_bags(rng, rows), random_bags(rng, labels)
    queries.ids[:, :2] = relevant.ids.reshape(rows, 2) + 1
    queries.weights[:, :2] = 1
    texts.ids[:, 0] = 29 - np.arange(labels)
    texts.weights[:, 0] = 1
    order = np.split(np.arange(rows), range(size, rows, size))
    epochs = iter(range(99))
    return training_batches(
        lambda: (next(epochs), order), queries, texts, relevant, size, 12, 0
    )


@pytest.mark.parametrize(
    ("jit", "policy"),
    [(False, "float32"), (True, "float32"), (True, "mixed_bfloat16")],
)
def test_training_lowers_the_loss_and_compiles_once(rng, jit, policy):
    traces = []

    class Watched(DualEncoder):
        def train_step(self, batch):
            if not tf.executing_eagerly():
                traces.append(tf.nest.map_structure(lambda x: x.shape, batch))
            return super().train_step(batch)

    keras.config.set_dtype_policy(policy)
    try:
        model = Watched(BagEncoder(TOKENS, 8, 4), RowAdagrad(TOKENS, 0.3), 8)
    finally:
        keras.config.set_dtype_policy("float32")
    model.compile(
        keras.optimizers.Adam(0.01), loss=DecoupledSoftmax(0.2), jit_compile=jit
    )
    model.optimizer.build(model.trainable_variables)
    batches = small_problem(rng, size=8)
    losses = []
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
    assert losses[-1] < 0.7 * losses[0]
    assert len(traces) == 1
    assert model.query_vectors.dtype == "float32"


def test_round_trip(rng, tmp_path):
    """A saved model trains on as the one that was saved."""
    rate = keras.optimizers.schedules.PolynomialDecay(0.4, 9, 0.1)
    model = at_random(compiled(RowAdagrad(TOKENS, rate, initial=0.2)), rng)
    model.train_step(random_batch(rng))
    model.save(tmp_path / "model.keras")
    twin = keras.models.load_model(tmp_path / "model.keras")
    batch = random_batch(rng)
    before = model(batch["query"]).numpy()
    np.testing.assert_array_equal(twin(batch["query"]), before)
    for one in (model, twin):
        one.train_step(batch)
    assert not np.allclose(model(batch["query"]), before, atol=1e-3)
    for one, other in zip(model.variables, twin.variables, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)
    assert twin.row_optimizer.iterations == 2 == twin.optimizer.iterations


def test_loss_scores_and_vectors_are_float32_in_low_precision(rng):
    seen = []

    def loss(relevance, scores):
        seen.append((relevance.dtype, scores.dtype))
        return tf.reduce_mean(scores)

    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = compiled(RowDescent(0.1))
    finally:
        keras.config.set_dtype_policy("float32")
    model.loss = loss
    model.train_step(random_batch(rng))
    assert seen == [(tf.int8, tf.float32)]
