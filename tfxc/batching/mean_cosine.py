"""How compact clusters are."""

import numpy as np

from tfxc.batching.cluster_tree import BLOCK
from tfxc.batching.two_means import normalised


def mean_cosine(vectors, clusters):
    """Mean cosine between a row and the centroid of its cluster.

    What balanced two-means maximises, here over all clusters. With unit rows:

    ```
    (1 / n) * sum over clusters of | sum of the cluster's rows |
    ```

    Args:
        vectors: `[n, d]`, float; normalised here.
        clusters: `Clusters` of those rows.

    Returns:
        Float in [0, 1]; 1 if the rows of each cluster coincide.

    Example:

    >>> x = np.eye(2)[[0, 1, 0, 1]]
    >>> clusters = tfxc.batching.Clusters(
    ...     order=np.array([0, 2, 1, 3]), splits=np.array([0, 2, 4]))
    >>> tfxc.batching.mean_cosine(x, clusters)
    1.0
    """
    order, splits = clusters.order, clusters.splits
    step = max(1, BLOCK * len(clusters) // len(order))  # clusters at once
    total = 0.0
    for low in range(0, len(clusters), step):
        bounds = splits[low : low + step + 1]
        x = np.asarray(vectors[order[bounds[0] : bounds[-1]]], np.float32)
        sums = np.add.reduceat(normalised(x), bounds[:-1] - bounds[0])
        total += np.sqrt(np.vecdot(sums, sums)).sum(dtype=np.float64)
    return float(total / len(order))
