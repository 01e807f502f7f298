"""Invariants of the tree over scores:

- it answers as the scikit-learn tree that it was made of;
- it learns what only a combination of scores tells; pairs without a label are
  left out; a single class is no error.
"""

import numpy as np
import pytest
from sklearn.tree import DecisionTreeClassifier

from tfxc.search import ScoreTree


@pytest.fixture
def case(rng):
    features = [rng.normal(size=(200, 12)).astype(np.float32) for _ in range(3)]
    ids = rng.integers(-1, 40, (200, 12))
    weights = rng.random(40).astype(np.float32)
    rare = weights[np.maximum(ids, 0)] > 0.5
    relevant = np.where(rare, features[0] > 0, features[1] > 0.5)
    return features, ids, relevant & (ids >= 0), weights


def test_equals_scikit_learn(case, rng):
    features, ids, relevant, weights = case
    tree = ScoreTree.fit(features, ids, relevant, weights, seed=3)
    used = ids >= 0
    table = np.stack([*features, weights[np.maximum(ids, 0)]], axis=-1)
    oracle = DecisionTreeClassifier(
        max_depth=7, min_samples_leaf=50, random_state=3
    ).fit(table[used], relevant[used])
    assert oracle.get_depth() > 2
    fresh = [rng.normal(size=(5, 12)).astype(np.float32) for _ in range(3)]
    for some, few in ((features, ids), (fresh, np.abs(ids[:5]))):
        table = np.stack([*some, weights[np.maximum(few, 0)]], axis=-1)
        expected = oracle.predict_proba(table.reshape(-1, 4))[:, 1]
        found = tree(some, few)
        assert found.dtype == np.float32
        np.testing.assert_allclose(found.ravel(), expected, rtol=1e-6)


def test_learns_from_a_combination(case):
    features, ids, relevant, weights = case
    shares = ScoreTree.fit(features, ids, relevant, weights)(features, ids)
    used = ids >= 0
    right = (shares > 0.5)[used] == relevant[used]
    assert right.mean() > 0.95


@pytest.mark.parametrize("truth", [False, True])
def test_a_single_class(case, truth):
    features, ids, _, weights = case
    relevant = np.full(ids.shape, truth)
    tree = ScoreTree.fit(features, ids, relevant, weights)
    assert (tree(features, ids) == truth).all()
