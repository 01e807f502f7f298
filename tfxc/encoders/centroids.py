"""A start for labels: the centroids of their training queries."""

import numpy as np
import scipy.sparse

from tfxc.encoders.encode import encode

BLOCK = 65_536  # queries whose vectors are held at once


def label_centroids(encoder, queries, relevant, rows):
    """The mean direction of each label's training queries.

    Args:
        encoder: Layer, see `encode`.
        queries: `Bags` or `Sequences` of all training queries.
        relevant: `LabelLists` of all training queries.
        rows: `[n]`, int; those to use.

    Returns:
        `[L, dim]`, float32; unit vectors, zero for labels without a query.
    """
    sums = np.zeros((relevant.num_columns, encoder.dim), np.float32)
    for start in range(0, len(rows), BLOCK):
        block = rows[start : start + BLOCK]
        lists = relevant.take(block)
        owners = scipy.sparse.csr_matrix(
            (np.ones(len(lists.ids), np.float32), lists.ids, lists.splits),
            shape=(len(block), relevant.num_columns),
        )
        sums += owners.T @ encode(encoder, queries, block)
    norms = np.linalg.norm(sums, axis=1, keepdims=True)
    return sums / np.maximum(norms, 1e-12)


def start_from_centroids(encoder, labels, queries, relevant, rows):
    """Sets the own token of each label to the centroid of its queries.

    Before any training the sum of its words is all that an encoder knows of a
    label. Its own token, the whole text, can hold what its training queries
    say, which is worth half an epoch.

    Args:
        encoder: `BagEncoder`.
        labels: `Bags` of the labels, whose first tokens are their own.
        queries: See `label_centroids`.
        relevant: See `label_centroids`.
        rows: See `label_centroids`.
    """
    centroids = label_centroids(encoder, queries, relevant, rows)
    own = np.asarray(labels.ids[:, 0])
    known = (own > 0) & centroids.any(axis=1)
    table = encoder.table.numpy()
    table[own[known]] = centroids[known]
    encoder.table.assign(table)
