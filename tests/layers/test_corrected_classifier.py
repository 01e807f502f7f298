"""Invariants of scores that take in what negatives were drawn by:

- they are w . x + b + log q, and probabilities those of their softmax;
- a beam of all labels ranks as all are ranked, and one of a few finds those
  that the tree finds likely;
- a shortlist needs a tree.
"""

import numpy as np
import pytest

from tfxc.layers import CorrectedClassifier, LabelClassifier
from tfxc.negatives import LabelTreeSampler, Uniform, Unigram

LABELS, DIM, ROWS = 37, 5, 600


def tree_and_rows(rng):
    labels = rng.integers(0, LABELS, ROWS)
    x = rng.normal(size=(LABELS, DIM))[labels] + rng.normal(size=(ROWS, DIM))
    x = x.astype(np.float32)
    return LabelTreeSampler(LABELS, DIM).fit(x, labels), x


def classifier():
    return LabelClassifier(LABELS, DIM, cosine=False, bias=True)


@pytest.mark.parametrize("kind", ["none", "uniform", "unigram", "tree"])
def test_scores(kind, rng):
    tree, x = tree_and_rows(rng)
    sampler = {
        "none": None,
        "uniform": Uniform(LABELS),
        "unigram": Unigram(rng.random(LABELS)),
        "tree": tree,
    }[kind]
    layer = CorrectedClassifier(classifier(), sampler)
    table = layer.classifier.table.numpy()
    expected = x @ table[:, :-1].T + table[:, -1]
    if sampler is not None:
        expected = expected + sampler.law(x)
    np.testing.assert_allclose(layer(x), expected, atol=1e-4)
    odds = np.exp(expected - expected.max(axis=1, keepdims=True))
    np.testing.assert_allclose(
        np.exp(layer.log_probs(x)),
        odds / odds.sum(axis=1, keepdims=True),
        atol=1e-5,
    )


def test_shortlists(rng):
    tree, x = tree_and_rows(rng)
    known, x = classifier(), x[:50]
    exact = CorrectedClassifier(known, tree)
    scores, ids = exact.top_k(x, 5)
    whole = CorrectedClassifier(known, tree, shortlist=LABELS)
    found_scores, found = whole.top_k(x, 5)
    np.testing.assert_array_equal(found, ids)
    np.testing.assert_allclose(found_scores, scores, atol=1e-4)
    few = CorrectedClassifier(known, tree, shortlist=12)
    log_q, listed = (np.asarray(part) for part in tree.likeliest(x, 12))
    law = tree.law(x)
    np.testing.assert_allclose(
        log_q, np.take_along_axis(law, listed, axis=1), atol=1e-4
    )
    assert (np.diff(log_q) <= 0).all()
    assert all(len(set(row)) == 12 for row in listed.tolist())
    of_few = np.array(exact(x))
    hidden = np.ones(of_few.shape, bool)
    np.put_along_axis(hidden, listed, False, axis=1)
    of_few[hidden] = -np.inf
    np.testing.assert_array_equal(
        few.top_k(x, 5)[1], np.argsort(-of_few, axis=1)[:, :5]
    )
    best = np.argsort(-law, axis=1)[:, :3]
    kept = [np.isin(*pair) for pair in zip(best, listed, strict=True)]
    kept = np.mean(kept)
    assert kept > 0.95


def test_shortlists_need_a_tree():
    with pytest.raises(ValueError, match=r"`shortlist` must be 0.*: 3"):
        CorrectedClassifier(classifier(), Uniform(LABELS), shortlist=3)
    with pytest.raises(ValueError, match=r"`shortlist` must be 0.*: 3"):
        CorrectedClassifier(classifier(), shortlist=3)
