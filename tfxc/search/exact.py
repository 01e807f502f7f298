"""Exact top-k by inner product, in blocks that stay in cache."""

import numpy as np

SCORES = 2**22  # scores held at once: 16 MiB, about what a cache holds
MAX_ROWS = 4096
MAX_LABELS = 2**15  # up to here all labels make one block


def exact_top_k(
    queries, labels, k, filtered=None, block_rows=None, block_labels=None
):
    """The `k` labels of largest inner product for each query, in blocks.

    Sorting the scores of all labels costs more than computing them. But the
    k-th largest of the maxima of disjoint groups of labels is a lower bound of
    the k-th best score, and cheap: only the few scores that reach it, about
    1.1 k of them, are gathered and sorted.

    Works on NumPy's threads. Memory beyond the inputs is one block of scores,
    `5 x block_rows x block_labels` bytes, and one block of queries and labels
    where they are not float32 already. It takes up to 13 times that for a
    moment where all queries of a block score all labels the same.

    Args:
        queries: `[q, d]`, any float dtype; may be memory-mapped.
        labels: `[L, d]`, any float dtype; may be memory-mapped.
        k: Positive integer.
        filtered: `LabelLists` of `q` rows: labels that a query shall not get.
            They are taken out before the top k are, so the next ones move up.
        block_rows: Queries per block; by default such that a block of scores
            takes 16 MiB.
        block_labels: Labels per block; by default all of up to 32,768, else
            8,192.

    Returns:
        An iterator of `(start, scores [b, k] float32, ids [b, k] int32)` over
        blocks of queries `start..start + b - 1`, best label first. Of equal
        scores the lower id comes first. Where fewer than `k` labels are left:
        score -inf, id -1; so, too, for a query that holds a NaN.

    Raises:
        ValueError: if shapes disagree or `k` is not positive.

    Example:

    >>> labels = np.eye(3, dtype=np.float32)
    >>> [block] = tfxc.search.exact_top_k([[1.0, 3.0, 2.0]], labels, k=2)
    >>> start, scores, ids = block
    >>> start, scores.tolist(), ids.tolist()
    (0, [[3.0, 2.0]], [[1, 2]])
    """
    queries, labels = np.asanyarray(queries), np.asanyarray(labels)
    _check(queries, labels, k, filtered)
    num_labels = len(labels)
    if block_labels is None:
        block_labels = num_labels if num_labels <= MAX_LABELS else 8192
    block_labels = max(1, min(block_labels, num_labels))
    if block_rows is None:
        block_rows = min(MAX_ROWS, SCORES // block_labels)
    block_rows = max(1, min(block_rows, len(queries)))
    if block_labels == num_labels:
        labels = np.asarray(labels, np.float32)  # converted once, not per block
    return _blocks(queries, labels, k, filtered, block_rows, block_labels)


class ExactSearch:
    """Exact search among label vectors; see `exact_top_k`.

    Args:
        label_vectors: `[L, d]`, any float dtype; may be memory-mapped.

    Example:

    >>> search = tfxc.search.ExactSearch(np.eye(3))
    >>> [(start, scores, ids)] = search.top_k([[1.0, 3.0, 2.0]], k=2)
    >>> ids.tolist()
    [[1, 2]]
    """

    def __init__(self, label_vectors):
        self.label_vectors = label_vectors

    def top_k(self, queries, k, filtered=None):
        """Iterates over blocks of queries; see `exact_top_k`."""
        return exact_top_k(queries, self.label_vectors, k, filtered)


def _check(queries, labels, k, filtered):
    if queries.ndim != 2 or queries.shape[1:] != labels.shape[1:]:
        raise ValueError(
            "`queries` and `labels` must be [q, d] and [L, d]. "
            f"Received: {queries.shape} and {labels.shape}"
        )
    if k < 1:
        raise ValueError(f"`k` must be at least 1. Received: k={k}")
    if filtered is None:
        return
    shape = (len(filtered), filtered.num_columns)
    if shape != (len(queries), len(labels)):
        raise ValueError(
            "`filtered` must have one row per query and one column per label, "
            f"{len(queries)} and {len(labels)}. "
            f"Received: {shape[0]} and {shape[1]}"
        )


def _blocks(queries, labels, k, filtered, block_rows, block_labels):
    memory = np.empty(block_rows * block_labels, np.float32)
    for start in range(0, len(queries), block_rows):
        block = np.asarray(queries[start : start + block_rows], np.float32)
        rows = len(block)
        best = (
            np.empty((rows, 0), np.float32),
            np.empty((rows, 0), np.int32),
        )
        for first in range(0, len(labels), block_labels):
            part = np.asarray(labels[first : first + block_labels], np.float32)
            # A fresh array per block would cost as much as the selection.
            scores = memory[: rows * len(part)].reshape(rows, len(part))
            np.matmul(block, part.T, out=scores)  # [b, n]
            if filtered is not None:
                _remove(scores, filtered, start, first)
            best = _merge(best, _candidates(scores, best[0], k), first, k)
        missing = ((0, 0), (0, k - best[0].shape[1]))
        yield (
            start,
            np.pad(best[0], missing, constant_values=-np.inf),
            np.pad(best[1], missing, constant_values=-1),
        )


def _remove(scores, filtered, start, first):
    """Sets the scores of filtered pairs to -inf."""
    rows, columns = scores.shape
    splits = filtered.splits[start : start + rows + 1]
    ids = filtered.ids[splits[0] : splits[-1]] - first
    row = np.repeat(np.arange(rows), np.diff(splits))
    inside = (ids >= 0) & (ids < columns)
    scores[row[inside], ids[inside]] = -np.inf


def _lower_bound(scores, best, k):
    """At most the k-th best score of each row, and finite: `[b]`.

    `best` holds the scores found among earlier labels, best first. The groups
    are interleaved: columns i, i + groups, i + 2 groups... make group i.
    """
    rows, columns = scores.shape
    bound = np.full(rows, np.finfo(np.float32).min, np.float32)  # not -inf
    if k <= best.shape[1]:
        bound = np.maximum(bound, best[:, k - 1])
    if k <= columns:
        groups = min(columns, max(8 * k, 512))
        whole = columns // groups * groups
        maxima = scores[:, :whole].reshape(rows, -1, groups).max(axis=1)
        place = groups - k
        maxima = np.partition(maxima, place, axis=1)
        bound = np.maximum(bound, maxima[:, place])
    return bound


def _candidates(scores, best, k):
    """All that may be among the best: `(row, column, score)`, in that order."""
    bound = _lower_bound(scores, best, k)
    places = np.flatnonzero(scores >= bound[:, None])
    row, column = np.divmod(places, scores.shape[1])
    score = scores[row, column]
    # Thousands may equal the bound (a query of zeros): k of a row suffice.
    tied = score == bound[row]
    ties = np.cumsum(tied)
    before = np.concatenate([[0], ties])[np.searchsorted(row, row)]
    keep = ~tied | (ties - before <= k)
    return row[keep], column[keep], score[keep]


def _merge(best, candidates, first, k):
    """The best of those found before and of `candidates`: `[b, <= k]` each."""
    row, column, score = candidates
    rows = len(best[0])
    counts = np.bincount(row, minlength=rows)
    place = np.arange(len(row)) - (np.cumsum(counts) - counts)[row]
    width = counts.max(initial=0)
    scores = np.full((rows, width), -np.inf, np.float32)
    scores[row, place] = score
    ids = np.full((rows, width), -1, np.int32)
    ids[row, place] = column + first
    scores = np.concatenate([best[0], scores], axis=1)
    ids = np.concatenate([best[1], ids], axis=1)
    # Columns are in the order of ids, so a stable sort keeps ties in it.
    order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    return (
        np.take_along_axis(scores, order, axis=1),
        np.take_along_axis(ids, order, axis=1),
    )
