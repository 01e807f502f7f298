"""Invariants of a search by an output layer:

- it finds what a sort of all its scores finds, for any k and number of queries,
  also with more labels than a layer is compiled for at once, and so does the
  function to export;
- filtered labels are not found, and the next ones move up; -1 where none is
  left.
"""

import keras
import numpy as np
import pytest

from tfxc.data import LabelLists
from tfxc.layers import (
    AdaptiveSoftmax,
    CorrectedClassifier,
    LabelClassifier,
    MarginSoftmax,
)
from tfxc.negatives import LabelTreeSampler, Unigram
from tfxc.search import LayerSearch, layer_search

LABELS, DIM = 43, 6


def layer_of(kind):
    """A layer, and a function of its scores of all labels."""
    if kind == "adaptive":
        layer = AdaptiveSoftmax(LABELS, [9, 20], shrink=2.0)
        layer.build((None, DIM))
        return layer, layer.log_probs
    if kind == "margin":
        layer = MarginSoftmax(LABELS)
        return layer, layer.log_probs
    sampler = {
        "plain": None,
        "unigram": Unigram(np.arange(1, LABELS + 1)),
        "tree": LabelTreeSampler(LABELS, DIM),
    }[kind]
    if kind == "tree":
        for weight in (sampler.node_weights, sampler.node_biases):
            noise = keras.random.normal(weight.shape, seed=1)
            weight.assign(weight + 0.5 * noise)
        sampler.matrix.assign(keras.random.normal((DIM, DIM), seed=2))
    classifier = LabelClassifier(LABELS, DIM, cosine=False, bias=True)
    layer = CorrectedClassifier(classifier, sampler)
    return layer, layer


KINDS = ["adaptive", "margin", "plain", "unigram", "tree"]


def search_of(layer):
    return LayerSearch(layer, np.zeros((LABELS, DIM), np.float32))


def queries(rng, rows):
    return (3 * rng.normal(size=(rows, DIM))).astype(np.float32)


def joined(blocks):
    starts, scores, ids = zip(*blocks, strict=True)
    counts = np.cumsum([0, *map(len, ids)])
    assert list(starts) == counts[:-1].tolist()
    return np.concatenate(scores), np.concatenate(ids)


@pytest.mark.parametrize("kind", KINDS)
def test_finds_what_a_sort_finds(kind, rng, monkeypatch):
    monkeypatch.setattr(layer_search, "SIZES", (4, 16))
    monkeypatch.setattr(layer_search, "ROWS", (2, 5))
    monkeypatch.setattr(layer_search, "BLOCK", 11)
    layer, scores_of = layer_of(kind)
    search = search_of(layer)
    for rows, k in ((1, 1), (2, 4), (3, 5), (26, 17), (7, LABELS + 4)):
        x = queries(rng, rows)
        scores, ids = joined(search.top_k(x, k))
        expected = np.asarray(scores_of(x))
        order = np.argsort(-expected, axis=1, kind="stable")[:, :k]
        found = min(k, LABELS)
        np.testing.assert_array_equal(ids[:, :found], order)
        np.testing.assert_allclose(
            scores[:, :found],
            np.take_along_axis(expected, order, axis=1),
            atol=1e-5,
        )
        assert (ids[:, found:] == -1).all() and ids.shape == (rows, k)
        assert np.isneginf(scores[:, found:]).all()
        for part, other in zip(
            search.find(x, found), (scores, ids), strict=True
        ):
            np.testing.assert_allclose(part, other[:, :found], atol=1e-6)


@pytest.mark.parametrize("kind", ["adaptive", "tree"])
def test_filtered_labels(kind, rng):
    layer, scores_of = layer_of(kind)
    x = queries(rng, 9)
    hidden = [rng.choice(LABELS, n, replace=False) for n in range(9)]
    hidden[8] = np.arange(LABELS - 1)  # one is left
    rows = np.repeat(np.arange(9), [len(ids) for ids in hidden])
    lists = LabelLists.from_pairs(rows, np.concatenate(hidden), 9, LABELS)
    _, ids = joined(search_of(layer).top_k(x, 5, lists))
    expected = np.array(scores_of(x))
    for row, gone in enumerate(hidden):
        expected[row, gone] = -np.inf
    order = np.argsort(-expected, axis=1, kind="stable")[:, :5]
    order[8, 1:] = -1
    np.testing.assert_array_equal(ids, order)
