"""Invariants of negatives that a training step draws:

- the gradient is that of the loss on candidates and draws, encoded afresh, and
  with every label drawn, that of the decoupled softmax over all labels;
- what is right for a query, or a candidate of the batch, is not its negative;
- the odds of what is not known are those of the sampler's law, and unknown in
  the warm-up;
- short labels are padded as the encoder expects;
- a cache takes back what was encoded;
- a step compiles once, whatever is drawn or refreshed, and lowers the loss.
"""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfxc.data import Bags, LabelLists, training_batches
from tfxc.encoders import BagEncoder, DrawnNegatives, DualEncoder
from tfxc.encoders.drawn_negatives import joined
from tfxc.losses import decoupled_softmax
from tfxc.negatives import (
    ClusterTreeSampler,
    Midx,
    MixedNegatives,
    NegativeCache,
    Sampler,
    Uniform,
)
from tfxc.training import RowAdagrad

TOKENS, LABELS, SIZE, HEAT = 30, 25, 6, 3.0


class InOrder(Sampler):
    """Draws label 0, then 1, and so on, as if each were drawn at random."""

    def sample(self, queries, num, seed=None, **batch):
        shape = (queries.shape[0], num)
        ids = tf.broadcast_to(tf.range(num)[None], shape)
        return ids, self.log_prob(queries, ids)

    def log_prob(self, queries, ids, **batch):
        shape = (queries.shape[0], ids.shape[-1])
        return tf.fill(shape, -np.float32(np.log(self.num_labels)))


class ForOneQuery(DrawnNegatives):
    """The first query draws for all, so that labels in order are drawn once."""

    def draw(self, queries, batch):
        return super().draw(queries[:1], batch)


def random_bags(rng, rows):
    ids = rng.integers(0, TOKENS, (rows, 4)).astype(np.int32)
    weights = rng.random((rows, 4)).astype(np.float16)
    return Bags(ids, np.where(ids, weights, 0).astype(np.float16))


def problem(rng, rows=22):
    """Queries that share a token with each of their labels."""
    lists = [rng.choice(LABELS, 2, replace=False) for _ in range(rows)]
    relevant = LabelLists.from_pairs(
        np.repeat(np.arange(rows), 2), np.concatenate(lists), rows, LABELS
    )
    queries, labels = random_bags(rng, rows), random_bags(rng, LABELS)
    queries.ids[:, :2] = relevant.ids.reshape(rows, 2) + 1
    queries.weights[:, :2] = 1
    labels.ids[:, 0] = np.arange(LABELS) + 1
    labels.weights[:, 0] = 1
    return queries, labels, relevant


def batches_of(queries, labels, relevant):
    order = np.split(np.arange(len(queries)), range(SIZE, len(queries), SIZE))
    epochs = iter(range(99))
    return training_batches(
        *(lambda: (next(epochs), order), queries, labels, relevant),
        *(SIZE, 8, 0),
        with_ids=True,
    )


def model_of(sampler, labels, num, kind=DrawnNegatives, loss=None, **options):
    inputs = labels.take(np.arange(LABELS))
    negatives = kind(sampler, inputs, num, 1 / HEAT, **options)
    return compiled(loss, negatives=negatives)


def mean_loss(relevance, scores):
    return tf.reduce_mean(decoupled_softmax(relevance, scores, 1 / HEAT))


def compiled(loss=None, **options):
    """A model that starts with the same weights each time."""
    encoder = BagEncoder(TOKENS, dim=6, hidden=5)
    model = DualEncoder(encoder, RowAdagrad(TOKENS, 0.5), SIZE, **options)
    model.compile(keras.optimizers.Adam(0.01), loss=loss, jit_compile=True)
    rng = np.random.default_rng(1)
    for weight in encoder.weights:
        weight.assign(rng.normal(size=weight.shape))
    return model


def test_batches_say_what_they_hold(rng):
    queries, labels, relevant = problem(rng)
    *_, last = batches_of(queries, labels, relevant)
    rows = np.arange(18, 22)
    assert last["positives"].shape == (SIZE, 2)
    for row, known in zip(rows, last["positives"].numpy(), strict=False):
        start = relevant.splits[row]
        assert known.tolist() == relevant.ids[start : start + 2].tolist()
    assert (last["positives"].numpy()[4:] == -1).all()
    ids = last["candidate_ids"].numpy()
    assert ids.shape == (8,) and len(set(ids)) == 8
    for place, label in enumerate(ids):
        if label >= 0:
            np.testing.assert_array_equal(
                last["candidates"]["ids"][place], labels.ids[label]
            )
    relevance = last["relevance"].numpy()
    for row in range(4):
        right = np.isin(ids, last["positives"].numpy()[row])
        np.testing.assert_array_equal(relevance[row] == 1, right)


