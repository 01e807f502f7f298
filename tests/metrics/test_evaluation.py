"""Invariants of the evaluation of a split:

- it equals one sort of all scores and one update of the metrics;
- filtered labels are taken out before the best are taken;
- query vectors may be made slice by slice, and blocks change nothing;
- queries with a label unseen in training are reported apart, where there are
  any; what does not exist is None, so that the result is valid JSON;
- the sample is a function of the seed, and holds what was found.
"""

import json

import numpy as np
import pytest

from tfxc.data.dataset import Split
from tfxc.data.label_lists import LabelLists
from tfxc.data.texts import Texts
from tfxc.metrics import (
    RankingMetrics,
    evaluate_split,
    evaluation,
    frequency_groups,
    inverse_propensity,
)
from tfxc.search import ExactSearch

KEYS = [
    *(f"{n}@{k}" for n in ("P", "nDCG", "PSP", "PSnDCG") for k in (1, 3, 5)),
    *("R@10", "R@100", "propensity_A", "propensity_B"),
    *("num_queries", "num_labels", "groups"),
]


def random_lists(rng, rows, columns, share):
    row, column = np.nonzero(rng.random((rows, columns)) < share)
    return LabelLists.from_pairs(row, column, rows, columns)


@pytest.fixture
def case(rng):
    """150 labels and 60 queries whose vectors lie near their first label."""
    labels = rng.normal(size=(150, 6)).astype(np.float32)
    relevant = random_lists(rng, 60, 150, 0.02)
    queries = rng.normal(size=(60, 6)).astype(np.float32)
    for row in np.flatnonzero(relevant.row_counts()):
        queries[row] += 2 * labels[relevant[row][0]]
    filtered = random_lists(rng, 60, 150, 0.05)
    texts = Texts.from_strings(f"query {row}" for row in range(60))
    counts = rng.integers(0, 30, 150)
    counts[:3] = 0
    split = Split(texts, relevant, filtered)
    return queries, ExactSearch(labels), split, counts


def oracle(queries, search, split, counts, a, b):
    scores = queries @ search.label_vectors.T
    for row in range(len(split)):
        scores[row, split.filtered[row]] = -np.inf
    ids = np.argsort(-scores, axis=1, kind="stable")[:, :100]
    metrics = RankingMetrics(
        len(counts),
        inverse_propensity(counts, 900, a, b),
        groups=frequency_groups(counts),
    )
    metrics.update(ids, split.relevant)
    return metrics.result(), ids, scores


@pytest.mark.parametrize("block", [7, 8192])
def test_equals_one_sort(case, monkeypatch, block):
    monkeypatch.setattr(evaluation, "BLOCK", block)
    expected, _, _ = oracle(*case, 0.6, 2.6)
    metrics, _ = evaluate_split(*case, 900, 0.6, 2.6)
    assert [key for key in metrics if key != "zero_shot"] == KEYS
    for name in KEYS[:14]:
        assert metrics[name] == pytest.approx(expected[name]), name
    assert 10 < metrics["P@1"] < 90, "would compare extremes"
    for name, group in expected["groups"].items():
        assert metrics["groups"][name] == pytest.approx(group)
    assert (metrics["propensity_A"], metrics["propensity_B"]) == (0.6, 2.6)
    assert (metrics["num_queries"], metrics["num_labels"]) == (60, 150)


def test_filters_matter(case):
    queries, search, split, counts = case
    none = LabelLists.from_pairs([], [], 60, 150)
    metrics, _ = evaluate_split(*case, 900)
    free, _ = evaluate_split(
        queries, search, Split(split.queries, split.relevant, none), counts, 900
    )
    assert metrics["P@1"] != free["P@1"]


def test_vectors_made_on_the_way(case, monkeypatch):
    monkeypatch.setattr(evaluation, "BLOCK", 16)
    queries, search, split, counts = case
    asked = []

    class Lazy:
        def __getitem__(self, rows):
            asked.append((rows.start, rows.stop))
            return queries[rows]

    metrics, _ = evaluate_split(Lazy(), search, split, counts, 900)
    assert metrics == evaluate_split(*case, 900)[0]
    assert asked == [(0, 16), (16, 32), (32, 48), (48, 60)]


def test_zero_shot(case):
    queries, search, split, counts = case
    counts[50:] = 1
    counts[:50] = 0
    rows = [
        row for row in range(len(split)) if (split.relevant[row] < 50).any()
    ]
    assert 0 < len(rows) < len(split), "would test nothing"
    part = Split(
        Texts.from_strings(map(str, rows)),
        split.relevant.take(rows),
        split.filtered.take(rows),
    )
    metrics, _ = evaluate_split(*case, 900)
    alone, _ = evaluate_split(queries[rows], search, part, counts, 900)
    zero_shot = metrics["zero_shot"]
    assert zero_shot["num_queries"] == len(rows)
    for name in KEYS[:14]:
        assert zero_shot[name] == pytest.approx(alone[name])
    counts[:] = 1
    assert "zero_shot" not in evaluate_split(*case, 900)[0]


@pytest.mark.parametrize("rows", [0, 1])
def test_hardly_any_queries(case, rows):
    queries, search, split, counts = case
    few = Split(
        Texts.from_strings(["query"] * rows),
        split.relevant.take(np.arange(rows)),
        split.filtered.take(np.arange(rows)),
    )
    metrics, sample = evaluate_split(queries[:rows], search, few, counts, 900)
    assert json.loads(json.dumps(metrics, allow_nan=False)) == metrics
    assert metrics["num_queries"] == len(sample.rows) == rows
    assert (metrics["P@1"] is None) == (rows == 0)
    assert sample.ids.shape == sample.scores.shape == (rows, 5)


def test_fewer_labels_than_places(rng):
    relevant = LabelLists.from_pairs([0], [1], 1, 2)
    none = LabelLists.from_pairs([], [], 1, 2)
    split = Split(Texts.from_strings(["query"]), relevant, none)
    vectors = np.eye(2, dtype=np.float32)
    search = ExactSearch(vectors)
    metrics, sample = evaluate_split(vectors[:1], search, split, [1, 1], 9)
    assert (metrics["P@1"], metrics["P@3"]) == (0, pytest.approx(100 / 3))
    assert metrics["R@100"] == 100
    assert sample.ids.tolist() == [[0, 1, -1, -1, -1]]


@pytest.mark.parametrize("block", [7, 4096])
def test_sample(case, monkeypatch, block):
    monkeypatch.setattr(evaluation, "BLOCK", block)
    _, ids, scores = oracle(*case, 0.55, 1.5)
    _, sample = evaluate_split(*case, 900, sample_size=20, seed=3)
    assert len(set(sample.rows.tolist())) == 20
    np.testing.assert_array_equal(sample.ids, ids[sample.rows, :5])
    np.testing.assert_allclose(
        sample.scores,
        np.take_along_axis(scores[sample.rows], sample.ids, axis=1),
        rtol=1e-5,
    )
    _, again = evaluate_split(*case, 900, sample_size=20, seed=3)
    np.testing.assert_array_equal(sample.rows, again.rows)
    _, other = evaluate_split(*case, 900, sample_size=20, seed=4)
    assert sample.rows.tolist() != other.rows.tolist()
    _, everything = evaluate_split(*case, 900, sample_size=99)
    assert everything.rows.tolist() == list(range(60))


def test_shapes_that_disagree(case):
    queries, search, split, counts = case
    with pytest.raises(ValueError, match="Received: "):
        evaluate_split(queries[:, :5], search, split, counts, 900)
