"""Batch plans: which rows an epoch visits, in which order and batches."""

import dataclasses
import typing

import numpy as np

from tfxc.batching.clusters import Clusters, num_clusters
from tfxc.batching.lengths import WINDOW, by_length, shuffled


class BatchPlan(typing.Protocol):
    """What the input pipeline asks of a plan.

    A plan decides, the pipeline only gathers. An epoch's batches are a function
    of the plan's fields and the epoch, so a run that resumes at epoch 7 sees
    the rows that an uninterrupted run would have seen.
    """

    def plan(self, epoch: int) -> list[np.ndarray]:
        """The batches of an epoch: `[rows of the batch]`, int64, each."""


def epoch_order(num_rows, seed, epoch):
    """The order in which an epoch visits the rows.

    Args:
        num_rows: Number of rows.
        seed: Integer, not negative.
        epoch: Integer, not negative.

    Returns:
        `[num_rows]`, int64; a permutation, a function of the arguments alone.

    Example:

    >>> tfxc.batching.epoch_order(6, seed=0, epoch=1)
    array([1, 4, 3, 0, 2, 5])
    """
    return np.random.default_rng((seed, epoch)).permutation(num_rows)


@dataclasses.dataclass(frozen=True, eq=False)
class ShuffledBatches:
    """Every row once per epoch, in an order drawn anew for each.

    Args:
        rows: Row ids `[n]`, or their number `n` for rows `0..n - 1`. A subset
            leaves out rows that cannot be trained on, say those without labels.
        batch_size: Rows per batch; the last batch may have fewer.
        seed: Integer, not negative.
        lengths: `[n]`, int; length of each row, so that rows of similar length
            make a batch; see `by_length`. `None` for no regard to it.

    Example:

    >>> tfxc.batching.ShuffledBatches(5, batch_size=2, seed=0).plan(epoch=0)
    [array([2, 4]), array([3, 0]), array([1])]
    """

    rows: np.ndarray | int
    batch_size: int
    seed: int
    lengths: np.ndarray | None = None

    def __post_init__(self):
        object.__setattr__(self, "rows", checked_rows(self.rows))
        check_batch_size(self.batch_size)
        check_lengths(self.lengths, self.rows)

    def plan(self, epoch):
        """The batches of an epoch: a list of `[<= batch_size]`, int64."""
        order = epoch_order(len(self.rows), self.seed, epoch)
        if self.lengths is not None:
            order = by_length(order, self.lengths, WINDOW * self.batch_size)
        cuts = range(self.batch_size, len(order), self.batch_size)
        batches = np.split(self.rows[order], cuts) if len(order) else []
        if self.lengths is not None:
            batches = shuffled(batches, self.seed, epoch)
        return batches


