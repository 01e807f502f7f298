"""Invariants of the fit of the weights:

- what helps on the held-out rows gets weight, what does not gets none;
- a tree is used where it helps; the chosen search is better than the parts;
- the judge's metrics are those of `RankingMetrics`, for rows of as many labels;
- too few rows are told.
"""

import dataclasses

import numpy as np
import pytest

from tfxc.data import LabelLists
from tfxc.errors import InputError
from tfxc.metrics import RankingMetrics
from tfxc.search import FusedSearch, Memory, fit_fusion, fusion
from tfxc.search.fusion import Judged

LABELS, DIM, ROWS = 40, 16, 400


def unit(vectors):
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(
        np.float32
    )


@pytest.fixture
def case(rng):
    """True label vectors; queries are near the sum of their two labels'."""
    truth = unit(rng.normal(size=(LABELS, DIM)))
    pairs = np.stack([rng.permutation(LABELS)[:2] for _ in range(2 * ROWS)])
    x = unit(truth[pairs].sum(axis=1) + 0.6 * rng.normal(size=(2 * ROWS, DIM)))
    row = np.repeat(np.arange(2 * ROWS), 2)
    lists = LabelLists.from_pairs(row, pairs.ravel(), 2 * ROWS, LABELS)
    rows = np.arange(ROWS)
    return truth, x[:ROWS], lists.take(rows), x[ROWS:], lists.take(rows + ROWS)


def noisy(rng, vectors, noise):
    return unit(vectors + noise * rng.normal(size=vectors.shape))


def ndcg(search, queries, relevant):
    metrics = RankingMetrics(LABELS, recall_ks=(5,))
    [(_, _, ids)] = search.top_k(queries, 5)
    metrics.update(ids, relevant)
    return metrics.result()["nDCG@5"]


def test_weights_go_where_they_help(case, rng):
    truth, queries, relevant, keys, key_labels = case
    poor = noisy(rng, truth, 0.5)
    search = FusedSearch(
        poor,
        classifier=truth,
        memory=Memory.build(keys, key_labels, neighbours=10),
    )
    chosen = fit_fusion(search, queries, relevant, np.ones(LABELS), tree=False)
    assert chosen.classifier_weight >= 1 and chosen.memory_weight > 0
    assert (
        ndcg(chosen, queries, relevant)
        > ndcg(FusedSearch(poor), queries, relevant) + 5
    )


def test_what_is_useless_gets_nothing(case, rng):
    truth, queries, relevant, keys, key_labels = case
    nonsense = key_labels.take(rng.permutation(ROWS))
    search = FusedSearch(
        truth,
        classifier=unit(rng.normal(size=truth.shape)),
        memory=Memory.build(keys, nonsense),
    )
    chosen = fit_fusion(search, queries, relevant, np.ones(LABELS), tree=False)
    assert chosen.classifier is None and chosen.memory is None
    assert not chosen.needs_ranking


def test_a_tree_where_it_helps(case, rng):
    """Half of the labels are never relevant: only the tree can tell."""
    truth, queries, relevant, _, _ = case
    frequent = np.arange(LABELS) % 2 == 0
    row = np.repeat(np.arange(ROWS), relevant.row_counts())
    kept = frequent[relevant.ids]
    relevant = LabelLists.from_pairs(
        row[kept], relevant.ids[kept], ROWS, LABELS
    )
    weights = np.where(frequent, 1.0, 2.0)
    search = FusedSearch(truth, classifier=noisy(rng, truth, 0.3))
    chosen = fit_fusion(search, queries, relevant, weights)
    assert chosen.tree_weight > 0 and chosen.tree is not None
    plain = dataclasses.replace(chosen, tree=None, tree_weight=0.0)
    best = ndcg(chosen, queries, relevant)
    assert best > ndcg(plain, queries, relevant) + 5


def test_the_judge_counts_as_the_metrics_do(case, rng, monkeypatch):
    monkeypatch.setattr(fusion, "RECALL_DEPTH", 10)
    truth, queries, relevant, keys, key_labels = case
    parts = {
        "classifier": noisy(rng, truth, 0.2),
        "memory": Memory.build(keys, key_labels),
        "popularity": rng.random(LABELS).astype(np.float32),
    }
    weights = rng.uniform(1, 3, LABELS)
    judged = Judged(FusedSearch(truth, **parts), queries, relevant, weights)
    for a, b, c in ((0.0, 0.0, 0.0), (0.5, 0.3, 0.1), (2.0, 0.0, 0.4)):
        search = FusedSearch(
            truth,
            **parts,
            classifier_weight=a,
            memory_weight=b,
            popularity_weight=c,
        )
        metrics = RankingMetrics(LABELS, weights, recall_ks=(10,))
        [(_, _, ids)] = search.top_k(queries, 10)
        metrics.update(ids, relevant)
        result = metrics.result()
        names = ("nDCG@5", "PSnDCG@5", "R@10")
        expected = np.mean([result[name] for name in names])
        assert judged.quality(a, b, c) == pytest.approx(expected, rel=1e-4)


def test_popularity_where_the_encoder_knows_of_none(case, rng):
    """Half of the labels are rare, and the encoder does not know which."""
    truth, queries, relevant, _, _ = case
    frequent = np.arange(LABELS) % 2 == 0
    row = np.repeat(np.arange(ROWS), relevant.row_counts())
    kept = frequent[relevant.ids] | (rng.random(len(row)) < 0.1)
    relevant = LabelLists.from_pairs(
        row[kept], relevant.ids[kept], ROWS, LABELS
    )
    search = FusedSearch(
        noisy(rng, truth, 0.5), popularity=10.0 * frequent.astype(np.float32)
    )
    chosen = fit_fusion(search, queries, relevant, np.ones(LABELS), tree=False)
    assert chosen.popularity_weight > 0
    plain = dataclasses.replace(chosen, popularity=None)
    best = ndcg(chosen, queries, relevant)
    assert best > ndcg(plain, queries, relevant) + 5


def test_too_few_rows(case):
    truth, queries, relevant, _, _ = case
    few = relevant.take(np.arange(19))
    with pytest.raises(InputError, match=r"--validation-rows.*Received: 19"):
        fit_fusion(FusedSearch(truth), queries[:19], few, np.ones(LABELS))


def test_filtered_labels_do_not_count(case, rng):
    """Labels that rows shall not get would make good scores look bad."""
    truth, queries, relevant, *_ = case
    right = np.zeros((ROWS, LABELS), bool)
    right[np.repeat(np.arange(ROWS), 2), relevant.ids] = True
    wrong = np.argsort(-np.where(right, -9, queries @ truth.T), axis=1)[:, :9]
    filtered = LabelLists.from_pairs(
        np.repeat(np.arange(ROWS), 9), wrong.ravel(), ROWS, LABELS
    )
    ones = np.ones(LABELS)
    search = FusedSearch(noisy(rng, truth, 0.5), classifier=truth)
    plain, without = (
        Judged(search, queries, relevant, ones, lists).quality(classifier=8.0)
        for lists in (None, filtered)
    )
    assert without > plain + 1
    chosen = fit_fusion(
        *(search, queries, relevant, ones), tree=False, filtered=filtered
    )
    assert chosen.classifier_weight >= 1
