"""Invariants of a training step on drawn labels:

- the rows of labels move as loops say: row-wise Adagrad, an occurrence at a
  time, of the gradient of the mean loss, which automatic differentiation gives;
  so do the encoder's; other rows keep every bit;
- padding changes nothing; with "augment_and_reduce" a query's sum moves, and no
  other's;
- training lowers the loss under jit, by any contrast, and compiles once;
- a saved model trains on as the one that was saved, by the same draws;
- a classifier of cosines is refused.
"""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfxc.encoders import BagEncoder, SampledLabelClassifier, StoredVectors
from tfxc.layers import LabelClassifier
from tfxc.losses import CONTRASTS, noise_contrast
from tfxc.negatives import LabelTreeSampler, Unigram
from tfxc.training import RowAdagrad

TOKENS, LABELS, DIM, SIZE, ROWS = 30, 23, 6, 6, 40


class Given(Unigram):
    """Draws what it is told."""

    def sample(self, queries, num, seed=None, **batch):
        ids = keras.ops.convert_to_tensor(self.given[: queries.shape[0], :num])
        return ids, self.log_prob(queries, ids)


def given_draws():
    sampler = Given(np.arange(1, LABELS + 1))
    rng = np.random.default_rng(5)
    sampler.given = rng.integers(0, LABELS, (SIZE, 4)).astype(np.int32)
    return sampler


def model_of(sampler, contrast="negative_sampling", encoder=None, num=4):
    bags = encoder is None
    encoder = encoder or BagEncoder(TOKENS, DIM)
    model = SampledLabelClassifier(
        encoder,
        RowAdagrad(TOKENS, 0.3, initial=0.2) if bags else None,
        SIZE,
        LabelClassifier(LABELS, DIM, cosine=False, bias=True),
        RowAdagrad(LABELS, 0.5, initial=0.1, padding=False),
        sampler,
        num,
        contrast,
        0.01,
        ROWS,
    )
    model.compile(keras.optimizers.SGD(0.1), jit_compile=True)
    return model


def batch_of(rng, queries=SIZE - 1, labels=2):
    ids = rng.integers(1, TOKENS, (SIZE, 4)).astype(np.int32)
    positives = rng.integers(0, LABELS, (SIZE, labels)).astype(np.int32)
    positives[1, 1:] = -1
    rows = rng.choice(ROWS, SIZE, replace=False).astype(np.int32)
    ids[queries:], positives[queries:], rows[queries:] = 0, -1, -1
    weights = np.where(ids, 0.5, 0).astype(np.float16)
    batch = {"query": {"ids": ids, "weights": weights}}
    batch |= {"positives": positives, "rows": rows}
    return tf.nest.map_structure(tf.constant, batch)


@pytest.mark.parametrize("contrast", CONTRASTS)
def test_a_step_equals_loops(rng, contrast):
    sampler = given_draws()
    model, batch = model_of(sampler, contrast), batch_of(rng)
    table, tokens = model.classifier.table, model.encoder.table
    positives, drawn = batch["positives"].numpy(), sampler.given
    with tf.GradientTape() as tape:
        sums = model.encoder.gather(batch["query"])
        tape.watch([sums, table.value])
        queries = model.encoder.head(sums)
        scores = tf.pad(queries, [[0, 0], [0, 1]], constant_values=1.0)
        scores = scores @ tf.transpose(table.value)
        right = np.maximum(positives, 0)
        losses = noise_contrast(
            positives,
            tf.gather(scores, right, batch_dims=1),
            sampler.log_prob(queries, right),
            drawn,
            tf.gather(scores, drawn, batch_dims=1),
            sampler.log_prob(queries, drawn),
            contrast,
            0.01,
        )
        mean = tf.reduce_sum(losses) / SIZE
    of_sums, of_table = tape.gradient(mean, [sums, table.value])
    before, before_tokens = table.numpy(), tokens.numpy()
    # The gradient of each occurrence, from the sum over those of a row.
    inputs = np.pad(queries, ((0, 0), (0, 1)), constant_values=1)
    state, moved = np.full(LABELS, 0.1), before.astype(float)
    occurrences = occurrences_of(
        model, positives, drawn, np.asarray(scores), sampler, contrast
    )
    total = np.zeros_like(before)
    for query, row, slope in occurrences:
        total[row] += slope * inputs[query] / SIZE
        state[row] += np.mean((slope * inputs[query]) ** 2)
    close = {"rtol": 5e-3, "atol": 5e-3}
    np.testing.assert_allclose(total, of_table, **close)
    for query, row, slope in occurrences:
        moved[row] -= 0.5 * slope * inputs[query] / np.sqrt(state[row])
    logs = tf.function(model.train_step, jit_compile=True)(batch)
    assert float(logs["loss"]) == pytest.approx(float(mean), rel=1e-5)
    np.testing.assert_allclose(table, moved, **close)
    np.testing.assert_allclose(
        model.label_row_optimizer.accumulators, state, **close
    )
    touched = np.unique([row for _, row, slope in occurrences if slope])
    others = np.setdiff1d(np.arange(LABELS), touched)
    assert len(others) > 2
    np.testing.assert_array_equal(table.numpy()[others], before[others])
    changed = np.abs(tokens.numpy() - before_tokens).max(axis=1) > 0
    used = np.unique(batch["query"]["ids"].numpy())
    assert np.flatnonzero(changed).tolist() == used[used > 0].tolist()
    assert np.abs(of_sums[-1]).max() == 0, "of padding"


