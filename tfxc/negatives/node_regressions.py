"""Logistic regressions of many nodes of a tree at once."""

import numpy as np
from scipy.special import expit

from tfxc.negatives.label_rows import segment_sums

CHUNK_BYTES = 2**25  # of weighted rows at a time


def scores_of(blocks, theta):
    """w . z + b of each row: `[B, r]`."""
    theta = theta[blocks.node].astype(blocks.features.dtype)
    return np.matmul(blocks.features, theta[:, :, None])[:, :, 0]


def signs_of(blocks, right):
    """1 for rows that go right, else -1: `[B, r]`."""
    return np.where(right[blocks.labels], 1, -1).astype(blocks.features.dtype)


def likelihoods(blocks, signs, scores, theta, regularizer):
    """L_v of each node: `[nodes]`."""
    terms = -blocks.weights * np.logaddexp(0, -signs * scores)
    sums = segment_sums(terms.sum(axis=1), blocks.bounds)
    return sums - regularizer * np.vecdot(theta, theta)


def objective(blocks, right, theta, regularizer):
    """L_v of each node, given which labels go right: `[nodes]`."""
    signs, scores = signs_of(blocks, right), scores_of(blocks, theta)
    return likelihoods(blocks, signs, scores, theta, regularizer)


def fit_regressions(
    blocks, right, theta, active, regularizer, tolerance=1e-4, max_steps=100
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
        gradient, hessian = derivatives(blocks, signs, scores)
        gradient -= 2 * regularizer * theta
        if active[blocks.node].mean() < 0.5:
            kept = active[blocks.node]
            signs, scores = signs[kept], scores[kept]
            blocks = blocks.of_nodes(active)
        step = np.zeros_like(theta)
        ridge = 2 * regularizer * np.eye(theta.shape[1])
        step[active] = np.linalg.solve(
            hessian[active] + ridge, gradient[active][:, :, None]
        )[:, :, 0]
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
    """The gradient of the likelihood, and its curvature.

    Returns:
        `([nodes, k + 1], [nodes, k + 1, k + 1])`.
    """
    # What is lacking to certainty, below zero for a row that goes left.
    error = signs * expit(-signs * scores)
    curvature = blocks.weights * np.abs(error) * (1 - np.abs(error))
    slopes = (blocks.weights * error)[:, None]
    gradient = np.matmul(slopes, blocks.features)[:, 0]
    dim = gradient.shape[1]
    hessian = np.empty((len(scores), dim, dim), blocks.features.dtype)
    of_block = dim * scores.shape[1] * hessian.itemsize
    chunk = max(CHUNK_BYTES // of_block, 1)
    for start in range(0, len(scores), chunk):
        part = slice(start, start + chunk)
        features = blocks.features[part]
        weighted = features * curvature[part, :, None]
        np.matmul(weighted.transpose(0, 2, 1), features, out=hessian[part])
    bounds = blocks.bounds
    return segment_sums(gradient, bounds), segment_sums(hessian, bounds)
