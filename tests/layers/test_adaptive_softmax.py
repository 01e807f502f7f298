"""Invariants of the adaptive softmax:

- probabilities sum to one, and are those of the formula, with cutoffs of any
  number and labels in any order;
- log-probabilities, losses and gradients are those of torch's layer;
- a loss is the mean over a row's labels, whether a tail has room for the rows
  or not, compiled as eager, and so are its gradients;
- the best labels are those of a sort of all;
- what is saved comes back, and what is out of range is refused.
"""

import keras
import numpy as np
import pytest
import tensorflow as tf
import torch_adaptive_softmax as of_torch

from tfxc.layers import AdaptiveSoftmax, adaptive_top_k

LABELS, DIM, ROWS = 60, 8, 32
FREQUENCIES = np.random.default_rng(7).permutation(1 / np.arange(1, 61))
CUTS = [[], [5], [10, 30], [1, 20, 59]]


def inputs(rows=ROWS):
    x = np.random.default_rng(1).normal(size=(rows, DIM))
    return (3 * x).astype(np.float32)


def labels(rows=ROWS):
    """None to three labels of each row, most of them frequent."""
    rng = np.random.default_rng(2)
    found = rng.choice(LABELS, (rows, 3), p=FREQUENCIES / FREQUENCIES.sum())
    found[rng.random((rows, 3)) < 0.3] = -1
    found[0] = -1
    return found


def layer_of(cutoffs, **options):
    layer = AdaptiveSoftmax(LABELS, cutoffs, seed=3, **options)
    layer.build((ROWS, DIM))
    for weight in layer.trainable_variables:  # so that labels differ
        weight.assign(3 * weight)
    return layer


def by_formula(layer, x):
    """log p of each label, in float64."""
    weights = {w.name: w.numpy().astype(float) for w in layer.weights}

    def log_softmax(scores):
        top = scores.max(axis=1, keepdims=True)
        return scores - top - np.log(np.exp(scores - top).sum(1, keepdims=True))

    head = log_softmax(x @ weights["head"] + weights.get("bias", 0))
    size = layer.head_size
    parts = [head[:, :size]]
    for tail in range(1, len(layer.cutoffs) + 1):
        codes = x @ weights[f"projection_{tail}"]
        own = log_softmax(codes @ weights[f"table_{tail}"])
        parts.append(head[:, size + tail - 1, None] + own)
    found = np.concatenate(parts, axis=1)
    if layer.frequencies is not None:
        order = np.argsort(-layer.frequencies, kind="stable")
        found[:, order] = found.copy()
    return found


@pytest.mark.parametrize("frequencies", [None, FREQUENCIES])
@pytest.mark.parametrize("cutoffs", CUTS)
def test_probabilities(cutoffs, frequencies):
    layer = layer_of(cutoffs, frequencies=frequencies, head_bias=True)
    layer.bias.assign(np.linspace(-1, 1, layer.bias.shape[0]))
    x = inputs()
    found = layer.log_probs(x).numpy()
    np.testing.assert_allclose(found, by_formula(layer, x), atol=1e-4)
    np.testing.assert_allclose(np.exp(found).sum(axis=1), 1, atol=1e-5)


@pytest.mark.parametrize("capacity", [0.1, 100.0])
def test_as_torch_computes_it(capacity):
    kept = np.load(of_torch.FILE)
    layer = AdaptiveSoftmax(
        *(of_torch.LABELS, of_torch.CUTOFFS, of_torch.SHRINK),
        **{"capacity": capacity, "head_bias": True},
    )
    layer.build(kept["x"].shape)
    for weight in layer.trainable_variables:
        weight.assign(kept[weight.name])
    x = tf.Variable(kept["x"])
    with tf.GradientTape() as tape:
        losses = layer(x, kept["labels"])
        total = tf.reduce_sum(losses)
    weights = layer.trainable_variables
    slopes = tape.gradient(total, [x, *(w.value for w in weights)])
    near = {"rtol": 1e-5, "atol": 1e-5}
    np.testing.assert_allclose(layer.log_probs(x), kept["log_probs"], **near)
    np.testing.assert_allclose(losses, kept["losses"], **near)
    names = ["x", *(w.name for w in weights)]
    for name, slope in zip(names, slopes, strict=True):
        np.testing.assert_allclose(slope, kept[f"gradient_{name}"], **near)


