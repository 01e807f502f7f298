"""A binary tree over labels that is fitted to say which label a query has."""

from typing import NamedTuple

import numpy as np

from tfxc.negatives.label_rows import Blocks, Rows
from tfxc.negatives.node_regressions import fit_regressions, objective

NEVER = 200.0  # a score of which the sigmoid is 0 or 1 in float32


class LabelTree(NamedTuple):
    """A balanced binary tree with a logistic regression in each node.

    Node 1 is the root, and 2 v and 2 v + 1 are below node v, so that the leaf
    of a label, `2^D + position`, tells the path to it by its bits. A query z
    goes right at v with the probability `sigmoid(w_v . z + b_v)`.

    Attributes:
        weights: `[2^D, k]`, float32; w of each node, and zeros for node 0.
        biases: `[2^D]`, float32.
        positions: `[L]`, int32; the leaf of each label, from 0.
    """

    weights: np.ndarray
    biases: np.ndarray
    positions: np.ndarray


def fit_label_tree(
    features,
    labels,
    num_labels,
    row_weights=None,
    regularizer=0.1,
    max_rounds=10,
    tolerance=0.1,
    log_likelihoods=None,
):
    """Fits the tree to rows of one label each, from the root down.

    The labels of a node are split in halves, and a regression is fitted to tell
    the halves, in turn, while that makes the rows of the node more likely:

    ```
    L_v     = sum of log sigmoid(zeta_y (w . z + b)) - r (|w|^2 + b^2)
    Delta_y = sum over rows z of label y of (w . z + b)
    ```

    Given the regression, L_v is highest if the half of the highest Delta_y goes
    right (zeta = 1). The first halves are those by the first principal
    component of the sums of each label's rows. All nodes of a level are fitted
    at once.

    Args:
        features: `[N, k]`, float; few and of like scale, see `whitening`.
            Regressions are fitted in their dtype.
        labels: `[N]`, int.
        num_labels: Number of labels L, also those without a row.
        row_weights: `[N]`, float; 1 if left out.
        regularizer: r.
        max_rounds: How often labels may be split anew; 0 is what the authors'
            published program does.
        tolerance: Gain of L_v, in nats over all rows of a node, for less than
            which no further step of Newton's method is made.
        log_likelihoods: List that takes the `[nodes]` objectives L_v of each
            level after each half of a round.

    Returns:
        `LabelTree`.

    Reference:
        [Bamler and Mandt, 2020](https://arxiv.org/abs/2002.06298), 2.2
    """
    rows = Rows.of(features, labels, num_labels, row_weights)
    tree = blank_tree(num_labels, rows.features.shape[1] - 1)
    order = np.arange(num_labels)  # labels as they stand in the leaves
    for level, bounds in enumerate(level_bounds(num_labels)[:-1]):
        theta, order = fit_level(
            *(rows, order, bounds),
            *(regularizer, max_rounds, tolerance, log_likelihoods),
        )
        nodes = slice(2**level, 2 ** (level + 1))
        tree.weights[nodes] = theta[:, :-1]
        tree.biases[nodes] += theta[:, -1]
    positions = np.empty_like(tree.positions)
    positions[order] = tree.positions
    return tree._replace(positions=positions)


def blank_tree(num_labels, dim):
    """A tree that knows nothing, in which halves are as likely: `LabelTree`."""
    *levels, leaves = level_bounds(num_labels)
    # Where there is one label, it is to the left.
    biases = [np.where(np.diff(bounds) < 2, -NEVER, 0) for bounds in levels]
    biases = np.concatenate([[0], *biases]).astype(np.float32)
    positions = np.repeat(np.arange(len(biases)), np.diff(leaves))
    weights = np.zeros((len(biases), dim), np.float32)
    return LabelTree(weights, biases, positions.astype(np.int32))


def level_bounds(num_labels):
    """Where the labels of each node begin and end, level by level.

    Returns:
        `[[2^l + 1] int array]`, for the levels l from the root to the leaves;
        a half that is larger by one is the left.
    """
    levels = [np.array([0, num_labels])]
    for _ in range(int(num_labels - 1).bit_length()):
        bounds = levels[-1]
        halves = np.stack([bounds[:-1], middles_of(bounds)], axis=1)
        levels.append(np.append(halves.ravel(), bounds[-1]))
    return levels


def middles_of(bounds):
    """Where the labels that go right begin, of each node: `[nodes]`."""
    return bounds[:-1] + (np.diff(bounds) + 1) // 2


def fit_level(
    rows, order, bounds, regularizer, max_rounds, tolerance, log=None
):
    """Splits the labels of each node of a level.

    Args:
        rows: `Rows`.
        order: `[L]`; the labels, those of a node together.
        bounds: `[nodes + 1]`; of the labels of each node.

    Returns:
        `(theta [nodes, k + 1], order [L])`: the regressions, zeros where there
        is one label or none, and the labels with those that go right behind the
        others of their node.
    """
    nodes = len(bounds) - 1
    node = np.repeat(np.arange(nodes), np.diff(bounds))
    middles = middles_of(bounds)
    sums = rows.sums[order]
    first = first_components(sums[:, :-1], bounds)
    scores = np.vecdot(sums[:, :-1], first[node])
    right = upper_half(scores, order, node, middles)
    blocks = Blocks.of(rows, order, bounds)
    theta = np.zeros((nodes, rows.features.shape[1]))
    active = np.diff(bounds) > 1
    for step in range(max_rounds + 1):
        theta = fit_regressions(
            blocks, right, theta, active, regularizer, tolerance
        )
        if log is not None:
            log.append(objective(blocks, right, theta, regularizer))
        if step == max_rounds:
            break
        scores = np.vecdot(sums, theta[node])
        again = upper_half(scores, order, node, middles)
        again = np.where(active[node], again, right)
        changed = np.zeros(nodes, bool)
        changed[node[again != right]] = True
        right, active = again, active & changed
        if log is not None:
            log.append(objective(blocks, right, theta, regularizer))
        if not active.any():
            break
    return theta, order[np.lexsort((right, node))]


def upper_half(scores, labels, node, middles):
    """Which labels have the highest scores of their node: `[L]` bool.

    Of equal scores, those of the highest ids.
    """
    rank = np.empty(len(scores), np.int64)
    rank[np.lexsort((labels, scores, node))] = np.arange(len(scores))
    return rank >= middles[node]


def first_components(vectors, bounds):
    """The first principal component of each segment's vectors: `[n, k]`.

    Segments are of about the same length. Where vectors of a segment do not
    differ, it is of no meaning, and may be 0.
    """
    counts = np.diff(bounds)
    place = bounds[:-1, None] + np.arange(max(counts.max(), 1))
    inside = (place < bounds[1:, None])[:, :, None]
    parts = vectors[np.minimum(place, len(vectors) - 1)] * inside
    counts = np.maximum(counts, 1)[:, None]
    parts = (parts - parts.sum(axis=1)[:, None] / counts[:, None]) * inside
    turned = parts.transpose(0, 2, 1)
    if parts.shape[1] < parts.shape[2]:  # by fewer products of vectors
        shares = np.linalg.eigh(np.matmul(parts, turned))[1][:, :, -1:]
        component = np.matmul(turned, shares)[:, :, 0]
    else:
        component = np.linalg.eigh(np.matmul(turned, parts))[1][:, :, -1]
    size = np.linalg.norm(component, axis=1, keepdims=True)
    component /= np.maximum(size, np.finfo(component.dtype).tiny)
    largest = np.abs(component).argmax(axis=1)[:, None]
    return component * np.sign(np.take_along_axis(component, largest, axis=1))
