"""What a sampler keeps of a tree of clusters: arrays of fixed shapes."""

import dataclasses
import math
import typing

import numpy as np

from tfxc.negatives.nested_partition import NestedPartition, as_kept

ROWS = 65_536  # labels that are read at once


def tree_arrays(tree, label_vectors, sketch_dim):
    """Arrays that tell where labels stand and how they look from afar.

    What is read together stands together: the means of the children of a group
    are one block `[d, children]`, and so are the sketches of a leaf. A label's
    sketch is where it is beside the mean of its leaf, in the few directions in
    which labels differ most from those means.

    Args:
        tree: `NestedPartition`.
        label_vectors: `[L, d]`, float; may be memory-mapped.
        sketch_dim: Directions of the sketches, r.

    Returns:
        `{name: array}`; "codes" and "sketches" are read when asked for.
    """
    arrays = {
        "order": tree.order,
        "place": tree.place_of(),
        "codes": InOrder(label_vectors, tree),
    }
    summaries = tree.summaries(label_vectors)
    for level, splits in enumerate(tree.levels):
        means, radii = summaries[level]
        arrays[f"radii_{level}"] = radii
        arrays[f"splits_{level}"] = splits.astype(np.int32)
        if level:
            children = tree.children(level - 1)
            arrays[f"children_{level - 1}"] = children.astype(np.int32)
            means = means[inside(children)].transpose(0, 2, 1)
        arrays[f"means_{level}"] = means
    means = summaries[-1][0]
    directions = main_directions(label_vectors, tree, means, sketch_dim)
    sketches = Sketches(label_vectors, tree, means, directions)
    return arrays | {
        "directions": directions,
        "sketches": sketches,
        "unseen": sketches.unseen(),
    }


def inside(splits):
    """What is in each range, `[ranges, longest]`; short ones repeat their last.

    Example: the ranges 0..1 and 2..4.

    >>> inside(np.array([0, 2, 5]))
    array([[0, 1, 1],
           [2, 3, 4]])
    """
    longest = np.diff(splits).max()
    return np.minimum(
        splits[:-1, None] + np.arange(longest), splits[1:, None] - 1
    )


class Halves:
    """An array in half precision that is computed when a slice is asked for."""

    dtype = np.dtype(np.float16)

    @property
    def nbytes(self):
        """Bytes of the whole array."""
        return self.dtype.itemsize * math.prod(self.shape)


@dataclasses.dataclass(frozen=True)
class InOrder(Halves):
    """Label vectors in the order of a tree, in half precision: `[L, d]`.

    Read when asked for, a slice at a time.

    Args:
        label_vectors: `[L, d]`, float; may be memory-mapped.
        tree: `NestedPartition`.
    """

    label_vectors: typing.Any
    tree: NestedPartition

    @property
    def shape(self):
        """Of the whole array."""
        return self.label_vectors.shape

    def __getitem__(self, places):
        labels = self.tree.order[places]
        return self.label_vectors[labels].astype(np.float16)


@dataclasses.dataclass(frozen=True)
class Sketches(Halves):
    """Sketches of labels, leaf by leaf: `[leaves, r, most]`, float16.

    Read when asked for, a slice of leaves at a time.

    Args:
        label_vectors: `[L, d]`, float; may be memory-mapped.
        tree: `NestedPartition`.
        means: `[leaves, d]`, float32.
        directions: `[d, r]`, float32; orthonormal columns.
    """

    label_vectors: typing.Any
    tree: NestedPartition
    means: np.ndarray
    directions: np.ndarray

    @property
    def shape(self):
        """Of the whole array."""
        leaves = self.tree.levels[-1]
        most = int(np.diff(leaves).max())
        return len(leaves) - 1, self.directions.shape[1], most

    def __getitem__(self, leaves):
        gaps = gaps_of(self.label_vectors, self.tree, self.means, leaves)
        seen = (gaps @ self.directions).astype(np.float16)
        missing = self.shape[2] - seen.shape[1]
        seen = np.pad(seen, ((0, 0), (0, missing), (0, 0)), "edge")
        return seen.transpose(0, 2, 1)

    def unseen(self):
        """Most of any label of a leaf that sketches do not show: `[leaves]`."""
        found = np.zeros(len(self.means), np.float32)
        step = max(ROWS // self.shape[2], 1)
        for start in range(0, len(found), step):
            leaves = slice(start, min(start + step, len(found)))
            gaps = gaps_of(self.label_vectors, self.tree, self.means, leaves)
            seen = (gaps @ self.directions).astype(np.float16)
            rest = gaps - seen.astype(np.float32) @ self.directions.T
            found[leaves] = np.sqrt(np.vecdot(rest, rest).max(axis=1))
        return found


def gaps_of(label_vectors, tree, means, leaves):
    """From the means of some leaves to their labels: `[n, most, d]`, float32.

    Args:
        label_vectors: `[L, d]`, float.
        tree: `NestedPartition`.
        means: `[leaves, d]`, float32.
        leaves: A slice.
    """
    start, stop, _ = leaves.indices(len(means))
    labels = tree.order[inside(tree.levels[-1][start : stop + 1])]
    return as_kept(label_vectors[labels]) - means[start:stop, None]


def main_directions(label_vectors, tree, means, count):
    """In which labels differ most from the means of leaves: `[d, count]`."""
    # Every so many leaves, about `ROWS` labels in all.
    step = -(-len(tree.order) // ROWS)
    gaps = np.concatenate(
        [
            gaps_of(label_vectors, tree, means, slice(leaf, leaf + 1))[0]
            for leaf in range(0, len(means), step)
        ]
    )
    _, directions = np.linalg.eigh(gaps.T @ gaps)
    return np.ascontiguousarray(directions[:, ::-1][:, :count])