def test_all_labels_drawn_are_a_loss_over_all_labels(rng):
    queries, labels, relevant = problem(rng)
    model = model_of(InOrder(LABELS), labels, LABELS, ForOneQuery, tries=1)
    batch = next(iter(batches_of(queries, labels, relevant)))
    scores = model(batch["query"]) @ tf.transpose(
        model(labels.take(np.arange(LABELS)))
    )
    right = (batch["positives"][:, :, None] == tf.range(LABELS)).numpy()
    relevance = right.any(axis=1).astype(int)
    # Positives that are no candidates of the batch are ignored, not wrong.
    inside = np.isin(np.arange(LABELS), batch["candidate_ids"])
    relevance = np.where(relevance & ~inside, -1, relevance)
    expected = decoupled_softmax(relevance, scores, 1 / HEAT)
    found = model.train_step(batch)["loss"]
    np.testing.assert_allclose(found, np.mean(expected), rtol=1e-4)


def test_draws_train_as_candidates_do(rng):
    """Hard negatives are more candidates of the model's own loss."""
    queries, labels, relevant = problem(rng)
    drawn = model_of(
        *(InOrder(LABELS), labels, SIZE, ForOneQuery, mean_loss),
        estimator="hard_negatives",
        tries=1,
    )
    plain = compiled(mean_loss)
    before = [weight.numpy() for weight in plain.encoder.weights]
    for batch in batches_of(queries, labels, relevant):
        # Padding stands last, so that no label stands between.
        ids = np.append(batch["candidate_ids"], np.arange(SIZE))
        more = labels.take(np.maximum(ids, 0))
        right = (batch["positives"][:, :, None] == ids).numpy().any(axis=1)
        again = np.isin(ids, batch["candidate_ids"])
        again[:-SIZE] = False
        relevance = np.where(again | (ids < 0) | right, -1, 0)
        relevance[:, :-SIZE] = batch["relevance"]
        relevance[(batch["relevance"].numpy() == -1).all(axis=1)] = -1
        given = {"query": batch["query"], "candidates": more}
        losses = [
            drawn.train_step(batch)["loss"],
            plain.train_step({**given, "relevance": relevance})["loss"],
        ]
        np.testing.assert_allclose(*losses, rtol=1e-4)
    for one, other, start in zip(
        drawn.encoder.weights, plain.encoder.weights, before, strict=True
    ):
        np.testing.assert_allclose(one, other, atol=2e-4)
        assert np.abs(one - start).max() > 0.01


@pytest.mark.parametrize("padding", [0, 1])
def test_joined_tokens_are_padded(padding):
    long, short = tf.fill([2, 5], 7), tf.fill([3, 4], 8)
    for one, other in ((long, short), (short, long)):
        found = joined(one, other, padding).numpy()
        assert found.shape == (5, 5)
        assert (found == padding).sum() == 3
        assert (found[:, 4] != padding).sum() == 2


def test_hits_and_candidates_are_no_negatives(rng):
    queries, labels, relevant = problem(rng)
    model = model_of(Uniform(LABELS), labels, SIZE)
    batch = next(iter(batches_of(queries, labels, relevant)))
    vectors = model(batch["query"])
    seen = 0
    for _ in range(10):
        draw = model.negatives.draw(vectors, batch)
        for place, label in enumerate(draw.ids.numpy()):
            np.testing.assert_array_equal(
                draw.inputs["ids"][place], labels.ids[label]
            )
            known = label in batch["candidate_ids"].numpy()
            for row in range(SIZE):
                hit = known or label in batch["positives"].numpy()[row]
                assert draw.relevance[row, place] == -int(hit)
                seen += hit and not known
    assert seen > 0, "would test less"


