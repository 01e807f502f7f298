"""Logistic regressions of many nodes of a tree at once."""

import numpy as np
from scipy.special import expit

from tfxc.negatives.label_rows import segment_sums

PRECISION = 0.1  # of a step of Newton's method, by the gradient


def scores_of(blocks, theta):
    """w . z + b of each row: `[B, r]`."""
    theta = theta[blocks.node].astype(blocks.features.dtype)
    return np.matmul(blocks.features, theta[:, :, None])[:, :, 0]


def signs_of(blocks, right):
    """1 for rows that go right, else -1: `[B, r]`."""
    return np.where(right[blocks.labels], 1, -1).astype(blocks.features.dtype)


def likelihoods(blocks, signs, scores, theta, regularizer):
    """L_v of each node: `[nodes]`."""
    margins = signs * scores
    # NumPy's `logaddexp` takes ten times as long.
    losses = np.log1p(np.exp(-np.abs(margins))) - np.minimum(margins, 0)
    terms = -blocks.weights * losses
    sums = segment_sums(terms.sum(axis=1), blocks.bounds)
    return sums - regularizer * np.vecdot(theta, theta)


def objective(blocks, right, theta, regularizer):
    """L_v of each node, given which labels go right: `[nodes]`."""
    signs, scores = signs_of(blocks, right), scores_of(blocks, theta)
    return likelihoods(blocks, signs, scores, theta, regularizer)


def fit_regressions(
    blocks, right, theta, active, regularizer, tolerance, max_steps=100
):
    """Newton's method for the nodes that are active: `[nodes, k + 1]`.

    A step that would not raise L_v enough is halved. The last step of a node is
    the one of which less than `tolerance` was expected, twice what is gained
    where L_v is a parabola.
    """
    theta, active = theta.copy(), active & (np.diff(blocks.bounds) > 0)
    blocks = blocks.of_nodes(active)
    signs, scores = signs_of(blocks, right), scores_of(blocks, theta)
    value = likelihoods(blocks, signs, scores, theta, regularizer)
    for _ in range(max_steps):
        if not active.any():
            break
        gradient, curvature = derivatives(blocks, signs, scores)
        gradient -= 2 * regularizer * theta
        if active[blocks.node].mean() < 0.5:
            kept = active[blocks.node]
            signs, curvature = signs[kept], curvature[kept]
            blocks = blocks.of_nodes(active)
        step = newton_steps(
            blocks,
            curvature,
            np.where(active[:, None], gradient, 0),
            regularizer,
        )
        gain, length = np.vecdot(step, gradient), np.ones(len(theta))
        slack = 1e-9 + np.finfo(blocks.features.dtype).eps * np.abs(value)
        for _ in range(30):
            tried = theta + length[:, None] * step
            scores = scores_of(blocks, tried)
            found = likelihoods(blocks, signs, scores, tried, regularizer)
            short = active & ~(found >= value + 1e-4 * length * gain - slack)
            if not short.any():
                break
            length[short] /= 2
        theta = np.where(active[:, None], tried, theta)
        value = np.where(active, found, value)
        active &= gain > tolerance
    return theta


def derivatives(blocks, signs, scores):
    """The gradient of the likelihood, and the curvature at each row.

    Returns:
        `([nodes, k + 1], [B, r])`.
    """
    # What is lacking to certainty, below zero for a row that goes left.
    error = signs * expit(-signs * scores)
    curvature = blocks.weights * np.abs(error) * (1 - np.abs(error))
    return weighted_sums(blocks, blocks.weights * error), curvature


def weighted_sums(blocks, weights):
    """The sum of each node's rows, by weights `[B, r]`: `[nodes, k + 1]`."""
    sums = np.matmul(weights[:, None], blocks.features)[:, 0]
    return segment_sums(sums, blocks.bounds)


def newton_steps(blocks, curvature, gradient, regularizer):
    """What solves `(X^T C X + 2 r) step = gradient` in each node.

    By conjugate gradients, of all nodes at once, so that no node needs a matrix
    of its own. Features are of like scale: few products are enough, and the
    next step makes good what this one lacks.

    Args:
        curvature: `[B, r]`; C.
        gradient: `[nodes, k + 1]`; 0 where no step is to be made.
    """
    steps, residual = np.zeros_like(gradient), gradient.copy()
    direction = gradient
    left = np.vecdot(residual, residual)
    enough = PRECISION**2 * left
    for _ in range(gradient.shape[1]):
        going = left > enough
        if not going.any():
            break
        scores = scores_of(blocks, direction)
        product = weighted_sums(blocks, curvature * scores)
        product += 2 * regularizer * direction
        bent = np.vecdot(direction, product)
        length = np.where(going, left / np.where(going, bent, 1), 0)[:, None]
        steps += length * direction
        residual -= length * product
        before, left = left, np.vecdot(residual, residual)
        turned = np.where(going, left / np.where(going, before, 1), 0)
        direction = residual + turned[:, None] * direction
    return steps
