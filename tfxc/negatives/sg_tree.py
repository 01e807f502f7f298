"""SG trees: cover trees in which only siblings keep their distance."""

import dataclasses
import heapq
import math

import numpy as np

from tfxc.negatives.finite import finite_rows
from tfxc.negatives.nested_partition import NestedPartition

SAME = 1e-4  # distance below which labels are not told apart


@dataclasses.dataclass(frozen=True)
class SGTree:
    """A tree of labels, where a node of a lower level stands for fewer.

    Every node is a label, its centre. With base b, and levels l that fall from
    the root,

    ```
    nesting      a node's first child has the same centre
    covering     a child of a node of level l is within b^l of its centre
    separation   centres of siblings are more than b^(l - 1) apart
    ```

    Cover trees ask for separation among all nodes of a level; among siblings
    alone it costs much less to build, and a subtree can be built anew without a
    look at any other. A descendant can be farther than b^l, up to
    b^l b / (b - 1): radii are measured, never derived.

    Args:
        centres: `[nodes]`, int32; label of each node.
        parents: `[nodes]`, int32; before their children; -1 for the root.
        levels: `[nodes]`, int32.
        radii: `[nodes]`, float32; distance of the farthest descendant.
        base: b.

    Reference:
        [Monath et al., 2023](https://proceedings.mlr.press/v206/monath23a.html);
        Zaheer et al., 2017, Canopy: fast sampling with cover trees
    """

    centres: np.ndarray
    parents: np.ndarray
    levels: np.ndarray
    radii: np.ndarray
    base: float

    def __len__(self):
        return len(self.centres)

    def partition(self, sizes):
        """A `NestedPartition` of about so many groups on each level.

        Args:
            sizes: Ascending integers.
        """
        order, low, high = self._ranges()
        cuts = [self._cut(size, low, high) for size in sizes]
        return NestedPartition(order, cuts)

    def _ranges(self):
        """Labels in depth-first order, and where each node's are."""
        count = np.ones(len(self), np.int64)
        leaf = np.ones(len(self), bool)
        leaf[self.parents[1:]] = False
        count[~leaf] = 0
        for node in range(len(self) - 1, 0, -1):
            count[self.parents[node]] += count[node]
        low = np.zeros(len(self), np.int64)
        used = np.zeros(len(self), np.int64)
        for node in range(1, len(self)):
            parent = self.parents[node]
            low[node] = low[parent] + used[parent]
            used[parent] += count[node]
        order = np.empty(int(count[0]), np.int32)
        order[low[leaf]] = self.centres[leaf]
        return order, low, low + count

    def _cut(self, size, low, high):
        """Starts of about `size` groups: the largest nodes are opened first."""
        children = [[] for _ in range(len(self))]
        for node in range(1, len(self)):
            children[self.parents[node]].append(node)
        heap, done = [(low[0] - high[0], 0)], []
        while heap and len(heap) + len(done) < size:
            _, node = heapq.heappop(heap)
            if not children[node]:
                done.append(node)
                continue
            for child in children[node]:
                heapq.heappush(heap, (low[child] - high[child], child))
        nodes = [*done, *(node for _, node in heap)]
        return np.append(np.sort(low[nodes]), high[0])


def sg_tree(vectors, base=1.3):
    """Builds an `SGTree` from the root down.

    A node's centre takes all of its labels within b^(l - 1); the farthest label
    that is left becomes the next child's centre, until all are covered; then
    each label goes to the nearest centre. Levels at which a node would have one
    child alone are passed over.

    Args:
        vectors: `[L, d]`, float; unit vectors.
        base: Above 1; small ones make trees with few children and many levels.

    Returns:
        `SGTree`.

    Raises:
        ValueError: if a vector is not finite, or `base` is not above 1.
    """
    vectors = finite_rows(vectors, slice(None))
    if not base > 1:
        raise ValueError(f"`base` must be above 1. Received: {base}")
    middle = int(np.argmax(vectors @ vectors.mean(axis=0)))
    members = np.arange(len(vectors))
    centres, parents, levels, radii = [middle], [-1], [0], [0.0]
    stack = [(0, members)]
    while stack:
        node, members = stack.pop()
        far = distances(vectors, members, centres[node])
        radii[node] = float(far.max())
        levels[node] = level_of(radii[node], base)
        if len(members) == 1:
            continue
        for centre, mine in split(vectors, members, centres[node], far, base):
            parents.append(node)
            centres.append(centre)
            levels.append(0)
            radii.append(0.0)
            stack.append((len(centres) - 1, mine))
    return SGTree(
        np.array(centres, np.int32),
        np.array(parents, np.int32),
        np.array(levels, np.int32),
        np.array(radii, np.float32),
        base,
    )


def split(vectors, members, centre, far, base):
    """Children of a node: `[(centre, members)]`."""
    if far.max() < SAME:  # labels with the same vector: a leaf each
        return [(int(label), members[[i]]) for i, label in enumerate(members)]
    radius = base ** (level_of(far.max(), base) - 1)
    chosen, nearest, owner = [centre], far, np.zeros(len(members), int)
    while nearest.max() > radius:
        chosen.append(int(members[np.argmax(nearest)]))
        new = distances(vectors, members, chosen[-1])
        closer = new < nearest
        nearest = np.where(closer, new, nearest)
        owner[closer] = len(chosen) - 1
    return [
        (label, members[owner == place]) for place, label in enumerate(chosen)
    ]


def distances(vectors, members, centre):
    """Euclidean distances of some labels from one: `[n]`."""
    gap = vectors[members] - vectors[centre]
    return np.sqrt(np.vecdot(gap, gap))


def level_of(distance, base):
    """The least level l with `distance <= b^l`."""
    return math.ceil(math.log(max(distance, SAME), base) - 1e-9)
