"""What a sampler keeps of a tree of clusters: arrays of fixed shapes."""

import math

import numpy as np

ROWS = 65_536  # labels that are read at once


def tree_arrays(tree, label_vectors, sketch_dim, seed=0):
    """Arrays that tell where labels stand and how they look from afar.

    What is read together stands together: the means of the children of a group
    are one block, and so are the labels of a leaf. A label's sketch is where it
    is beside the mean of its leaf, in the few directions in which labels differ
    most from those means.

    Args:
        tree: `NestedPartition`.
        label_vectors: `[L, d]`, float; may be memory-mapped.
        sketch_dim: Directions of the sketches; 0 for none.
        seed: Of the labels by which directions are found.

    Returns:
        `{name: array}`; "codes" and "sketches" are `Leaves`, which are read
        when asked for.
    """
    arrays = {
        "order": tree.order,
        "place": tree.place_of(),
        "codes": Leaves(label_vectors, tree),
    }
    summaries = tree.summaries(label_vectors)
    for level, splits in enumerate(tree.levels):
        means, radii = summaries[level]
        arrays[f"radii_{level}"] = radii
        arrays[f"splits_{level}"] = splits.astype(np.int32)
        if level:
            children = tree.children(level - 1)
            arrays[f"children_{level - 1}"] = children.astype(np.int32)
            means = means[inside(children)]  # [parents, most children, d]
        arrays[f"means_{level}"] = means
    if sketch_dim:
        means = summaries[-1][0]
        directions = main_directions(label_vectors, tree, means, sketch_dim)
        sketches = Sketches(label_vectors, tree, means, directions)
        arrays["directions"] = directions
        arrays["sketches"] = sketches
        arrays["unseen"] = sketches.unseen()
    return arrays


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


class Leaves:
    """Label vectors leaf by leaf, in half precision, read when asked for.

    Args:
        label_vectors: `[L, d]`, float; may be memory-mapped.
        tree: `NestedPartition`.
    """

    dtype = np.dtype(np.float16)

    def __init__(self, label_vectors, tree):
        self.label_vectors = label_vectors
        self.tree = tree
        splits = tree.levels[-1]
        most = int(np.diff(splits).max())
        self.shape = (len(splits) - 1, most, label_vectors.shape[1])

    @property
    def nbytes(self):
        """Bytes of the whole array."""
        return self.dtype.itemsize * math.prod(self.shape)

    def __getitem__(self, leaves):
        """The vectors of a slice of leaves: `[n, most, d]`."""
        start, stop, _ = leaves.indices(self.shape[0])
        places = inside(self.tree.levels[-1][start : stop + 1])
        missing = self.shape[1] - places.shape[1]
        places = np.pad(places, ((0, 0), (0, missing)), "edge")
        labels = self.tree.order[places]
        return self.label_vectors[labels].astype(np.float16)

    def chunks(self):
        """Slices of leaves, of about `ROWS` labels."""
        step = max(ROWS // self.shape[1], 1)
        for start in range(0, self.shape[0], step):
            yield slice(start, min(start + step, self.shape[0]))


class Sketches(Leaves):
    """Sketches of labels, leaf by leaf: `[leaves, most, r]`.

    Args:
        label_vectors: `[L, d]`, float; may be memory-mapped.
        tree: `NestedPartition`.
        means: `[leaves, d]`, float32.
        directions: `[d, r]`, float32; orthonormal columns.
    """

    def __init__(self, label_vectors, tree, means, directions):
        super().__init__(label_vectors, tree)
        self.means, self.directions = means, directions
        self.shape = (*self.shape[:2], directions.shape[1])

    def gaps(self, leaves):
        """From the mean of each leaf to its labels: `[n, most, d]`."""
        vectors = super().__getitem__(leaves).astype(np.float32)
        return vectors - self.means[leaves, None]

    def __getitem__(self, leaves):
        """The sketches of a slice of leaves: `[n, most, r]`."""
        return (self.gaps(leaves) @ self.directions).astype(np.float16)

    def unseen(self):
        """Most of any label of a leaf that sketches do not show: `[leaves]`."""
        found = np.zeros(self.shape[0], np.float32)
        for leaves in self.chunks():
            gaps = self.gaps(leaves)
            seen = (gaps @ self.directions).astype(np.float16)
            rest = gaps - seen.astype(np.float32) @ self.directions.T
            found[leaves] = np.sqrt(np.vecdot(rest, rest).max(axis=1))
        return found


def main_directions(label_vectors, tree, means, count):
    """In which labels differ most from the means of leaves: `[d, count]`."""
    leaves = Leaves(label_vectors, tree)
    # Every so many leaves, about `ROWS` labels in all.
    step = -(-leaves.shape[0] * leaves.shape[1] // ROWS)
    gaps = np.concatenate(
        [
            leaves[leaf : leaf + 1][0].astype(np.float32) - means[leaf]
            for leaf in range(0, leaves.shape[0], step)
        ]
    )
    _, directions = np.linalg.eigh(gaps.T @ gaps)
    return np.ascontiguousarray(directions[:, ::-1][:, :count])
