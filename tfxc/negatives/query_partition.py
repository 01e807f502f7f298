"""The labels as a query sees them: near ones singly, far ones in groups."""

import math
from typing import NamedTuple

from keras import ops

from tfxc.negatives.scores import block_scores, exact_scores, num_levels


class Partition(NamedTuple):
    """Groups that together hold every label once, for each query.

    Args:
        logits: `[b, groups]`, float32; log of what a group weighs, -inf for one
            that was opened.
        starts: `[b, groups]`, int32; place of its first label.
        sizes: `[b, groups]`, int32.
        slack: `[b, groups]`, float32; how far from what its weight is made of a
            member may be; 0 for labels that were scored exactly.
        log_z: `[b, 1]`, float32; log of the sum of all weights.
        opened: For each level, the groups that were opened: `[b, m]`, int32;
            -1 for none.
        exact: `[b, k]`, int32; the places of the labels that were scored
            exactly, ascending; -1 for none.
    """

    logits: object
    starts: object
    sizes: object
    slack: object
    log_z: object
    opened: list
    exact: object


def query_partition(arrays, queries, num_opened, num_exact):
    """Opens the tree near each query.

    Args:
        arrays: What `tree_arrays` returns, as variables.
        queries: `[b, d]`, float32; times the inverse temperature.
        num_opened: Groups of each level that are opened.
        num_exact: Labels that are scored exactly, of those in opened leaves;
            the others by their sketches.

    Returns:
        `Partition`.
    """
    groups, opened, leaves = open_groups(arrays, queries, num_opened)
    labels, exact = score_labels(arrays, queries, leaves, num_exact)
    logits, starts, sizes, slack = (
        ops.concatenate(parts, axis=1)
        for parts in zip(*groups, labels, strict=True)
    )
    log_z = ops.logsumexp(logits, axis=1, keepdims=True)
    return Partition(logits, starts, sizes, slack, log_z, opened, exact)


def open_groups(arrays, queries, num_opened):
    """Scores the means of groups, level by level, and opens the nearest.

    Returns:
        `(groups, opened, leaves)`: for each level `(logits, starts, sizes,
        slack)`; the opened groups of each level; and of the last one
        `(ids [b, m] int32, means' scores [b, m], known [b, m] bool)`.
    """
    rows, groups, opened, chosen, known = queries.shape[0], [], [], None, None
    means = arrays["means_0"]
    ids = ops.arange(means.shape[0], dtype="int32")
    ids = ops.broadcast_to(ids, (rows, means.shape[0]))
    score = ops.matmul(queries, ops.transpose(means))
    for level in range(num_levels(arrays)):
        if level:
            means = arrays[f"means_{level}"]  # [parents, d, most children]
            ids, valid = members(
                arrays[f"children_{level - 1}"], chosen, known, means.shape[2]
            )
            score = block_scores(queries, means, chosen)
            score = ops.where(valid, score, -math.inf)
        count = min(num_opened, score.shape[1])
        best, top = ops.top_k(score, count)  # [b, m]
        places = ops.arange(score.shape[1], dtype="int32")
        is_open = ops.any(top[:, :, None] == places, axis=1)
        splits = arrays[f"splits_{level}"]
        start = ops.take(splits, ids)
        size = ops.take(splits, ids + 1) - start
        logit = score + ops.log(ops.cast(size, "float32"))
        slack = ops.take(arrays[f"radii_{level}"], ids)
        logit = ops.where(is_open, -math.inf, logit)
        groups.append((logit, start, size, slack))
        chosen = ops.take_along_axis(ids, top, axis=1)
        known = ops.isfinite(best)
        opened.append(ops.where(known, chosen, -1))
    return groups, opened, (chosen, best, known)


def score_labels(arrays, queries, leaves, num_exact):
    """Scores the labels of opened leaves.

    Returns:
        `((logits, starts, sizes, slack), exact)`, see `Partition`.
    """
    chosen, of_means, known = leaves
    splits = arrays[f"splits_{num_levels(arrays) - 1}"]
    width = arrays["sketches"].shape[2]
    places, valid = members(splits, chosen, known, width)
    if places.shape[1] <= num_exact:
        score = exact_scores(arrays, queries, places)
        slack = ops.zeros_like(score)
        exact = ops.where(valid, places, -1)
    else:
        seen = ops.matmul(queries, arrays["directions"])
        score = block_scores(seen, arrays["sketches"], chosen)
        score = score + repeated(of_means, width)
        score = ops.where(valid, score, -math.inf)
        slack = repeated(ops.take(arrays["unseen"], chosen), width)
        # Of top_k only one part is used: else XLA sorts whole rows.
        top = ops.top_k(score, num_exact)[1]
        exact = ops.take_along_axis(places, top, axis=1)
        near = exact_scores(arrays, queries, exact)
        score = replaced(score, top, near)
        slack = replaced(slack, top, ops.zeros_like(near))
        known = ops.take_along_axis(valid, top, axis=1)
        exact = ops.where(known, exact, -1)
    score = ops.where(valid, score, -math.inf)
    labels = score, places, ops.ones_like(places), slack
    return labels, ops.sort(exact, axis=1)


def members(splits, chosen, known, width):
    """What is in some groups: `(ids [b, m * width] int32, valid)`.

    Args:
        splits: `[groups + 1]`, int32.
        chosen: `[b, m]`, int32; groups.
        known: `[b, m]`, bool; others have no members.
        width: Most members of a group.
    """
    first, end = ops.take(splits, chosen), ops.take(splits, chosen + 1)
    ids = first[:, :, None] + ops.arange(width, dtype="int32")
    valid = ops.logical_and(ids < end[:, :, None], known[:, :, None])
    shape = (chosen.shape[0], chosen.shape[1] * width)
    ids = ops.where(valid, ids, 0)
    return ops.reshape(ids, shape), ops.reshape(valid, shape)


def repeated(array, count):
    """Each column so many times: `[b, m]` becomes `[b, m * count]`."""
    rows, columns = array.shape
    wide = ops.broadcast_to(array[:, :, None], (rows, columns, count))
    return ops.reshape(wide, (rows, columns * count))


def replaced(array, columns, values):
    """`array` with other values in some columns of each row.

    Args:
        array: `[b, n]`.
        columns: `[b, k]`, int; distinct in each row.
        values: `[b, k]`.
    """
    rows = ops.arange(array.shape[0], dtype="int32")[:, None]
    rows = ops.broadcast_to(rows, columns.shape)
    where = ops.stack([rows, ops.cast(columns, "int32")], axis=-1)
    return ops.scatter_update(
        array, ops.reshape(where, (-1, 2)), ops.reshape(values, (-1,))
    )
