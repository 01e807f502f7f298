"""Balanced clusters of the rows of a matrix of unit vectors."""

import concurrent.futures
import dataclasses
import os

import numpy as np

from tfxc.batching.cluster_tree import BLOCK, ClusterTree
from tfxc.batching.two_means import normalised, seed_key

SAMPLE = 16_384  # rows that directions are computed from


@dataclasses.dataclass(frozen=True)
class Clusters:
    """A partition of the rows `0..n-1`.

    Cluster `c` is `order[splits[c]:splits[c + 1]]`, sorted.

    Args:
        order: `[n]`, int; each row once.
        splits: `[clusters + 1]`, int64; where each cluster starts.
    """

    order: np.ndarray
    splits: np.ndarray

    def __len__(self):
        return len(self.splits) - 1

    def __getitem__(self, cluster):
        return self.order[self.splits[cluster] : self.splits[cluster + 1]]

    def sizes(self):
        """Rows in each cluster: `[clusters]`, int64."""
        return np.diff(self.splits)

    def of_rows(self):
        """The cluster that each row is in: `[n]`, int64."""
        cluster = np.empty(len(self.order), np.int64)
        cluster[self.order] = np.repeat(np.arange(len(self)), self.sizes())
        return cluster


def num_clusters(num_rows, cluster_size, power_of_two=False):
    """How many clusters `num_rows` rows are cut into.

    `ceil(num_rows / cluster_size)`, so that no cluster is larger than asked
    for. NGAME's released code rounds this up to a power of two, so its clusters
    are down to half as large as asked for; `power_of_two=True` does the same.
    The power is at most `num_rows` (the released code never returns beyond).

    Example: 294,805 rows in clusters of 2.

    >>> tfxc.batching.num_clusters(294805, 2)
    147403
    >>> tfxc.batching.num_clusters(294805, 2, power_of_two=True)
    262144
    """
    if num_rows < 1 or cluster_size < 1:
        raise ValueError(
            "`num_rows` and `cluster_size` must be positive. "
            f"Received: num_rows={num_rows}, cluster_size={cluster_size}"
        )
    clusters = -(-num_rows // cluster_size)
    if not power_of_two:
        return clusters
    depth = (clusters - 1).bit_length()  # ceil(log2(clusters))
    return 2 ** min(depth, num_rows.bit_length() - 1)


def balanced_clusters(
    vectors,
    cluster_size,
    seed,
    threads=None,
    power_of_two=False,
    sample_rows=16384,
    max_dim=128,
):
    """Cuts unit vectors into compact clusters of equal size.

    Rows that share a cluster are close, so in a batch made of whole clusters
    the labels of one row are hard negatives of the others, for free. The
    clusters are the leaves of a tree of balanced two-means splits:

    ```
    k = num_clusters(n, cluster_size);  cluster c has the places
    floor(c n / k) .. floor((c + 1) n / k), hence floor(n / k) or ceil(n / k)
    rows; a node with k' > 1 clusters is split into floor(k' / 2) and the rest
    ```

    A node of more than `sample_rows` rows finds its two centroids on a sample
    of so many rows, and then assigns all its rows in one pass; smaller nodes
    are split as `balanced_two_means` does. (On 525,773 planted vectors the mean
    cosine within clusters was 0.452 with samples, 0.456 without.) The result is
    a function of (vectors, cluster_size, seed), not of the number of threads.

    Memory: one float32 copy of the vectors, in which the rows are swapped into
    place, `[n, min(d, max_dim)]`, and about 40 bytes per row. Low precision or
    memory-mapped vectors are read block by block. (Of 512 dimensions, 128 gave
    clusters of 8 a mean cosine of 0.723 for 0.732, in half the time.)

    Args:
        vectors: `[n, d]`, any float dtype; normalised here, so their lengths do
            not matter.
        cluster_size: The most rows that a cluster may have.
        seed: Integer or tuple of integers, none negative, e.g. (seed, epoch).
        threads: Threads to use; all cores by default.
        power_of_two: Round the number of clusters up as NGAME's released code
            does; see `num_clusters`.
        sample_rows: Sample in large nodes; None for exact splits everywhere.
        max_dim: Vectors of more dimensions are projected on that many
            directions, those in which a sample varies most; None for never.

    Returns:
        `Clusters`.

    Raises:
        ValueError: if `vectors` is not a non-empty matrix of finite numbers,
            `cluster_size` is not positive, `sample_rows` is below 2 or
            `max_dim` below 1.

    Example:

    >>> x = np.random.default_rng(0).normal(size=(1000, 8))
    >>> clusters = tfxc.batching.balanced_clusters(x, 64, seed=0)
    >>> clusters.sizes()
    array([62, 63, 62, 63, 62, 63, 62, 63, 62, 63, 62, 63, 62, 63, 62, 63])

    Reference:
        [Dahiya et al., 2023](https://arxiv.org/abs/2207.04452)
    """
    if np.ndim(vectors) != 2 or 0 in np.shape(vectors):
        raise ValueError(
            "`vectors` must be [rows, d], neither of them 0. "
            f"Received: shape {np.shape(vectors)}"
        )
    if sample_rows is not None and sample_rows < 2:
        raise ValueError(
            f"`sample_rows` must be at least 2. Received: {sample_rows}"
        )
    if max_dim is not None and max_dim < 1:
        raise ValueError(f"`max_dim` must be positive. Received: {max_dim}")
    n, dim = np.shape(vectors)
    basis = None
    if max_dim is not None and dim > max_dim:
        basis = leading_directions(vectors, max_dim)
    k = num_clusters(n, cluster_size, power_of_two)
    splits = np.arange(k + 1) * n // k
    order = np.arange(n, dtype=np.int32 if n < 2**31 else np.int64)
    threads = threads or os.cpu_count()
    with concurrent.futures.ThreadPoolExecutor(threads) as pool:
        work = unit_copy(vectors, pool, basis)
        if 1 < k < n:
            key = seed_key(seed)
            ClusterTree(work, order, splits, key, sample_rows or n).split(pool)
    # Sorted within a cluster: gathers then read a memory map forwards.
    place = np.repeat(np.arange(k) * n, np.diff(splits)) + order
    place.sort()
    return Clusters((place % n).astype(order.dtype), splits)


def leading_directions(vectors, count):
    """Where a sample of the rows has most of its squares: `[d, count]`."""
    rows = np.linspace(0, len(vectors) - 1, SAMPLE).astype(int)
    with np.errstate(all="ignore"):
        x = np.asarray(vectors[np.unique(rows)], np.float32)
        x = x[np.isfinite(np.vecdot(x, x))]
    _, directions = np.linalg.eigh(x.T @ x)  # ascending
    return directions[:, -count:]


def unit_copy(vectors, pool, basis=None):
    """A float32 copy with rows of length 1, made block by block: `[n, d]`.

    With a basis `[d, c]` it holds the projections, `[n, c]`.
    """
    n, dim = np.shape(vectors)
    copy = np.empty((n, dim if basis is None else basis.shape[1]), np.float32)

    def fill(start):
        with np.errstate(all="ignore"):  # what overflows is reported below
            block = np.asarray(vectors[start : start + BLOCK], np.float32)
            finite = np.isfinite(np.vecdot(block, block))
        if not finite.all():
            raise ValueError(
                "`vectors` must be finite. Received: NaN, infinity or an "
                f"overflow in row {start + np.argmin(finite)}"
            )
        if basis is not None:
            block = block @ basis
        copy[start : start + BLOCK] = normalised(block)

    list(pool.map(fill, range(0, len(copy), BLOCK)))
    return copy