@pytest.mark.parametrize("jit_compile", [False, True])
@pytest.mark.parametrize("capacity", [0.1, 1.5, 100.0])
@pytest.mark.parametrize("cutoffs", CUTS)
def test_losses_and_gradients(cutoffs, capacity, jit_compile):
    layer = layer_of(cutoffs, frequencies=FREQUENCIES, capacity=capacity)
    x, chosen = tf.constant(inputs()), labels()
    known = chosen >= 0

    def slow(x):
        log_p = layer.log_probs(x)
        picked = tf.gather(log_p, np.maximum(chosen, 0), batch_dims=1)
        total = tf.reduce_sum(tf.where(known, picked, 0), axis=1)
        return -total / np.maximum(known.sum(axis=1), 1)

    def run(function):
        with tf.GradientTape() as tape:
            tape.watch(x)
            losses = function(x)
            total = tf.reduce_sum(losses * tf.range(1.0, ROWS + 1))
        return losses, tape.gradient(total, [x, *layer.trainable_variables])

    @tf.function(jit_compile=jit_compile)
    def fast():
        return run(lambda x: layer(x, tf.constant(chosen)))

    (losses, gradients), (expected, slopes) = fast(), run(slow)
    np.testing.assert_allclose(losses, expected, rtol=1e-5, atol=1e-5)
    assert losses[0] == 0, "a row without a label"
    for one, other in zip(gradients, slopes, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("k", [1, 7, 60])
@pytest.mark.parametrize("capacity", [0.1, 1.5])
@pytest.mark.parametrize("cutoffs", CUTS)
def test_the_best_labels(cutoffs, capacity, k, monkeypatch):
    monkeypatch.setattr(adaptive_top_k, "ROOM", 1)  # several steps of a tail
    layer = layer_of(cutoffs, frequencies=FREQUENCIES, capacity=capacity)
    x = inputs()
    step = tf.function(lambda: layer.top_k(tf.constant(x), k), jit_compile=True)
    values, ids = (part.numpy() for part in step())
    log_p = layer.log_probs(x).numpy()
    np.testing.assert_allclose(
        values, np.sort(log_p, axis=1)[:, ::-1][:, :k], atol=1e-5
    )
    np.testing.assert_allclose(
        np.take_along_axis(log_p, ids, axis=1), values, atol=1e-5
    )
    assert all(len({*row}) == k for row in ids.tolist())


def test_one_label_of_a_row():
    layer = layer_of([10, 30])
    x, chosen = inputs(), np.arange(ROWS) % LABELS
    np.testing.assert_array_equal(layer(x, chosen), layer(x, chosen[:, None]))


def test_rare_labels_have_few_dimensions():
    layer = layer_of([10, 30])
    shapes = [tuple(table.shape) for table in layer.tables]
    assert shapes == [(2, 20), (1, 30)]


def test_low_precision():
    layer = layer_of([10, 30], dtype="mixed_bfloat16")
    full = layer_of([10, 30])
    losses = layer(inputs(), labels())
    assert losses.dtype == "float32"
    np.testing.assert_allclose(losses, full(inputs(), labels()), atol=0.2)


def test_the_same_again_after_saving(tmp_path):
    x = keras.Input((DIM,), batch_size=ROWS)
    y = keras.Input((3,), batch_size=ROWS, dtype="int32")
    layer = AdaptiveSoftmax(
        *(LABELS, [10, 30], 2.0),
        **{"frequencies": FREQUENCIES, "capacity": 0.5, "head_bias": True},
    )
    model = keras.Model([x, y], layer(x, y))
    model.save(tmp_path / "model.keras")
    other = keras.models.load_model(tmp_path / "model.keras")
    batch = [inputs(), labels()]
    np.testing.assert_array_equal(
        other.predict_on_batch(batch), model.predict_on_batch(batch)
    )
    assert [tuple(t.shape) for t in other.layers[-1].tables] == [
        (4, 20),
        (2, 30),
    ]


@pytest.mark.parametrize(
    "cutoffs", [[0], [60], [20, 10], [10, 10], [-1], [10, 61]]
)
def test_wrong_cutoffs(cutoffs):
    with pytest.raises(ValueError, match=r"in \[1, 59\]. Received: \["):
        AdaptiveSoftmax(LABELS, cutoffs)


@pytest.mark.parametrize("label", [-2, 60])
def test_labels_out_of_range(label):
    with pytest.raises(ValueError, match=f"Received: {label}"):
        layer_of([10])(inputs(1), np.array([label]))


@pytest.mark.parametrize(
    "options",
    [
        {"shrink": 0.5},
        {"capacity": 0.0},
        {"frequencies": np.ones(5)},
        {"frequencies": np.zeros(60)},
        {"frequencies": -np.ones(60)},
    ],
)
def test_wrong_settings(options):
    with pytest.raises(ValueError, match="Received: "):
        AdaptiveSoftmax(LABELS, [10], **options)


@pytest.mark.parametrize("k", [0, 61])
def test_wrong_k(k):
    with pytest.raises(ValueError, match=rf"\[1, 60\]. Received: {k}"):
        layer_of([10]).top_k(inputs(), k)
