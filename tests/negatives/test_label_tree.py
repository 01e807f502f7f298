"""Invariants of the fit of a label tree:

- each half of a round makes every node's rows more likely, or no less;
- a regression is the one that scikit-learn finds, and its gradient is zero;
- labels are in halves, to one label, whether they have rows or not;
- no split of few labels is better than the one that an enumeration finds, of
  which the alternation reaches most;
- a row of weight 2 is two rows;
- first components are those of NumPy's singular value decomposition, with more
  vectors than dimensions or fewer.
"""

import itertools

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from tfxc.negatives.label_tree import first_components, fit_label_tree

REGULARIZER = 0.1


def rows_of(labels=24, rows=600, dim=4, seed=0):
    """Features in a cluster for each label, and the labels."""
    rng = np.random.default_rng(seed)
    chosen = rng.choice(labels, rows, p=rng.dirichlet(np.ones(labels)))
    centres = rng.normal(size=(labels, dim))
    return centres[chosen] + rng.normal(size=(rows, dim)), chosen


def leaves_under(tree, level, node):
    """Whether each label is below a node of a level: `[L]` bool."""
    depth = len(tree.biases).bit_length() - 1
    return tree.positions >> (depth - level) == node


def likelihood(theta, features, right):
    """L_v, as the paper has it."""
    scores = features @ theta[:-1] + theta[-1]
    terms = -np.logaddexp(0, -np.where(right, scores, -scores))
    return terms.sum() - REGULARIZER * (theta**2).sum()


def fitted(features, right):
    """The regression of scikit-learn, and its likelihood."""
    rows = np.append(features, np.ones((len(features), 1)), axis=1)
    model = LogisticRegression(
        C=1 / (2 * REGULARIZER), fit_intercept=False, tol=1e-10, max_iter=1000
    )
    theta = model.fit(rows, right).coef_[0]
    return theta, likelihood(theta, features, right)


def test_no_half_of_a_round_loses():
    features, labels = rows_of()
    found = []
    fit_label_tree(features, labels, 24, log_likelihoods=found)
    levels = {}
    for values in found:
        levels.setdefault(len(values), []).append(values)
    assert [*levels] == [1, 2, 4, 8, 16]
    assert max(map(len, levels.values())) > 3, "no label ever moved"
    for values in levels.values():
        assert (np.diff(values, axis=0) >= -1e-6).all()


def test_regressions_are_those_of_scikit_learn():
    features, labels = rows_of()
    tree = fit_label_tree(features, labels, 24, tolerance=1e-8)
    compared = 0
    for level, node in [(0, 0), (1, 0), (1, 1), (2, 3), (3, 1)]:
        of_node = leaves_under(tree, level, node)[labels]
        right = leaves_under(tree, level + 1, 2 * node + 1)[labels[of_node]]
        theta = np.append(
            tree.weights[2**level + node], tree.biases[2**level + node]
        )
        expected, _ = fitted(features[of_node], right)
        np.testing.assert_allclose(theta, expected, atol=1e-4)
        rows = np.append(features, np.ones((len(features), 1)), axis=1)[of_node]
        # In float64 the gradient is zero to 1e-7; nodes are kept in float32.
        slopes = right - 1 / (1 + np.exp(-rows @ theta))
        gradient = slopes @ rows - 2 * REGULARIZER * theta
        assert np.abs(gradient).max() < 1e-4
        compared += np.abs(theta).max() > 0.1
    assert compared > 3


def test_tolerance_bounds_what_is_lost():
    features, labels = rows_of()
    found = {0.1: [], 1e-8: []}
    for tolerance, likelihoods in found.items():
        fit_label_tree(
            *(features, labels, 24),
            **{"max_rounds": 0, "tolerance": tolerance},
            log_likelihoods=likelihoods,
        )
    by_default, exact = map(np.concatenate, found.values())
    assert (by_default <= exact + 1e-6).all()
    assert 1e-6 < np.max(exact - by_default) < 0.1


@pytest.mark.parametrize("labels", [1, 2, 3, 5, 7, 24, 64, 100])
def test_labels_are_in_halves(labels):
    features, chosen = rows_of(labels=max(labels // 2, 1), rows=50)
    tree = fit_label_tree(features, chosen, labels)
    depth = len(tree.biases).bit_length() - 1
    assert 2**depth >= labels > 2**depth / 2
    assert len({*tree.positions.tolist()}) == labels
    for level in range(depth + 1):
        counts = np.bincount(
            tree.positions >> (depth - level), minlength=2**level
        )
        assert counts.max() - counts.min() <= 1


def likelihood_of_root(features, labels, max_rounds):
    found = []
    fit_label_tree(
        *(features, labels, labels.max() + 1),
        **{"max_rounds": max_rounds, "tolerance": 1e-6},
        log_likelihoods=found,
    )
    return [values[0] for values in found if len(values) == 1][-1]


@pytest.mark.parametrize("seed", range(4))
def test_near_the_best_split(seed):
    features, labels = rows_of(labels=6, rows=120, dim=3, seed=seed)
    best = -np.inf
    for side in itertools.combinations(range(6), 3):
        right = np.isin(labels, side)
        best = max(best, fitted(features, right)[1])
    published, alternated = (
        likelihood_of_root(features, labels, rounds) for rounds in (0, 10)
    )
    assert published <= alternated + 1e-6
    assert alternated <= best + 1e-6
    apart = len(labels) * np.log(2)  # what telling nothing costs
    assert best - alternated < 0.3 * (best + apart)


@pytest.mark.parametrize("dim", [2, 9])
def test_first_components(dim):
    rng = np.random.default_rng(0)
    vectors, bounds = rng.normal(size=(11, dim)), np.array([0, 4, 8, 8, 11])
    vectors[4:8] = 1.0
    found = first_components(vectors, bounds)
    for start, end, component in [(0, 4, found[0]), (8, 11, found[3])]:
        part = vectors[start:end] - vectors[start:end].mean(axis=0)
        expected = np.linalg.svd(part)[2][0]
        assert abs(component @ expected) == pytest.approx(1)
        assert np.linalg.norm(component) == pytest.approx(1)
    assert np.isfinite(found).all(), "also of no vector, or of equal ones"


def test_weights_are_repeated_rows():
    features, labels = rows_of(labels=9, rows=80)
    twice = np.arange(80) % 3 == 0
    weighted = fit_label_tree(features, labels, 9, row_weights=1.0 + twice)
    repeated = fit_label_tree(
        np.concatenate([features, features[twice]]),
        np.concatenate([labels, labels[twice]]),
        9,
    )
    np.testing.assert_array_equal(weighted.positions, repeated.positions)
    np.testing.assert_allclose(weighted.weights, repeated.weights, atol=1e-5)
    np.testing.assert_allclose(weighted.biases, repeated.biases, atol=1e-5)


def test_labels_without_rows_are_told_by_nothing():
    features, labels = rows_of(labels=4, rows=40)
    tree = fit_label_tree(features, labels, 64)
    assert np.isfinite(tree.weights).all() and np.isfinite(tree.biases).all()
    empty = np.abs(tree.weights).max(axis=1) == 0
    assert empty.sum() > 40


def test_a_level_without_a_row_to_split():
    """The only label with rows is alone in its half of three."""
    features, _ = rows_of(rows=9)
    tree = fit_label_tree(abs(features), np.full(9, 1), 3)
    np.testing.assert_array_equal(tree.positions >> 1, [0, 1, 0])
    assert (tree.weights[2:] == 0).all() and np.abs(tree.weights[1]).max() > 0
