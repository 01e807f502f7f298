"""Invariants of chains:

- they go as a loop would, draw by draw, and end with P by the Z of all draws;
- the law of their end is that of the matrix of moves, ties and labels without P
  included;
- its sum stays 1, and it tends to P.
"""

import numpy as np
import pytest

from tfxc.negatives.chains import acceptance, chain_law, end_of_chains


def test_ends_by_loops(rng):
    rows, steps, num = 3, 4, 2
    shape = (rows, (steps + 1) * num)
    ids = rng.integers(0, 50, shape).astype(np.int32)
    score, log_q = (rng.normal(size=(2, *shape)) * 2).astype(np.float32)
    coins = rng.random(shape).astype(np.float32)
    found, log_p = end_of_chains(ids, score, log_q, coins, num)
    accepted = 0
    for row in range(rows):
        weights = np.exp(np.float64(score[row]) - log_q[row])
        for chain in range(num):
            draws = list(range(chain, shape[1], num))
            now = draws[0]
            for new in draws[1:]:
                if coins[row, new] < weights[new] / weights[now]:
                    now, accepted = new, accepted + 1
            assert found[row, chain] == ids[row, now]
            expected = score[row, now] - np.log(weights.mean())
            np.testing.assert_allclose(log_p[row, chain], expected, rtol=1e-5)
    assert 0 < accepted < rows * steps * num


def moves(p, q):
    """The matrix of an independent chain: `[L, L]`."""
    ratio = p / q
    found = q[None] * np.minimum(1, ratio[None] / ratio[:, None])
    np.fill_diagonal(found, 0)
    np.fill_diagonal(found, 1 - found.sum(axis=1))
    return found


@pytest.mark.parametrize("labels", [1, 2, 7, 40])
@pytest.mark.parametrize("steps", [0, 1, 5])
def test_powers_of_the_matrix(rng, labels, steps):
    p, q = rng.dirichlet(np.ones(labels), 2)
    q[labels // 2 :] = p[labels // 2 :]  # with ties
    q /= q.sum()
    expected = q @ np.linalg.matrix_power(moves(p, q), steps)
    found = np.exp(chain_law(np.log(p) + 3, np.log(q), steps))
    np.testing.assert_allclose(found, expected, atol=1e-12)


@pytest.mark.parametrize("labels", [2, 40])
def test_p_stays(rng, labels):
    p, q = rng.dirichlet(np.ones(labels), 2)
    found = np.exp(chain_law(np.log(p), np.log(q), 4000))
    np.testing.assert_allclose(found, p, atol=1e-7)
    found = np.exp(chain_law(np.log(p), np.log(p), 3))  # all are accepted
    np.testing.assert_allclose(found, p, atol=1e-12)


def test_rows_are_apart(rng):
    p, q = np.log(rng.dirichlet(np.ones(9), (2, 4)))
    found = chain_law(p, q, 2)
    for row in range(4):
        np.testing.assert_allclose(found[row], chain_law(p[row], q[row], 2))


def test_labels_that_p_excludes(rng):
    q = rng.dirichlet(np.ones(9))
    p = np.where(np.arange(9) < 4, 0, q)
    with np.errstate(divide="ignore"):
        found = np.exp(chain_law(np.log(p), np.log(q), 60))
    np.testing.assert_allclose(found, p / p.sum(), atol=1e-6)


@pytest.mark.parametrize("known", [1.0, 0.6])
def test_acceptance_by_enumeration(rng, known):
    p, q = rng.dirichlet(np.ones(30), (2, 3))
    q[0, :15] = p[0, :15]  # with ties
    q[rng.random(q.shape) > known] = 0
    q /= q.sum(axis=1, keepdims=True)
    with np.errstate(divide="ignore"):
        found = acceptance(np.log(p), np.log(q))
    for row in range(3):
        there = np.outer(p[row], q[row])
        expected = np.minimum(there, there.T).sum()
        np.testing.assert_allclose(found[row], expected)