def test_odds_of_what_is_not_known(rng):
    queries, labels, relevant = problem(rng)
    sampler = ClusterTreeSampler(unit_rows(2), HEAT)
    model = model_of(sampler, labels, SIZE, estimator="self_normalized")
    *_, batch = batches_of(queries, labels, relevant)  # the last one is short
    ignored = batch["relevance"].numpy()
    ignored[0, np.argmax(ignored[0] == 1)] = -1
    batch = {**batch, "relevance": tf.constant(ignored)}
    vectors = model(batch["query"])
    law = np.exp(sampler.law(vectors))
    ids, positives = (
        batch[name].numpy() for name in ("candidate_ids", "positives")
    )
    found = model.negatives.draw(vectors, batch).log_odds.numpy()
    for row in range(SIZE):
        excluded = set(ids) | set(positives[row])
        others = np.isin(np.arange(LABELS), list(excluded), invert=True)
        counted = ids[ignored[row] >= 0]
        if row >= 4:  # padding
            assert np.isinf(found[row])
            continue
        odds = law[row, others].sum() / law[row, counted].sum()
        np.testing.assert_allclose(np.exp(found[row]), odds, rtol=1e-3)
    sampler.inverse_temperature.assign(0.0)
    found = model.negatives.draw(vectors, batch).log_odds.numpy()
    assert np.isinf(found).all()


def test_a_law_far_from_the_softmax():
    part = NegativeCache(np.arange(12), unit_rows(2)[:12], LABELS, HEAT, False)
    midx = Midx(unit_rows(2), HEAT, words=4)
    for sampler in (Uniform(LABELS), midx, part):
        with pytest.raises(ValueError, match=r"near the softmax .*Received: <"):
            DrawnNegatives(sampler, [], 4, 1 / HEAT, "self_normalized")
    tree = ClusterTreeSampler(unit_rows(2), HEAT)
    with pytest.raises(ValueError, match=r"Received: 0\.5 and 3\.0"):
        DrawnNegatives(tree, [], 4, 0.5, "self_normalized")
    tree.inverse_temperature.assign(0)  # in a warm-up
    DrawnNegatives(tree, [], 4, 0.5, "self_normalized")


@pytest.mark.parametrize("estimator", ["expectation", "cache", "law"])
def test_estimators_of_shared_draws(estimator):
    with pytest.raises(ValueError, match=f"share their draws.*'{estimator}'"):
        DrawnNegatives(Uniform(LABELS), [], 4, 1.0, estimator)


def unit_rows(seed):
    rows = np.random.default_rng(seed).normal(size=(LABELS, 6))
    return (rows / np.linalg.norm(rows, axis=1)[:, None]).astype(np.float32)


@pytest.mark.parametrize(
    "kind", ["uniform", "tree", "tree normalized", "cache"]
)
def test_training_lowers_the_loss_and_compiles_once(rng, kind):
    queries, labels, relevant = problem(rng)
    start = unit_rows(2)
    sampler = {
        "uniform": lambda: Uniform(LABELS),
        "tree": lambda: ClusterTreeSampler(
            start, HEAT, opened=2, branching=4, leaf_size=4
        ),
        "cache": lambda: MixedNegatives(
            [
                Uniform(LABELS),
                NegativeCache(np.arange(12), start[:12], LABELS, HEAT, False),
            ],
            [1, 1],
        ),
    }[kind.split()[0]]()
    self_normalized = (
        {"estimator": "self_normalized"} if kind.endswith("normalized") else {}
    )
    model = model_of(sampler, labels, SIZE, **self_normalized)
    model.optimizer.build(model.trainable_variables)
    traces = []
    step = model.train_step

    def watched(batch):
        traces.append(0)
        return step(batch)

    model.train_step = watched
    batches, losses = batches_of(queries, labels, relevant), []
    for epoch in range(8):
        history = model.fit(
            batches,
            initial_epoch=epoch,
            epochs=epoch + 1,
            steps_per_epoch=4,
            shuffle=False,
            verbose=0,
        )
        losses += history.history["loss"]
        if kind.startswith("tree"):
            sampler.refresh(model(labels.take(np.arange(LABELS))).numpy())
    assert np.mean(losses[-4:]) < 0.95 * np.mean(losses[:4])
    assert len(traces) == 1
    names = {variable.path for variable in model.variables}
    assert {variable.path for variable in sampler.variables} <= names
    if kind == "cache":
        cache = sampler.samplers[1]
        assert set(cache.ids.numpy()) != set(range(12))
        young = cache.ages.numpy() == 0
        assert 0 < young.sum() <= SIZE
