"""SG trees: cover trees in which only siblings keep their distance."""

import dataclasses
import heapq

import numpy as np

from tfxc.negatives.checks import finite_rows
from tfxc.negatives.nested_partition import NestedPartition
from tfxc.negatives.sg_nodes import (
    Node,
    Space,
    build,
    drifted,
    insert,
    remove,
)


@dataclasses.dataclass(frozen=True)
class SGTree:
    """A tree of labels, where a node of a lower level stands for fewer.

    Every node is a label, its centre. With base b, and levels l that fall from
    the root,

    ```
    nesting      a node's first child has the same centre
    covering     labels below a node of level l are within b^l of its centre
    separation   centres of siblings are more than b^(l - 1) apart
    ```

    Cover trees ask for separation among all nodes of a level; among siblings
    alone it costs much less to build, and labels that move concern no nodes but
    those above them. Groups are of any size, unlike those of
    `balanced_partition`.

    Args:
        root: `Node`.
        base: b.

    Reference:
        [Monath et al., 2023](https://proceedings.mlr.press/v206/monath23a.html);
        Zaheer et al., 2017, Canopy: fast sampling with cover trees
    """

    root: Node
    base: float

    def drifted(self, vectors):
        """Labels that have moved too far for where they are: `[n]`, int.

        Those that a node above does not reach any more, and centres that have
        come too close to an earlier sibling. Once `moved` has put them in
        again, the tree is one of the new vectors, whatever the others did.

        Args:
            vectors: `[L, d]`, float; of all labels.

        Raises:
            ValueError: if a vector is not finite.
        """
        space = Space(finite_rows(vectors, slice(None)), self.base)
        return np.flatnonzero(drifted(space, self.root))

    def moved(self, vectors, labels):
        """The tree after some labels have moved; the others stay in place.

        Labels that have moved are put in again from the root, with those below
        nodes of which they were the centre. If the root's centre has moved, the
        tree is built anew.

        Args:
            vectors: `[L, d]`, float; of all labels.
            labels: `[n]`, int; those that are not where they were.

        Raises:
            ValueError: if a vector is not finite.
        """
        space = Space(finite_rows(vectors, slice(None)), self.base)
        gone = np.zeros(len(space.vectors), bool)
        gone[labels] = True
        root, lost = remove(self.root, gone)
        if root is None:
            return sg_tree(vectors, self.base)
        again = np.concatenate([np.flatnonzero(gone), np.array(lost, int)])
        return SGTree(insert(space, root, again), self.base)

    def partition(self, sizes):
        """A `NestedPartition` of about so many groups on each level.

        Args:
            sizes: Ascending integers.
        """
        order, ranges = [], {}
        stack = [(self.root, False)]
        while stack:
            node, done = stack.pop()
            if done:
                ranges[id(node)] = ranges[id(node)], len(order)
                continue
            ranges[id(node)] = len(order)
            stack.append((node, True))
            stack += [(child, False) for child in reversed(node.children)]
            if not node.children:
                order.append(node.centre)
        cuts = [cut(self.root, ranges, size) for size in sizes]
        return NestedPartition(np.array(order, np.int32), cuts)


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
    if not base > 1:
        raise ValueError(f"`base` must be above 1. Received: {base}")
    space = Space(finite_rows(vectors, slice(None)), base)
    middle = int(np.argmax(space.vectors @ space.vectors.mean(axis=0)))
    root = build(space, middle, np.arange(len(space.vectors)))
    return SGTree(root, base)


def cut(root, ranges, size):
    """Starts of about `size` groups: the largest nodes are opened first.

    Args:
        root: `Node`.
        ranges: `{id(node): (start, end)}`, of its labels in depth-first order.
        size: Integer.

    Returns:
        `[groups + 1]`, int64; the last is the number of labels.
    """
    start, end = ranges[id(root)]
    heap, done, number = [(start - end, 0, root)], [], 0
    while heap and len(heap) + len(done) < size:
        _, _, node = heapq.heappop(heap)
        if not node.children:
            done.append(node)
            continue
        for child in node.children:
            number += 1  # nodes of one size are opened in turn
            low, high = ranges[id(child)]
            heapq.heappush(heap, (low - high, number, child))
    nodes = [*done, *(node for _, _, node in heap)]
    return np.append(np.sort([ranges[id(node)][0] for node in nodes]), end)
