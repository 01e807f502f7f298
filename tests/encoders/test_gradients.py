"""Invariants of gradients with the activations of few texts:

- cached gradients are the direct ones, with dropout on: each chunk draws the
  noise it drew before; eager and under jit, for chunks of any size;
- noise is a function of its place: steps, sides and chunks differ;
- what is encoded at a time is one chunk, and loops are not unrolled;
- a batch in chunks trains as one that is whole, but for the noise;
- rows of a label table train beside queries in chunks;
- a table of tokens, rows that chunks do not divide, or more chunks than noise
  is numbered for, are refused.
"""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfxc.data import LabelLists, Sequences, training_batches
from tfxc.encoders import BagEncoder, DualEncoder, StoredVectors
from tfxc.encoders.gradients import Side, cached_gradients, direct_gradients
from tfxc.encoders.noise import noise_generators, set_noise
from tfxc.layers import LabelClassifier
from tfxc.losses import DecoupledSoftmax
from tfxc.training import RowAdagrad

TOKENS = 20


class SmallEncoder(keras.layers.Layer):
    """Mean of token vectors and a block, with dropout as in a transformer."""

    dim = 4

    def __init__(self, dropout=0.4, seen=None):
        super().__init__()
        self.seen = [] if seen is None else seen
        seeds = iter(range(9))

        def start():
            return keras.initializers.GlorotNormal(seed=next(seeds))

        self.steps = [
            keras.layers.Embedding(TOKENS, 6, start()),
            keras.layers.Dropout(dropout, seed=1),
            keras.layers.Dense(8, "tanh", kernel_initializer=start()),
            keras.layers.Dropout(dropout, seed=2),
            keras.layers.Dense(self.dim, kernel_initializer=start()),
        ]

    def build(self, input_shape=None):
        shapes = [(None, 5), (), (None, 5, 6), (), (None, 8)]
        for layer, shape in zip(self.steps, shapes, strict=True):
            if not layer.built:
                layer.build(shape)
        self.built = True

    def gather(self, inputs):
        return inputs["token_ids"]

    def head(self, x, training=False):
        self.seen.append(tuple(x.shape))
        for number, layer in enumerate(self.steps):
            options = {"training": training} if number in (1, 3) else {}
            x = layer(x, **options)
            if number == 2:
                x = keras.ops.mean(x, axis=1)
        return x / keras.ops.norm(x, axis=-1, keepdims=True)

    def call(self, inputs, training=False):
        return self.head(self.gather(inputs), training)


def sides_of(encoder, inputs, chunk_rows, first=0):
    """One side for each of the inputs; noise begins at place `first`."""
    generators = noise_generators(encoder)

    def side(number, x):
        def head(x, place):
            set_noise(generators, first + 1000 * number + place)
            return encoder.head(x, training=True)

        return Side(head, x, chunk_rows or x.shape[0])

    return [side(number, x) for number, x in enumerate(inputs)]


def example(rng, dropout=0.4, rows=(6, 12)):
    encoder = SmallEncoder(dropout)
    encoder.build()
    inputs = [
        tf.constant(rng.integers(0, TOKENS, (count, 5)), tf.int32)
        for count in rows
    ]
    weights = rng.normal(size=rows).astype(np.float32)

    def loss(queries, labels):
        scores = queries @ tf.transpose(labels)
        return tf.reduce_sum(weights * scores**3) + tf.reduce_sum(labels[0])

    return encoder, inputs, loss


def gradients(function, example, chunk_rows, first=0, jit=None):
    """`[loss, vectors, vectors, gradients...]` as arrays."""
    encoder, inputs, loss = example
    variables = [v.value for v in encoder.trainable_variables]

    def run():
        sides = sides_of(encoder, inputs, chunk_rows, first)
        value, vectors, found, _ = function(sides, variables, loss)
        return [value, *vectors, *map(tf.convert_to_tensor, found)]

    if jit is not None:
        run = tf.function(run, jit_compile=jit)
    return [array.numpy() for array in run()]


