"""The tree of balanced splits below `balanced_clusters`."""

import dataclasses

import numpy as np

from tfxc.batching.two_means import split_nodes, starting_rows

BLOCK = 4096  # rows handled at once: some MiB, so they stay in cache


@dataclasses.dataclass(frozen=True)
class ClusterTree:
    """Sorts rows into clusters, in place.

    A node is `(path, low, high)`: it holds clusters `low..high - 1`, that is
    places `splits[low]:splits[high]`, and alone moves rows there, so all nodes
    of a level may run at once. `path` numbers it: the root is 1, the children
    of p are 2p and 2p + 1.

    Args:
        work: `[n, d]`, float32; unit vectors.
        order: `[n]`, int; the row that stands at each place.
        splits: `[clusters + 1]`, int64; where each cluster starts.
        key: Integer in [0, 2^64), from `seed_key`.
        sample_rows: Larger nodes find their centroids on a sample.
    """

    work: np.ndarray
    order: np.ndarray
    splits: np.ndarray
    key: int
    sample_rows: int

    def split(self, pool):
        """Splits from the root down to single clusters.

        Nodes of more than `BLOCK` rows go one by one and level by level, then
        each remaining subtree is one task.
        """
        nodes, subtrees = [(1, 0, len(self.splits) - 1)], []
        while nodes:
            large = []
            for node in nodes:
                start, end = self.splits[[node[1], node[2]]]
                (large if end - start > BLOCK else subtrees).append(node)
            children = pool.map(self.split_large, large)
            nodes = [node for pair in children for node in pair]
        list(pool.map(self.split_subtree, subtrees))

    def split_large(self, node):
        """Splits one node and returns its children; none for one cluster."""
        path, low, high = node
        if high - low == 1:
            return []
        middle = (low + high) // 2
        start, cut, end = self.splits[[low, middle, high]]
        x, order, first = (
            self.work[start:end],
            self.order[start:end],
            cut - start,
        )
        rows = end - start
        if rows <= self.sample_rows:
            starts = starting_rows(self.key, np.array([path]), rows)
            ranks, _ = split_nodes(x[None], first, starts)
            half = np.zeros(rows, bool)
            half[ranks[0, :first]] = True
        else:
            half = self.split_by_sample(x, first, path)
        move_first_half(x, order, half, first)
        return [(2 * path, low, middle), (2 * path + 1, middle, high)]

    def split_by_sample(self, x, first, path):
        """Centroids from a sample, then one pass over all rows: `[rows]`."""
        rows, size = len(x), self.sample_rows
        # One random row in each of `size` equal stretches: sorted, distinct.
        random = np.random.default_rng((self.key, path)).random(size)
        sample = ((np.arange(size) + random) * (rows / size)).astype(np.int64)
        starts = starting_rows(self.key, np.array([path]), size)
        share = min(max(round(first * size / rows), 1), size - 1)
        _, direction = split_nodes(x[sample][None], share, starts)
        margin = np.vecdot(x, direction)  # [rows]
        half = np.zeros(rows, bool)
        half[np.argpartition(margin, first)[:first]] = True
        return half

    def split_subtree(self, node):
        """Splits one node down to single clusters, a level at a time."""
        path, low, high = node
        start, end = self.splits[[low, high]]
        x, splits = self.work[start:end], self.splits[low : high + 1] - start
        order = np.arange(end - start)
        paths, lows, highs = np.array([[path], [0], [high - low]])  # [1] each
        while True:
            splittable = highs - lows > 1
            if not splittable.any():
                break
            paths, lows, highs = (a[splittable] for a in (paths, lows, highs))
            middles = (lows + highs) // 2
            self.split_level(x, order, paths, splits, lows, middles, highs)
            paths = np.concatenate([2 * paths, 2 * paths + 1])
            lows, highs = (
                np.concatenate([lows, middles]),
                np.concatenate([middles, highs]),
            )
        self.order[start:end] = self.order[start:end][order]

    def split_level(self, x, order, paths, splits, lows, middles, highs):
        """Splits the nodes of one level, those of the same size together."""
        starts = splits[lows]
        rows, firsts = splits[highs] - starts, splits[middles] - starts
        kinds = rows * (len(x) + 1) + firsts
        for kind in np.unique(kinds):
            group = np.flatnonzero(kinds == kind)
            size, first = rows[group[0]], firsts[group[0]]
            places = starts[group, None] + np.arange(size)  # [nodes, size]
            ids = order[places]
            random = starting_rows(self.key, paths[group], size)
            ranks, _ = split_nodes(x[ids], first, random)
            order[places] = np.take_along_axis(ids, ranks, axis=1)


def move_first_half(x, order, half, first):
    """Swaps rows so that those in `half` fill the first places, in place.

    Args:
        x: `[rows, d]`; its rows are moved.
        order: `[rows]`; moved alike.
        half: `[rows]`, bool, with `first` true entries.
        first: How many.
    """
    leaving = np.flatnonzero(~half[:first])
    coming = first + np.flatnonzero(half[first:])
    order[leaving], order[coming] = order[coming], order[leaving]
    for start in range(0, len(leaving), BLOCK):
        a, b = leaving[start : start + BLOCK], coming[start : start + BLOCK]
        x[a], x[b] = x[b], x[a]
