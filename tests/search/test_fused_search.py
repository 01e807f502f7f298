"""Invariants of the search by several scores:

- it equals loops over all labels, with any parts, where the shortlist holds
  all; a label that only the memory names is found;
- it does not depend on how queries are cut into blocks; filtered labels are
  never found, whatever names them; of equal scores the lower id comes first;
- without parts it is exact search; places without a label hold -1.
"""

import numpy as np
import pytest

from tfxc.data import LabelLists
from tfxc.search import ExactSearch, FusedSearch, Memory, ScoreTree, fused

LABELS, DIM = 30, 6


def unit(vectors):
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(
        np.float32
    )


def random_lists(rng, rows, most=3):
    counts = rng.integers(0, most + 1, rows)
    ids = rng.integers(0, LABELS, counts.sum())
    return LabelLists.from_pairs(
        np.repeat(np.arange(rows), counts), ids, rows, LABELS
    )


class Case:
    def __init__(
        self, rng, memory=True, classifier=True, tree=True, popularity=True
    ):
        self.queries = unit(rng.normal(size=(23, DIM)))
        self.labels = unit(rng.normal(size=(LABELS, DIM)))
        parts = {}
        if classifier:
            parts["classifier"] = unit(rng.normal(size=(LABELS, DIM)))
            parts["classifier_weight"] = 0.5
        if memory:
            keys = unit(rng.normal(size=(50, DIM)))
            parts["memory"] = Memory.build(
                keys, random_lists(rng, 50), neighbours=5, temperature=0.2
            )
            parts["memory_weight"] = 0.7
        if popularity:
            parts["popularity"] = rng.random(LABELS).astype(np.float32)
            parts["popularity_weight"] = 0.4
        if tree:
            features = [rng.normal(size=(80, 9)) for _ in range(3)]
            ids = rng.integers(0, LABELS, (80, 9))
            parts["tree"] = ScoreTree.fit(
                features, ids, features[0] > 0.3, rng.random(LABELS)
            )
            parts["tree_weight"] = 0.9
        self.search = FusedSearch(self.labels, **parts)

    def loops(self, filtered=None):
        """The score of every label, one pair at a time: `[q, LABELS]`."""
        search, scores = self.search, np.empty((len(self.queries), LABELS))
        for q, query in enumerate(self.queries):
            memory = np.zeros(LABELS)
            if search.memory is not None:
                _, label, score = search.memory.label_scores(query[None])
                memory[label] = score
            for i in range(LABELS):
                encoder = classifier = float(query @ self.labels[i])
                scores[q, i] = encoder + search.memory_weight * memory[i]
                if search.popularity is not None:
                    scores[q, i] += (
                        search.popularity_weight * search.popularity[i]
                    )
                if search.classifier is not None:
                    classifier = float(query @ search.classifier[i])
                    scores[q, i] += search.classifier_weight * classifier
                if search.tree is not None:
                    features = encoder, classifier, memory[i]
                    features = [np.array([[x]]) for x in features]
                    share = search.tree(features, np.array([[i]]))[0, 0]
                    scores[q, i] += search.tree_weight * share
            if filtered is not None:
                scores[q, filtered[q]] = -np.inf
        return scores


def joined(blocks):
    starts, scores, ids = zip(*blocks, strict=True)
    return list(starts), np.concatenate(scores), np.concatenate(ids)


PARTS = [
    {},
    {"tree": False},
    {"tree": False, "classifier": False},
    {"memory": False},
    {"memory": False, "tree": False},
    {"memory": False, "tree": False, "popularity": False},
    {"popularity": False},
    {"classifier": False},
]


@pytest.mark.parametrize("parts", PARTS)
@pytest.mark.parametrize("filters", [False, True])
@pytest.mark.parametrize("k", [1, 5, LABELS])
def test_equals_loops(rng, parts, filters, k):
    case = Case(rng, **parts)
    filtered = random_lists(rng, 23) if filters else None
    expected = case.loops(filtered)
    _, scores, ids = joined(case.search.top_k(case.queries, k, filtered))
    assert ids.shape == scores.shape == (23, k)
    order = np.argsort(-expected, axis=1, kind="stable")[:, :k]
    wanted = np.take_along_axis(expected, order, axis=1)
    order[wanted == -np.inf] = -1
    np.testing.assert_array_equal(ids, order)
    np.testing.assert_allclose(scores, wanted, rtol=1e-4, atol=1e-5)


def test_blocks_change_nothing(rng, monkeypatch):
    case = Case(rng)
    filtered = random_lists(rng, 23)
    whole = joined(case.search.top_k(case.queries, 4, filtered))
    monkeypatch.setattr(fused, "BLOCK", 5)
    parts = joined(case.search.top_k(case.queries, 4, filtered))
    assert whole[0] == [0] and parts[0] == [0, 5, 10, 15, 20]
    np.testing.assert_array_equal(whole[2], parts[2])
    np.testing.assert_allclose(whole[1], parts[1], rtol=1e-5)


def test_a_label_that_only_the_memory_names(rng, monkeypatch):
    monkeypatch.setattr(fused, "SHORTLIST", 2)
    query = np.eye(4, dtype=np.float32)[:1]
    labels = np.eye(4, dtype=np.float32)[[0, 0, 0, 3]]
    lists = LabelLists.from_pairs([0], [3], 1, 4)
    memory = Memory.build(query, lists)
    search = FusedSearch(labels, memory=memory, memory_weight=2.0)
    [(_, scores, ids)] = search.top_k(query, 3)
    assert ids.tolist() == [[3, 0, 1]] and scores.tolist() == [[2, 1, 1]]


def test_more_places_than_labels(rng):
    case = Case(rng)
    _, scores, ids = joined(case.search.top_k(case.queries, LABELS + 3))
    assert (ids[:, -3:] == -1).all() and (scores[:, -3:] == -np.inf).all()
    assert (np.sort(ids[:, :LABELS]) == np.arange(LABELS)).all()


def test_without_parts_it_is_exact_search(rng):
    none = dict.fromkeys(("memory", "classifier", "tree", "popularity"), False)
    case = Case(rng, **none)
    exact = joined(ExactSearch(case.labels).top_k(case.queries, 7))
    found = joined(case.search.top_k(case.queries, 7))
    np.testing.assert_array_equal(exact[2], found[2])


def test_trimmed(rng):
    case = Case(rng)
    same = case.search.trimmed()
    assert same.tree is not None and same.memory is not None
    plain = FusedSearch(
        case.labels,
        classifier=case.labels,
        memory=case.search.memory,
        popularity=case.search.popularity,
    ).trimmed()
    assert plain.classifier is None and plain.memory is None
    assert not plain.needs_ranking
