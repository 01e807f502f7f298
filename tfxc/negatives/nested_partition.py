"""Labels in an order in which every group of a tree is a range."""

import concurrent.futures
import dataclasses

import numpy as np

from tfxc.batching.cluster_tree import ClusterTree
from tfxc.batching.two_means import normalised, seed_key, split_nodes
from tfxc.negatives.checks import finite_rows

ROWS = 65_536  # labels that are read at once
IN_MEMORY = 2**20  # labels of a group that is split in memory
SAMPLE = 16_384  # labels by which larger groups are split


@dataclasses.dataclass(frozen=True)
class NestedPartition:
    """Partitions of the labels, each of which refines the one before.

    Group g of a level has the labels `order[splits[g]:splits[g + 1]]`. As the
    labels stand in depth-first order, a group's children are a range of groups
    of the next level, and a random member is one number and one gather.

    Args:
        order: `[L]`, int32; each label once.
        levels: List of `splits`, `[groups + 1]` int64, the coarsest first.
    """

    order: np.ndarray
    levels: list

    def place_of(self):
        """Where each label stands: `[L]`, int32."""
        place = np.empty(len(self.order), np.int32)
        place[self.order] = np.arange(len(self.order), dtype=np.int32)
        return place

    def children(self, level):
        """The groups of the next level in each group: `[groups + 1]` splits."""
        return np.searchsorted(self.levels[level + 1], self.levels[level])

    def summaries(self, vectors):
        """Means of the groups' vectors, and how far members are from them.

        Reads the vectors once, in chunks; they may be memory-mapped. The
        groups of the last level are measured; a larger one is as wide as its
        children may be, wherever in them the farthest member is:

        ```
        radius = max over children c of |mean_c - mean| + radius_c
        ```

        Args:
            vectors: `[L, d]`, any float dtype, by label.

        Returns:
            For each level `(means [groups, d], radii [groups])`, float32.
        """
        means, radii = self._measured(vectors, self.levels[-1])
        found = [(means, radii)]
        for level in reversed(range(len(self.levels) - 1)):
            sizes = np.diff(self.levels[level + 1])[:, None]
            first = self.children(level)
            total = np.add.reduceat(means * sizes, first[:-1], axis=0)
            parents = total / np.diff(self.levels[level])[:, None]
            parents = parents.astype(np.float32)
            gap = means - np.repeat(parents, np.diff(first), axis=0)
            reach = np.sqrt(np.vecdot(gap, gap)) + radii
            means, radii = parents, np.maximum.reduceat(reach, first[:-1])
            found.insert(0, (means, radii))
        return found

    def _measured(self, vectors, splits):
        """Means and radii of groups, from their members."""
        means = np.zeros((len(splits) - 1, vectors.shape[1]), np.float32)
        radii = np.zeros(len(means), np.float32)
        for first, last in self._chunks(splits):
            rows = self._read(vectors, splits[first], splits[last])
            starts = splits[first:last] - splits[first]
            sizes = np.diff(splits[first : last + 1])
            mean = np.add.reduceat(rows, starts, axis=0) / sizes[:, None]
            gap = rows - np.repeat(mean, sizes, axis=0)
            means[first:last] = mean
            distance = np.sqrt(np.vecdot(gap, gap))
            radii[first:last] = np.maximum.reduceat(distance, starts)
        return means, radii

    def _read(self, vectors, start, end):
        """The vectors at some places, see `as_kept`: `[n, d]`."""
        order = self.order[start:end]
        parts = np.array_split(order, -(-(end - start) // ROWS))
        return np.concatenate([as_kept(vectors[part]) for part in parts])

    @staticmethod
    def _chunks(splits):
        """Ranges of whole groups of about `ROWS` labels, or one group."""
        first = 0
        while first < len(splits) - 1:
            last = np.searchsorted(splits, splits[first] + ROWS, "right") - 1
            last = max(int(last), first + 1)
            yield first, last
            first = last


def as_kept(vectors):
    """Vectors as a sampler keeps them, rounded to half precision: float32."""
    return np.float32(np.float16(vectors))


def balanced_partition(vectors, branching=64, leaf_size=64, seed=0):
    """A tree of balanced two-means splits, of which every few levels are kept.

    Groups of more than a million labels are split by a sample and then one pass
    over their vectors, read in chunks; smaller ones in memory. So the peak is
    half a gigabyte at 128 dimensions, and 4 bytes for each label.

    Args:
        vectors: `[L, d]`, any float dtype; may be memory-mapped.
        branching: Power of two; groups that a group falls into.
        leaf_size: Most labels of a group of the last level; two, if less.
        seed: Integer or tuple of integers.

    Returns:
        `NestedPartition`.

    Raises:
        ValueError: if a vector is not finite, or `branching` no power of two.
    """
    if branching < 2 or branching & (branching - 1):
        raise ValueError(
            f"`branching` must be a power of two. Received: {branching}"
        )
    num_labels = len(vectors)
    depth = (-(-num_labels // max(leaf_size, 2)) - 1).bit_length()
    leaves = 2**depth
    splits = np.arange(leaves + 1) * num_labels // leaves
    order = np.arange(num_labels, dtype=np.int32)
    key = seed_key(seed)
    nodes = [(1, 0, leaves)]
    with concurrent.futures.ThreadPoolExecutor() as pool:
        while nodes:
            path, low, high = nodes.pop()
            start, end = splits[[low, high]]
            mine = order[start:end]
            if len(mine) > IN_MEMORY and high - low > 1:
                middle = (low + high) // 2
                first = splits[middle] - start
                rng = np.random.default_rng((key, path))
                order[start:end] = mine[halves(vectors, mine, first, rng)]
                nodes += [(2 * path, low, middle), (2 * path + 1, middle, high)]
                continue
            work, inner = read_unit(vectors, mine), np.arange(len(mine))
            inside = splits[low : high + 1] - start
            if high - low > 1:
                tree = ClusterTree(work, inner, inside, key ^ path, SAMPLE)
                tree.split(pool)
            order[start:end] = mine[inner]
    step = branching.bit_length() - 1
    kept = range(depth % step or step, depth + 1, step) if depth else [0]
    return NestedPartition(order, [splits[:: leaves >> d] for d in kept])


def halves(vectors, labels, first, rng):
    """Places in `labels`, those of the first half first: `[n]`."""
    sample = np.sort(rng.choice(len(labels), SAMPLE, replace=False))
    share = min(max(round(first * SAMPLE / len(labels)), 1), SAMPLE - 1)
    _, direction = split_nodes(
        read_unit(vectors, labels[sample])[None],
        share,
        rng.choice(SAMPLE, (1, 2), replace=False),
    )
    margin = np.concatenate(
        [
            read_unit(vectors, labels[start : start + ROWS]) @ direction[0]
            for start in range(0, len(labels), ROWS)
        ]
    )
    return np.argpartition(margin, first)


def read_unit(vectors, labels):
    """The vectors of some labels with length 1: `[n, d]`, float32."""
    rows = np.empty((len(labels), vectors.shape[1]), np.float32)
    for start in range(0, len(labels), ROWS):
        part = labels[start : start + ROWS]
        rows[start : start + ROWS] = normalised(finite_rows(vectors, part))
    return rows
