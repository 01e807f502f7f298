"""Invariants of the transformer encoder:

- it equals a slow forward pass in numpy, with the exact GELU, for BERT,
  DistilBERT and RoBERTa, by mean and by first token;
- neither padding nor the other texts of a batch change a vector;
- vectors are unit and float32, also under low precision; dropout is on in
  training alone; all trainable weights matter;
- it is the same under jit, block by block, and after a round trip;
- training in chunks under jit is training as a whole, at every length.
"""

import keras
import numpy as np
import pytest
import tensorflow as tf
from tiny_transformer import (
    KINDS,
    TEXTS,
    approximate_gelu,
    forward,
    write_folder,
)

from tfxc.data import Sequences, SequenceTokenizer, Texts
from tfxc.encoders import (
    DualEncoder,
    TransformerEncoder,
    encode,
    load_pretrained,
)
from tfxc.losses import DecoupledSoftmax

PAD = {"bert": 0, "distilbert": 0, "roberta": 1}


@pytest.fixture(scope="module")
def models(tiny_transformers):
    """`{kind: (arrays, encoder, token ids [b, length])}`."""
    found = {}
    for kind, (_, arrays, encoder, tokenizer) in tiny_transformers.items():
        ids = SequenceTokenizer(tokenizer, 30)(TEXTS)["token_ids"].numpy()
        found[kind] = arrays, encoder, ids
    return found


def unpadded(kind, ids):
    return [row[row != PAD[kind]] for row in ids]


def with_pooling(encoder, pooling):
    """The same backbone, pooled in another way."""
    return TransformerEncoder(
        encoder.backbone, pooling, encoder.pad_id, encoder.exact_gelu
    )


@pytest.mark.parametrize("pooling", ["mean", "cls"])
@pytest.mark.parametrize("kind", KINDS)
def test_equals_numpy(models, kind, pooling):
    arrays, encoder, ids = models[kind]
    rows = unpadded(kind, ids)
    assert len({len(row) for row in rows}) > 3, "would not need padding"
    vectors = with_pooling(encoder, pooling)({"token_ids": ids})
    slow = [forward(arrays, kind, row, pooling) for row in rows]
    np.testing.assert_allclose(vectors, slow, atol=2e-6)
    other = [
        forward(arrays, kind, row, pooling, approximate_gelu) for row in rows
    ]
    assert np.abs(np.subtract(slow, other)).max() > 2e-5, "all GELUs alike"


def test_approximate_gelu_where_the_weights_want_it(tmp_path):
    arrays = write_folder(tmp_path / "m", "bert", hidden_act="gelu_new")
    encoder, _ = load_pretrained(tmp_path / "m")
    ids = np.array([[2, 7, 9, 30, 3]])
    slow = forward(arrays, "bert", ids[0], gelu=approximate_gelu)
    np.testing.assert_allclose(encoder({"token_ids": ids})[0], slow, atol=2e-6)


def test_poolings_differ(models):
    _, encoder, ids = models["bert"]
    mean, cls = (
        with_pooling(encoder, pooling)({"token_ids": ids}).numpy()
        for pooling in ("mean", "cls")
    )
    assert np.abs(mean - cls).max(axis=1).min() > 1e-3


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_padding_and_neighbours_do_not_matter(rng, models, kind, pooling):
    _, encoder, ids = models[kind]
    encoder = with_pooling(encoder, pooling)
    vectors = encoder({"token_ids": ids}).numpy()
    longer = np.pad(ids, ((0, 0), (0, 7)), constant_values=PAD[kind])
    order = rng.permutation(len(ids))
    moved = encoder({"token_ids": longer[order]}).numpy()
    np.testing.assert_allclose(moved, vectors[order], atol=1e-6)
    for row, vector in zip(unpadded(kind, ids), vectors, strict=True):
        alone = encoder({"token_ids": row[None]})[0]
        np.testing.assert_allclose(alone, vector, atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-5)
    assert len(np.unique(vectors.round(3), axis=0)) == len(TEXTS)


@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_rows_of_padding_are_finite(models, pooling):
    _, encoder, _ = models["bert"]
    encoder = with_pooling(encoder, pooling)
    with tf.GradientTape() as tape:
        vectors = encoder({"token_ids": np.zeros((2, 8), np.int32)})
        total = tf.reduce_sum(0 * vectors)
    gradients = tape.gradient(total, encoder.trainable_variables)
    assert np.isfinite(vectors).all()
    assert all(
        np.isfinite(tf.convert_to_tensor(g)).all()
        for g in gradients
        if g is not None
    )