def occurrences_of(model, positives, drawn, scores, sampler, contrast):
    """`[(query, label, slope of its loss at the score)]`, by differences."""
    log_q = np.asarray(sampler.log_prob(np.zeros((1, DIM)), np.arange(LABELS)))
    found, step = [], 1e-3

    def loss(query, right, others):
        return float(
            noise_contrast(
                *(positives[None, query], right[None]),
                log_q[0, np.maximum(positives[query], 0)][None],
                *(drawn[None, query], others[None]),
                *(log_q[0, drawn[query]][None], contrast, 0.01),
            )[0]
        )

    for query in range(SIZE):
        right = scores[query, np.maximum(positives[query], 0)]
        others = scores[query, drawn[query]]
        for place in range(len(right)):
            change = step * np.eye(len(right))[place]
            slope = loss(query, right + change, others)
            slope -= loss(query, right - change, others)
            label = max(positives[query, place], 0)
            found.append((query, label, slope / (2 * step)))
        for place in range(len(others)):
            change = step * np.eye(len(others))[place]
            slope = loss(query, right, others + change)
            slope -= loss(query, right, others - change)
            found.append((query, drawn[query, place], slope / (2 * step)))
    return found


def test_sums_of_queries(rng):
    model = model_of(given_draws(), "augment_and_reduce")
    before = model.log_sums.numpy()
    assert (before == np.float32(np.log(LABELS))).all()
    batch = batch_of(rng, labels=1)
    model.train_step(batch)
    changed = np.flatnonzero(model.log_sums.numpy() != before)
    rows = batch["rows"].numpy()
    assert changed.tolist() == sorted(rows[rows >= 0])


def vectors_and_labels(rng, batches=30):
    labels = rng.integers(0, LABELS, (batches, SIZE, 1)).astype(np.int32)
    centres = 2 * rng.normal(size=(LABELS, DIM))
    x = centres[labels[..., 0]] + rng.normal(size=(batches, SIZE, DIM))
    rows = rng.integers(0, ROWS, (batches, SIZE)).astype(np.int32)
    data = {"query": {"vectors": x.astype(np.float32)}}
    return {**data, "positives": labels, "rows": rows}


@pytest.mark.parametrize("contrast", [*CONTRASTS, "augment_and_reduce"])
def test_training_lowers_the_loss(rng, contrast):
    data = vectors_and_labels(rng)
    x = data["query"]["vectors"].reshape(-1, DIM)
    tree = LabelTreeSampler(LABELS, DIM).fit(x, data["positives"].ravel())
    model = model_of(tree, contrast, StoredVectors(DIM, 0.0), num=3)
    model.classifier.table.assign(0 * model.classifier.table)
    batches = tf.data.Dataset.from_tensor_slices(data)
    traced = []
    step = model.label_step
    model.label_step = lambda *parts: traced.append(1) or step(*parts)
    losses = model.fit(batches, epochs=12, verbose=0, shuffle=False)
    losses = losses.history["loss"]
    assert losses[-1] < 0.8 * losses[0] and len(traced) == 1


def test_a_saved_model_trains_on(rng, tmp_path):
    data = vectors_and_labels(rng, 4)
    tree = LabelTreeSampler(LABELS, DIM)
    model = model_of(tree, encoder=StoredVectors(DIM, 0.0))
    batches = tf.data.Dataset.from_tensor_slices(data)
    model.fit(batches, verbose=0, shuffle=False)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert again.settings == model.settings
    # Which Keras does not save.
    state = model.sampler.generator.state
    again.sampler.generator.state.assign(state)
    for one in (model, again):
        one.fit(batches, verbose=0, shuffle=False)
    assert len(model.variables) == len(again.variables) > 6
    for one, other in zip(model.variables, again.variables, strict=True):
        np.testing.assert_array_equal(one.numpy(), other.numpy())


def test_cosines_are_refused():
    with pytest.raises(ValueError, match="cosine=True"):
        SampledLabelClassifier(
            *(StoredVectors(DIM, 0.0), None, SIZE),
            *(LabelClassifier(LABELS, DIM), None, Unigram(np.ones(LABELS))),
        )
