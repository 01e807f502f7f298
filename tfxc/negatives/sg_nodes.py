"""Nodes of SG trees: built from the root down, taken out, put in again."""

import dataclasses
import math

import numpy as np

SAME = 1e-4  # distance below which labels are not told apart
ROUNDING = 1e-6  # of distances, as a share


@dataclasses.dataclass(frozen=True)
class Space:
    """Where labels are, and how levels follow from distances.

    Args:
        vectors: `[L, d]`, float32.
        base: b; a node of level l reaches as far as b^l.
    """

    vectors: np.ndarray
    base: float

    def distances(self, labels, centre):
        """Euclidean distances of some labels from one: `[n]`."""
        gap = self.vectors[labels] - self.vectors[centre]
        return np.sqrt(np.vecdot(gap, gap))

    def level(self, distance):
        """The least level l with `distance <= b^l`."""
        return math.ceil(math.log(max(distance, SAME), self.base) - 1e-9)


@dataclasses.dataclass(frozen=True)
class Node:
    """A label that stands for others; a leaf stands for itself.

    Args:
        centre: The label.
        level: No label below is farther than b^level from it.
        children: List of `Node`; the first has the same centre. None of a leaf.
    """

    centre: int
    level: int
    children: list

    def labels(self):
        """All labels at and below the node."""
        if not self.children:
            return [self.centre]
        return [label for c in self.children for label in c.labels()]


def build(space, centre, members):
    """A node of some labels `[n]`, its centre among them."""
    far = space.distances(members, centre)
    level = space.level(far.max())
    if len(members) == 1:
        return Node(centre, level, [])
    if far.max() < SAME:  # the same vector: a leaf each
        others = members[members != centre].tolist()
        leaves = [Node(label, level, []) for label in [centre, *others]]
        return Node(centre, level, leaves)
    centres, owner = cover(space, members, [centre], level - 1)
    children = [
        build(space, label, members[owner == place])
        for place, label in enumerate(centres)
    ]
    return Node(centre, level, children)


def cover(space, members, centres, level):
    """Adds centres until each label is within b^level of one.

    The label that is farthest from all of them becomes the next.

    Returns:
        `(centres, owner)`: list of labels, those given first; and `[n]`, which
        of them is nearest to each label.
    """
    centres = list(centres)
    owner = np.zeros(len(members), int)
    nearest = np.full(len(members), np.inf)
    place = 0
    while place < len(centres) or nearest.max() > space.base**level:
        if place == len(centres):
            centres.append(int(members[nearest.argmax()]))
        new = space.distances(members, centres[place])
        owner[new < nearest] = place
        nearest = np.minimum(nearest, new)
        place += 1
    return centres, owner


def insert(space, node, labels):
    """The node with further labels `[n]` below it.

    Each goes to the nearest child, as far down as a child covers it; what none
    covers makes new children. A node that has to reach farther gets one above
    it, so that its own children need not be as far apart as those.
    """
    if not len(labels):
        return node
    far = space.distances(labels, node.centre).max()
    level, children = node.level, node.children
    if not children or space.level(far) > level:
        level, children = space.level(far), [node]
    if not node.children and far < SAME:  # the same vector: a leaf each
        leaves = [Node(label, level, []) for label in labels.tolist()]
        return Node(node.centre, level, [node, *leaves])
    known = len(children)
    own = [child.centre for child in children]
    centres, owner = cover(space, labels, own, level - 1)
    parts = [labels[owner == place] for place in range(len(centres))]
    children = [
        insert(space, child, part)
        for child, part in zip(children, parts, strict=False)
    ]
    for centre, part in zip(centres[known:], parts[known:], strict=True):
        children.append(build(space, centre, part))
    return Node(node.centre, level, children)


def remove(node, gone):
    """The node without some labels, and the labels that lost their node.

    Args:
        node: `Node`.
        gone: `[L]`, bool.

    Returns:
        `(node, labels)`: `None` for a node whose centre is gone, whose other
        labels then are in the list. A node of one child is replaced by it.
    """
    if gone[node.centre]:
        return None, [label for label in node.labels() if not gone[label]]
    kept, lost = [], []
    for child in node.children:
        child, labels = remove(child, gone)
        lost += labels
        if child is not None:
            kept.append(child)
    if len(kept) == 1:
        return kept[0], lost
    return dataclasses.replace(node, children=kept), lost


def drifted(space, root):
    """Whether labels break covering, or separation from a sibling: `[L]`."""
    found = np.zeros(len(space.vectors), bool)
    stack = [root]
    while stack:
        node = stack.pop()
        if not node.children:
            continue
        stack += node.children
        labels = np.array(node.labels())
        far = space.distances(labels, node.centre)
        found[labels] |= far > space.base**node.level * (1 + ROUNDING)
        if far.max() < SAME:
            continue
        centres = np.array([child.centre for child in node.children])
        least = space.base ** (node.level - 1) * (1 - ROUNDING)
        for place, centre in enumerate(centres[:-1]):
            others = centres[place + 1 :]
            found[others] |= space.distances(others, centre) <= least
    return found
