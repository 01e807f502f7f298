"""Rows with a label each, in the order in which a tree has its labels."""

from typing import NamedTuple

import numpy as np

LEAST_ROWS, MOST_ROWS = 8, 256  # of a block


class Rows(NamedTuple):
    """Rows in the order of their labels.

    Attributes:
        features: `[N, k + 1]`, float; the last is 1.
        weights: `[N]`, of the same dtype.
        bounds: `[L + 1]`; the rows of label y are `bounds[y] : bounds[y + 1]`.
        sums: `[L, k + 1]`, float64; the weighted sum of each label's rows.
    """

    features: np.ndarray
    weights: np.ndarray
    bounds: np.ndarray
    sums: np.ndarray

    @classmethod
    def of(cls, features, labels, num_labels, weights=None):
        labels = np.asarray(labels)
        order = np.argsort(labels, kind="stable")
        bounds = np.searchsorted(labels[order], np.arange(num_labels + 1))
        found = np.ones((len(labels), features.shape[1] + 1), features.dtype)
        found[:, :-1] = features[order]
        weights = (
            np.ones(len(labels), found.dtype)
            if weights is None
            else np.asarray(weights, found.dtype)[order]
        )
        sums = segment_sums(found * weights[:, None], bounds)
        return cls(found, weights, bounds, sums)


def segment_sums(values, bounds):
    """The sums of `values[bounds[i] : bounds[i + 1]]`: `[n, ...]`, float64."""
    filled = np.diff(bounds) > 0
    sums = np.zeros((len(filled), *values.shape[1:]))
    if filled.any():
        starts = bounds[:-1][filled]
        sums[filled] = np.add.reduceat(values, starts, dtype=np.float64)
    return sums


class Blocks(NamedTuple):
    """The rows of a level, in blocks of rows of the same node.

    Padding has the weight 0.

    Attributes:
        features: `[B, r, k + 1]`, float.
        weights: `[B, r]`, of the same dtype.
        labels: `[B, r]`, int; where in the order of the labels each row's is.
        node: `[B]`; of the nodes with rows, which are in order.
        bounds: `[nodes + 1]`; the blocks of each node.
    """

    features: np.ndarray
    weights: np.ndarray
    labels: np.ndarray
    node: np.ndarray
    bounds: np.ndarray

    @classmethod
    def of(cls, rows, order, bounds):
        counts = np.diff(rows.bounds)[order]
        ends = np.cumsum(np.append(0, counts))
        taken = np.arange(ends[-1]) + np.repeat(
            rows.bounds[order] - ends[:-1], counts
        )  # the rows, as the labels stand
        label = np.repeat(np.arange(len(order)), counts)
        of_node = np.diff(ends[bounds])
        size = int(2 ** np.ceil(np.log2(max(of_node.mean() / 2, 1))))
        size = min(max(size, LEAST_ROWS), MOST_ROWS)
        blocks = -(-of_node // size)
        starts = np.cumsum(np.append(0, blocks))
        place = np.arange(ends[-1]) + np.repeat(
            starts[:-1] * size - ends[bounds[:-1]], of_node
        )
        shape = (starts[-1], size)
        dtype = rows.features.dtype
        features = np.zeros((starts[-1] * size, rows.features.shape[1]), dtype)
        features[place] = rows.features[taken]
        weights = np.zeros(starts[-1] * size, dtype)
        weights[place] = rows.weights[taken]
        labels = np.zeros(starts[-1] * size, np.int64)
        labels[place] = label
        return cls(
            features.reshape(*shape, -1),
            weights.reshape(shape),
            labels.reshape(shape),
            np.repeat(np.arange(len(blocks)), blocks),
            starts,
        )

    def of_nodes(self, chosen):
        """Those of some nodes, `[nodes]` bool; the others have none then."""
        kept = chosen[self.node]
        counts = np.where(chosen, np.diff(self.bounds), 0)
        return Blocks(
            *(part[kept] for part in self[:4]),
            np.cumsum(np.append(0, counts)),
        )