@pytest.mark.parametrize("kind", KINDS)
def test_trainable_weights_are_those_that_matter(models, kind):
    _, encoder, ids = models[kind]
    variables = [v.value for v in encoder.trainable_variables]
    with tf.GradientTape() as tape:
        vectors = encoder({"token_ids": ids}, training=True)
        total = tf.reduce_sum(vectors * np.arange(12.0))
    gradients = tape.gradient(total, variables)
    assert len(gradients) > 30
    assert all(gradient is not None for gradient in gradients)


def test_dropout_in_training_alone(models):
    _, encoder, ids = models["bert"]
    call = {
        training: [
            encoder({"token_ids": ids}, training=training).numpy()
            for _ in range(2)
        ]
        for training in (False, True)
    }
    np.testing.assert_array_equal(*call[False])
    assert np.abs(call[True][0] - call[True][1]).max() > 0.01
    for vectors in call[True]:
        np.testing.assert_allclose(
            np.linalg.norm(vectors, axis=1), 1, rtol=1e-5
        )


def test_blocks_and_jit(rng, models):
    _, encoder, ids = models["roberta"]
    rows = rng.integers(0, len(ids), 11)
    found = encode(encoder, Sequences(ids, pad_id=1), rows, block_rows=4)
    vectors = encoder({"token_ids": ids}).numpy()
    np.testing.assert_allclose(found, vectors[rows], atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_low_precision(tmp_path, models, kind):
    _, exact, ids = models[kind]
    write_folder(tmp_path / "m", kind)
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        encoder, _ = load_pretrained(tmp_path / "m")
    finally:
        keras.config.set_dtype_policy("float32")
    vectors = encoder({"token_ids": ids})
    assert vectors.dtype == tf.float32
    assert all(weight.dtype == "float32" for weight in encoder.weights)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-5)
    difference = np.abs(vectors - exact({"token_ids": ids})).max()
    assert 1e-4 < difference < 0.1


@pytest.mark.parametrize("kind", ["bert", "roberta"])
def test_round_trip(tmp_path, models, kind):
    _, encoder, ids = models[kind]
    encoder = with_pooling(encoder, "cls")
    tokens = keras.Input((None,), dtype="int32", name="token_ids")
    inputs = {"token_ids": tokens}
    model = keras.Model(inputs, encoder(inputs))
    assert model.output_shape == (None, 12)
    model.save(tmp_path / "model.keras")
    twin = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(
        twin({"token_ids": ids}), encoder({"token_ids": ids})
    )
    assert len(twin.trainable_variables) == len(encoder.trainable_variables)
    assert twin.layers[-1].max_length == encoder.max_length == 40


@pytest.mark.slow
def test_trains_in_chunks(tmp_path, tiny_transformers):
    folder = tmp_path / "bert"  # of one layer: XLA compiles two twice as long
    write_folder(folder, "bert", layers=1)
    _, _, _, tokenizer = tiny_transformers["bert"]
    rows = SequenceTokenizer(tokenizer, 20).sequences(Texts.from_strings(TEXTS))
    relevance = tf.constant(np.eye(4, 6, dtype=np.int8))
    trained = []
    for chunk_rows in (2, None):
        encoder, _ = load_pretrained(folder, dropout=0.0)
        model = DualEncoder(encoder, None, 4, chunk_rows=chunk_rows)
        model.compile(
            keras.optimizers.SGD(0.2),
            loss=DecoupledSoftmax(0.3),
            jit_compile=chunk_rows is not None,
        )
        losses = []
        for query, label in (([0, 1, 3, 4], [0, 3, 3, 1]), ([2, 0, 1], [5])):
            batch = {
                "query": rows.take(np.array(query), 4),
                "candidates": rows.take(np.array(label), 6),
                "relevance": relevance,
            }
            data = tf.data.Dataset.from_tensors(batch)
            losses += model.fit(data, verbose=0, shuffle=False).history["loss"]
        weights = [v.numpy() for v in model.trainable_variables]
        trained.append([losses, model.query_vectors.numpy(), *weights])
    before = load_pretrained(folder)[0].trainable_variables
    moved = [
        np.abs(w - v).max() for w, v in zip(trained[0][2:], before, strict=True)
    ]
    assert np.mean(np.array(moved) > 1e-3) > 0.8, "would compare nothing"
    for one, other in zip(*trained, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-4)


def test_bad_pooling(models):
    _, encoder, _ = models["bert"]
    with pytest.raises(ValueError, match="Received: pooling='max'"):
        with_pooling(encoder, "max")
