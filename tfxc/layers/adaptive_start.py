"""Where an adaptive softmax starts, if labels have vectors already."""

import numpy as np
from scipy.special import logsumexp

BLOCK_SCORES = 2**25  # scores of a tail held at once


def start_adaptive_softmax(layer, label_vectors, queries):
    """Starts an adaptive softmax near the full one of some label vectors.

    The head takes the vectors of its labels. A tail takes those of its labels
    too, by as many of their principal directions as it has dimensions. What
    stands for a tail in the head is linear, and should be the logarithm of the
    sum of `exp(score)` over the tail: it gets the least squares over some
    queries.

    Args:
        layer: `AdaptiveSoftmax`.
        label_vectors: `[L, d]`, float; whose inner products with a query are
            the scores of the full softmax.
        queries: `[n, d]`, float; some thousand will do.

    Raises:
        ValueError: if the shapes do not fit.
    """
    label_vectors = np.asarray(label_vectors, np.float32)
    queries = np.asarray(queries, np.float32)
    size = label_vectors.shape
    if len(size) != 2 or size[0] != layer.num_labels:
        raise ValueError(
            f"`label_vectors` must be [{layer.num_labels}, d]. Received: {size}"
        )
    if queries.ndim != 2 or queries.shape[1] != size[1] or not len(queries):
        raise ValueError(
            f"`queries` must be [n, {size[1]}]. Received: {queries.shape}"
        )
    if not layer.built:
        layer.build(queries.shape)
    if layer.order is not None:
        label_vectors = label_vectors[np.asarray(layer.order)]
    seen = queries
    if layer.bias is not None:
        seen = np.pad(queries, ((0, 0), (0, 1)), constant_values=1.0)
    tokens = []
    for tail, (start, end) in enumerate(layer.ranges):
        block = label_vectors[start:end]
        _, directions = np.linalg.eigh(block.T @ block)
        inner = layer.projections[tail].shape[1]
        projection = directions[:, ::-1][:, :inner]
        layer.projections[tail].assign(projection)
        layer.tables[tail].assign((block @ projection).T)
        totals = log_totals(queries, block)
        tokens.append(np.linalg.lstsq(seen, totals, rcond=None)[0])
    head = label_vectors[: layer.head_size]
    columns = np.concatenate(
        [head, *(token[None, : size[1]] for token in tokens)]
    )
    layer.head.assign(columns.T)
    if layer.bias is not None:
        layer.bias.assign([0.0] * len(head) + [token[-1] for token in tokens])


def log_totals(queries, block):
    """log of the sum of exp(score) of each query: `[n]`."""
    rows = max(BLOCK_SCORES // len(block), 1)
    return np.concatenate(
        [
            logsumexp(queries[start : start + rows] @ block.T, axis=1)
            for start in range(0, len(queries), rows)
        ]
    )