@dataclasses.dataclass(frozen=True, eq=False)
class ClusteredBatches:
    """Batches made of whole clusters, every row once per epoch.

    Rows of one cluster are close, so the labels of one are hard negatives of
    another, and a batch holds many such pairs at no cost. Each epoch visits the
    clusters in a new random order and puts the next one in the current batch
    if it fits, else in a new batch: no cluster is spread over two batches (so
    `batch_size / cluster_size` clusters make a batch). Within a batch the rows
    of a cluster stand together. Clusters of one row give `ShuffledBatches`.

    The number of batches may differ by a few between epochs.

    Args:
        rows: Row ids `[n]`, or their number `n` for rows `0..n - 1`.
        batch_size: The most rows in a batch.
        seed: Integer, not negative.
        clusters: `Clusters` of the `n` positions in `rows` (not of row ids).
            For new clusters use `dataclasses.replace(plan, clusters=...)`.
        lengths: As of `ShuffledBatches`; a cluster is as long as its longest
            row.

    Raises:
        ValueError: if a cluster does not fit in a batch, or the clusters are
            not those of `n` rows.

    Example:

    >>> clusters = tfxc.batching.Clusters(
    ...     order=np.array([0, 2, 1, 3]), splits=np.array([0, 2, 4]))
    >>> rows = np.array([10, 11, 12, 13])
    >>> plan = tfxc.batching.ClusteredBatches(rows, 3, 0, clusters)
    >>> plan.plan(epoch=0)
    [array([10, 12]), array([11, 13])]

    Reference:
        [Dahiya et al., 2023](https://arxiv.org/abs/2207.04452)
    """

    rows: np.ndarray | int
    batch_size: int
    seed: int
    clusters: Clusters
    lengths: np.ndarray | None = None

    def __post_init__(self):
        object.__setattr__(self, "rows", checked_rows(self.rows))
        check_batch_size(self.batch_size)
        check_lengths(self.lengths, self.rows)
        order, sizes = np.asarray(self.clusters.order), self.clusters.sizes()
        if not np.array_equal(np.sort(order), np.arange(len(self.rows))):
            raise ValueError(
                f"`clusters` must hold each of the {len(self.rows)} positions "
                f"in `rows` once. Received: {len(order)} entries"
            )
        if sizes.size and sizes.max() > self.batch_size:
            raise ValueError(
                f"A cluster must fit in a batch of {self.batch_size} rows. "
                f"Received: a cluster of {sizes.max()}"
            )

    def plan(self, epoch):
        """The batches of an epoch: a list of `[<= batch_size]`, int64."""
        visit = epoch_order(len(self.clusters), self.seed, epoch)  # [k]
        if self.lengths is not None and len(visit):
            longest = np.maximum.reduceat(
                self.lengths[self.clusters.order], self.clusters.splits[:-1]
            )
            window = WINDOW * self.batch_size // self.clusters.sizes().max()
            visit = by_length(visit, longest, window)
        sizes = self.clusters.sizes()[visit]
        ends = np.cumsum(sizes)
        # Entry e of the epoch is entry e - (ends - sizes) of its cluster.
        shift = self.clusters.splits[visit] - (ends - sizes)
        places = np.arange(len(self.rows)) + np.repeat(shift, sizes)
        order = self.rows[self.clusters.order[places]]
        batches = []
        if len(order):
            firsts = packed(sizes, self.batch_size)
            batches = np.split(order, ends[firsts[1:] - 1])
        if self.lengths is not None:
            batches = shuffled(batches, self.seed, epoch)
        return batches


def num_batches(num_rows, batch_size, cluster_size=1):
    """The most batches that an epoch of clusters has, and nearly as many.

    Args:
        num_rows: Positive integer.
        batch_size: Positive integer.
        cluster_size: Most rows of a cluster; at most `batch_size`.

    Example: 4 clusters of 25 rows, of which 2 make a batch of up to 64.

    >>> tfxc.batching.num_batches(100, batch_size=64, cluster_size=30)
    2
    """
    clusters = num_clusters(num_rows, cluster_size)
    largest = -(-num_rows // clusters)
    return -(-clusters // (batch_size // largest))


def packed(sizes, batch_size):
    """The first cluster of each batch: `[batches]`, int64.

    Args:
        sizes: `[k]`, int; in the order of packing, none above `batch_size`.
        batch_size: The most rows in a batch.
    """
    ends = np.cumsum(sizes)
    # The first cluster that no longer fits in a batch that starts with each.
    after = np.searchsorted(ends, ends - sizes + batch_size, side="right")
    firsts = [0]
    while (following := after[firsts[-1]]) < len(sizes):
        firsts.append(following)
    return np.array(firsts)


def checked_rows(rows):
    """`rows`, or `0..rows - 1` for a number: `[n]`, int64."""
    rows = np.asarray(rows)
    if rows.ndim > 1 or not np.issubdtype(rows.dtype, np.integer):
        raise ValueError(
            "`rows` must be a number of rows or a list of row ids. "
            f"Received: {rows.dtype} of shape {rows.shape}"
        )
    if rows.size and rows.min() < 0:
        raise ValueError(f"`rows` must not be negative. Received: {rows.min()}")
    return np.arange(rows) if rows.ndim == 0 else rows.astype(np.int64)


def check_batch_size(batch_size):
    if batch_size < 1:
        raise ValueError(
            f"`batch_size` must be positive. Received: {batch_size}"
        )


def check_lengths(lengths, rows):
    if lengths is not None and np.shape(lengths) != rows.shape:
        raise ValueError(
            f"`lengths` must be an array of the {len(rows)} rows' lengths. "
            f"Received: shape {np.shape(lengths)}"
        )
