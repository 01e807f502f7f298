"""Invariants of the law of a chain:

- it is that of the matrix of its moves, ties and labels without P included;
- its sum stays 1, and it tends to P.
"""

import numpy as np
import pytest

from tfxc.negatives.chains import chain_law


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
