"""Invariants of the regressions of a tree's nodes:

- a step solves the equations of Newton's method, in each node by itself, and is
  0 where the gradient is;
- a fit is that of each node alone, and where there is nothing to fit, 0.
"""

import numpy as np

from tfxc.negatives import node_regressions
from tfxc.negatives.label_rows import Blocks, Rows
from tfxc.negatives.node_regressions import (
    derivatives,
    fit_regressions,
    newton_steps,
    scores_of,
    signs_of,
)

LABELS, DIM, RIDGE, TOLERANCE = 12, 5, 0.3, 1e-6
BOUNDS = np.array([0, 3, 6, 9, 12])  # of the labels of four nodes


def blocks_and_sides(bounds=BOUNDS):
    """Rows of all labels but those of the third node."""
    rng = np.random.default_rng(0)
    labels = rng.choice([0, 1, 2, 3, 4, 5, 9, 10, 11], 300)
    rows = Rows.of(
        rng.normal(size=(300, DIM)), labels, LABELS, rng.random(300) + 0.5
    )
    right = np.arange(LABELS) % 3 == 2
    return Blocks.of(rows, np.arange(LABELS), bounds), right


def test_steps_solve_the_equations(monkeypatch):
    monkeypatch.setattr(node_regressions, "PRECISION", 1e-6)
    blocks, right = blocks_and_sides()
    theta = np.random.default_rng(1).normal(size=(4, DIM + 1))
    scores = scores_of(blocks, theta)
    gradient, curvature = derivatives(blocks, signs_of(blocks, right), scores)
    gradient[1] = 0
    steps = newton_steps(blocks, curvature, gradient, RIDGE)
    for node in range(4):
        own = blocks.node == node
        x = blocks.features[own].reshape(-1, DIM + 1)
        matrix = (x.T * curvature[own].ravel()) @ x
        matrix += 2 * RIDGE * np.eye(DIM + 1)
        left = gradient[node] - matrix @ steps[node]
        assert np.linalg.norm(left) <= 1e-5 * np.linalg.norm(gradient[node])
    assert not steps[1].any()


def test_each_node_by_itself():
    blocks, right = blocks_and_sides()
    start, active = np.zeros((4, DIM + 1)), np.array([True, True, True, False])
    found = fit_regressions(blocks, right, start, active, RIDGE, TOLERANCE)
    assert not found[2:].any(), "without rows, or not active"
    assert found[:2].any(axis=1).all()
    for node in range(2):
        bounds = np.array([*BOUNDS[node : node + 2], LABELS])
        own, _ = blocks_and_sides(np.append(np.zeros(1, int), bounds))
        alone = fit_regressions(
            *(own, right, np.zeros((3, DIM + 1))),
            *(np.array([False, True, False]), RIDGE, TOLERANCE),
        )
        np.testing.assert_allclose(alone[1], found[node], atol=1e-3)
