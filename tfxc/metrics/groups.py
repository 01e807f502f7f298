"""Labels by how often they occur in training: head, torso, tail, unseen."""

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True)
class LabelGroups:
    """Labels in disjoint groups.

    Args:
        of_label: `[L]`, int8; index into `names` of each label's group.
        names: Names of the groups.
    """

    of_label: np.ndarray
    names: tuple[str, ...]


def frequency_groups(label_counts):
    """Splits labels into head, torso, tail and unseen.

    Labels are ordered by falling count, then by id. The head is the fewest
    labels that make up a third of all training pairs, head and torso are the
    fewest that make up two thirds, and the tail is all others that occur at
    all. So each of the three weighs about the same in P@k of a perfect model,
    however long the tail.

    Args:
        label_counts: `[L]`, int; in how many training rows each label occurs.

    Returns:
        `LabelGroups`.

    Example:

    >>> groups = tfxc.metrics.frequency_groups([1, 3, 0, 1, 1])
    >>> [groups.names[group] for group in groups.of_label]
    ['torso', 'head', 'unseen', 'tail', 'tail']
    """
    counts = np.asarray(label_counts, np.int64)  # [L]
    order = np.argsort(-counts, kind="stable")
    before = np.cumsum(counts[order]) - counts[order]  # pairs of earlier labels
    thirds = 3 * before // max(counts.sum(), 1)  # 0, 1 or 2
    of_label = np.empty(len(counts), np.int8)
    of_label[order] = thirds
    of_label[counts == 0] = 3
    return LabelGroups(of_label, ("head", "torso", "tail", "unseen"))


def rows_with_group(relevant, groups, name):
    """The rows that have a relevant label of one group.

    For a second `RankingMetrics` over, say, the rows with an unseen label: how
    well the model names what it was never trained on.

    Args:
        relevant: `LabelLists` of the relevant labels.
        groups: `LabelGroups`.
        name: Name of the group.

    Returns:
        `[n]`, int64; sorted row numbers.

    Example:

    >>> groups = tfxc.metrics.frequency_groups([7, 0, 2])
    >>> relevant = tfxc.data.LabelLists.from_pairs([0, 1, 1], [0, 1, 2], 2, 3)
    >>> rows = tfxc.metrics.rows_with_group(relevant, groups, "unseen")
    >>> rows.tolist()
    [1]
    >>> relevant.take(rows)[0].tolist()
    [1, 2]
    """
    inside = groups.of_label[relevant.ids] == groups.names.index(name)
    row = np.repeat(np.arange(len(relevant)), relevant.row_counts())
    return np.unique(row[inside])