def assert_equal(one, other):
    assert len(one) == len(other) == 3 + 5
    for a, b in zip(one, other, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


def differ(one, other):
    """Whether each array differs visibly from its counterpart."""
    return all(
        np.abs(a - b).max() > 1e-3 for a, b in zip(one, other, strict=True)
    )


@pytest.mark.parametrize(
    ("chunk_rows", "jit"),
    [(1, None), (3, None), (6, None), (3, True)],
)
def test_cached_equals_direct_with_dropout(rng, chunk_rows, jit):
    case = example(rng)
    # XLA draws other noise than TensorFlow does, from the same state.
    direct = gradients(direct_gradients, case, chunk_rows, jit=jit)
    cached = gradients(cached_gradients, case, chunk_rows, jit=jit)
    assert all(np.abs(array).max() > 0.01 for array in direct)
    assert_equal(cached, direct)
    other = gradients(direct_gradients, case, chunk_rows, 7, jit)
    assert differ(other, direct), "there is no noise to replay"


def test_all_rows_at_once(rng):
    case = example(rng)
    direct = gradients(direct_gradients, case, None)
    assert_equal(gradients(cached_gradients, case, None), direct)


def test_direct_equals_a_plain_tape(rng):
    """Without noise and without `Side`, `head` or chunks."""
    encoder, inputs, loss = case = example(rng, dropout=0)
    with tf.GradientTape() as tape:
        vectors = [encoder({"token_ids": x}) for x in inputs]
        value = loss(*vectors)
    plain = tape.gradient(value, encoder.trainable_variables)
    plain = [value, *vectors, *map(tf.convert_to_tensor, plain)]
    for chunk_rows in (1, 3, None):
        for function in (direct_gradients, cached_gradients):
            assert_equal(gradients(function, case, chunk_rows), plain)


def test_direct_gradients_at_floats(rng):
    """Where the gradient leaves the dense part, on the way to a table."""
    x, y = (tf.constant(rng.normal(size=(6, 4)), tf.float32) for _ in "xy")
    scale = tf.Variable([1.0, 2.0, 3.0, 4.0])
    sides = [Side(lambda x, place: scale * x, part, 2) for part in (x, y)]
    sides.append(Side(lambda i, place: tf.one_hot(i, 4), tf.range(6), 6))
    _, vectors, [of_scale], of_inputs = direct_gradients(
        sides, [scale], lambda x, y, z: tf.reduce_sum(x * y + z)
    )
    np.testing.assert_allclose(vectors[0], scale * x)
    np.testing.assert_allclose(
        of_scale, tf.reduce_sum(2 * scale * x * y, axis=0), rtol=1e-5
    )
    np.testing.assert_allclose(of_inputs[0], scale * scale * y, rtol=1e-5)
    np.testing.assert_allclose(of_inputs[1], scale * scale * x, rtol=1e-5)
    assert of_inputs[2] is None


def test_unused_variables_get_zeros(rng):
    encoder, inputs, loss = example(rng)
    more = tf.Variable([1.0, 2.0])
    for function in (direct_gradients, cached_gradients):
        sides = sides_of(encoder, inputs, 3)
        *_, found, _ = function(sides, [more], loss)
        np.testing.assert_array_equal(tf.convert_to_tensor(found[0]), [0, 0])


@pytest.mark.parametrize("jit", [False, True])
def test_one_chunk_is_encoded_at_a_time(rng, jit):
    case = example(rng, rows=(24, 48))
    seen = case[0].seen
    gradients(cached_gradients, case, 3, jit=jit)
    assert set(seen) == {(3, 5)}
    # Not once for each of the 24 chunks: two loops for each side.
    assert len(seen) <= 8
    seen.clear()
    gradients(direct_gradients, case, None, jit=jit)
    assert set(seen) == {(24, 5), (48, 5)}


def test_noise_is_a_function_of_its_place(rng):
    encoder, [x, _], _ = example(rng)
    generators = noise_generators(encoder)
    assert len(generators) == 2

    def vectors(place):
        set_noise(generators, place)
        return encoder.head(x, training=True).numpy()

    first = vectors(5)
    assert not np.allclose(encoder.head(x, training=True), first, atol=1e-3)
    assert not np.allclose(vectors(tf.constant(6)), first, atol=1e-3)
    np.testing.assert_array_equal(vectors(tf.constant(5)), first)
    states = [generator.state.numpy().tolist() for generator in generators]
    assert states[0] != states[1], "layers would draw the same"
    assert noise_generators(keras.layers.Dense(3)) == []


def test_chunks_must_divide_the_rows(rng):
    with pytest.raises(ValueError, match=r"6 rows of.*Received: chunk_rows=4"):
        gradients(cached_gradients, example(rng), 4)


def compiled(chunk_rows=None, dropout=0.4, jit=False, rate=0.5, size=6):
    model = DualEncoder(
        SmallEncoder(dropout), None, size, chunk_rows=chunk_rows
    )
    model.compile(
        keras.optimizers.SGD(rate),
        loss=DecoupledSoftmax(temperature=0.3),
        jit_compile=jit,
    )
    return model


def random_batch(rng, queries=6, candidates=9):
    ids = [rng.integers(0, TOKENS, (n, 5)) for n in (queries, candidates)]
    relevance = rng.integers(-1, 2, (queries, candidates))
    relevance[:, 0] = 1
    return {
        "query": {"token_ids": tf.constant(ids[0], tf.int32)},
        "candidates": {"token_ids": tf.constant(ids[1], tf.int32)},
        "relevance": tf.constant(relevance, tf.int8),
    }


def trained(batches, **options):
    """Losses and final weights."""
    model = compiled(**options)
    losses = [float(model.train_step(batch)["loss"]) for batch in batches]
    arrays = [v.numpy() for v in model.trainable_variables]
    return losses, [*arrays, model.query_vectors.numpy()]


def same(one, other):
    return all(
        np.allclose(a, b, rtol=1e-3, atol=1e-4)
        for a, b in zip(one, other, strict=True)
    )


def test_chunks_train_as_whole_batches(rng):
    batches = [random_batch(rng) for _ in range(3)]
    losses, whole = trained(batches, dropout=0)
    untrained = trained([], dropout=0)[1]
    assert not any(map(np.allclose, whole, untrained))
    for chunk_rows in (1, 3):
        again, chunked = trained(batches, dropout=0, chunk_rows=chunk_rows)
        np.testing.assert_allclose(again, losses, rtol=1e-4)
        assert same(chunked, whole)
    # With noise, chunks draw other noise than the batch, each time the same.
    noisy = trained(batches, chunk_rows=3)[1]
    assert same(trained(batches, chunk_rows=3)[1], noisy)
    assert not same(trained(batches)[1], noisy)


@pytest.mark.parametrize("chunk_rows", [None, 3])
def test_steps_and_sides_draw_their_own_noise(rng, chunk_rows):
    model = compiled(chunk_rows, rate=1e-12)
    seen = []
    model.loss = lambda _, scores: (seen.append(scores), keras.ops.sum(scores))[
        1
    ]
    ids = rng.integers(0, TOKENS, (6, 5))
    batch = random_batch(rng, 6, 6)
    batch["query"] = batch["candidates"] = {"token_ids": tf.constant(ids)}
    for _ in range(2):
        model.train_step(batch)
    first, second = (scores.numpy() for scores in seen)
    assert np.abs(first - second).max() > 0.01
    # The same texts would be the same vectors, of cosine 1.
    assert np.diag(first).max() < 0.999
    quiet = compiled(chunk_rows, dropout=0, rate=1e-12)
    quiet.loss = model.loss
    quiet.train_step(batch)
    np.testing.assert_allclose(np.diag(seen[-1]), 1, rtol=1e-5)


def test_fit_lowers_the_loss_and_compiles_once():
    rng = np.random.default_rng(0)
    rows, labels = 24, 8
    ids = rng.integers(labels, TOKENS, (rows, 5)).astype(np.int32)
    ids[:, 0] = np.arange(rows) % labels + 1
    names = np.repeat(np.arange(1, labels + 1, dtype=np.int32)[:, None], 5, 1)
    relevant = LabelLists.from_pairs(
        np.arange(rows), np.arange(rows) % labels, rows, labels
    )
    order = np.split(np.arange(rows), [12])
    batches = training_batches(
        lambda: (0, order),
        Sequences(ids),
        Sequences(names),
        relevant,
        12,
        12,
        0,
    )
    model = compiled(4, dropout=0.1, jit=True, size=12)
    model.optimizer = keras.optimizers.Adam(0.05)
    model.encoder.build()
    losses = []
    for epoch in range(12):  # as `tfxc.training.fit` calls it
        history = model.fit(
            batches,
            initial_epoch=epoch,
            epochs=epoch + 1,
            steps_per_epoch=2,
            shuffle=False,
            verbose=0,
        )
        losses += history.history["loss"]
    assert losses[-1] < 0.6 * losses[0]
    # The length may vary, and is not known where a step is traced.
    assert set(model.encoder.seen) == {(4, None)}
    assert len(model.encoder.seen) <= 8


@pytest.mark.parametrize("chunk_rows", [1, 3])
def test_a_label_table_beside_chunks(rng, chunk_rows):
    """The table, its rates and the encoder move as in one pass."""
    moved = []
    for chunks in (None, chunk_rows):
        labels = LabelClassifier(9, 4, initial=np.eye(9, 4) + 0.1)
        encoder = SmallEncoder(dropout=0)
        rows = RowAdagrad(9, 0.1, padding=False)
        model = DualEncoder(encoder, None, 6, labels, rows, chunk_rows=chunks)
        model.compile(keras.optimizers.SGD(0.5), loss=DecoupledSoftmax(0.3))
        batch = random_batch(np.random.default_rng(4))
        batch["candidates"] = {
            "ids": tf.range(9)[:, None],
            "weights": tf.ones([9, 1]),
        }
        before = labels.table.numpy()
        losses = [float(model.train_step(batch)["loss"]) for _ in range(2)]
        assert np.abs(labels.table.numpy() - before).max(axis=1).min() > 1e-4
        weights = [v.numpy() for v in model.variables if v.dtype == "float32"]
        moved.append([np.array(losses), *weights])
    for one, other in zip(*moved, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


def test_too_many_chunks(rng, monkeypatch):
    monkeypatch.setattr("tfxc.encoders.gradients.MOST_CHUNKS", 5)
    model = compiled(chunk_rows=1)
    with pytest.raises(ValueError, match=r"5 chunks\. Received: 6 of 1"):
        model.train_step(random_batch(rng))


def test_a_table_cannot_be_chunked():
    encoder = BagEncoder(TOKENS, dim=4)
    with pytest.raises(ValueError, match="Received: chunk_rows=2 with"):
        DualEncoder(encoder, RowAdagrad(TOKENS, 0.1), 6, chunk_rows=2)


def test_round_trip(tmp_path):
    """The copy goes on with the noise that the original draws."""
    encoder = StoredVectors(4, dropout=0.3, seed=5)
    model = DualEncoder(encoder, None, 6, chunk_rows=None)
    model.compile(keras.optimizers.SGD(0.1), loss=DecoupledSoftmax(0.3))
    rng = np.random.default_rng(0)
    batch = {
        "query": {"vectors": tf.constant(rng.normal(size=(6, 4)), tf.float32)},
        "candidates": {
            "vectors": tf.constant(rng.normal(size=(9, 4)), tf.float32)
        },
        "relevance": random_batch(rng)["relevance"],
    }
    model.train_step(batch)
    model.save(tmp_path / "model.keras")
    twin = keras.models.load_model(tmp_path / "model.keras")
    one, other = (float(m.train_step(batch)["loss"]) for m in (model, twin))
    assert one == other != float(model.train_step(batch)["loss"])
