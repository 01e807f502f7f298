"""What one training step sees: queries, candidates and their relevance."""

import numpy as np
import tensorflow as tf

NEGATIVE, POSITIVE, IGNORED = 0, 1, -1


def in_batch_candidates(relevant, shape, rng, every_positive=True):
    """The positives of a batch: together they are its candidates.

    One positive of each query is drawn. Where there is room, the other
    positives of the queries follow, and then labels at random; where there is
    room for all labels, they all are candidates. A candidate
    that is known to be right for a query is a positive of it, or is ignored,
    but never its negative. Rows and columns beyond those in use are ignored.

    Args:
        relevant: `LabelLists` of the batch's queries; no row empty.
        shape: `(queries, candidates)` of the result, with room for one
            positive of each query.
        rng: `numpy.random.Generator`.
        every_positive: Whether positives that were not drawn count as
            positives; else they are ignored, as in NGAME.

    Returns:
        `(candidates [c] int, relevance [queries, candidates] int8)`;
        candidates are sorted and distinct.
    """
    counts = relevant.row_counts()
    drawn = (rng.random(len(relevant)) * counts).astype(np.int64)
    drawn += relevant.splits[:-1]  # [q], entries of `relevant.ids`
    candidates = _distinct(relevant.ids[drawn])
    if relevant.num_columns <= shape[1]:
        candidates = np.arange(relevant.num_columns)
    if len(candidates) < shape[1]:
        candidates = _filled(candidates, relevant.ids, shape[1], rng)
    if len(candidates) < shape[1]:
        anything = rng.integers(relevant.num_columns, size=shape[1])
        candidates = _filled(candidates, anything, shape[1], rng)

    relevance = np.full(shape, IGNORED, np.int8)
    relevance[: len(relevant), : len(candidates)] = NEGATIVE
    place = np.searchsorted(candidates, relevant.ids)
    place = np.minimum(place, len(candidates) - 1)
    known = candidates[place] == relevant.ids
    row = np.repeat(np.arange(len(relevant)), counts)
    others = POSITIVE if every_positive else IGNORED
    relevance[row[known], place[known]] = others
    relevance[np.arange(len(relevant)), place[drawn]] = POSITIVE
    return candidates, relevance


def _filled(chosen, more, size, rng):
    """`chosen` and random ones of `more`, up to `size`: sorted, distinct."""
    place = np.minimum(np.searchsorted(chosen, more), len(chosen) - 1)
    more = _distinct(more[chosen[place] != more])
    missing = size - len(chosen)
    if len(more) > missing:
        more = more[np.argsort(rng.random(len(more)))[:missing]]
    return np.sort(np.concatenate([chosen, more]))


def _distinct(values):
    """Sorted, without repeats; NumPy's own way hashes, which is slower."""
    values = np.sort(values)
    first = np.ones(len(values), bool)
    first[1:] = values[1:] != values[:-1]
    return values[first]


def training_batches(
    plan,
    queries,
    labels,
    relevant,
    batch_size,
    num_candidates,
    seed,
    every_positive=True,
):
    """The batches of an epoch, as a `tf.data.Dataset` for `DualEncoder.fit`.

    tf.data only gathers: which rows meet in a batch is decided by `plan`.

    Args:
        plan: Function without arguments that returns `(epoch, batches)`, with
            `batches` a list of row ids, each `[at most batch_size]`; called
            when an iteration over the data set begins.
        queries: `Bags` or `Sequences`; one row per training query.
        labels: The same; one row per label.
        relevant: `LabelLists`; the labels of each query.
        batch_size: Queries of every batch; short batches are padded with rows
            that are ignored.
        num_candidates: Candidates of every batch, at least `batch_size`.
        seed: Seed of the positives drawn, together with epoch and step.
        every_positive: See `in_batch_candidates`.

    Raises:
        ValueError: if `num_candidates` is below `batch_size`.
    """
    if num_candidates < batch_size:
        raise ValueError(
            f"`num_candidates` must be at least batch_size={batch_size}, one "
            f"for each query. Received: {num_candidates}"
        )
    shape = (batch_size, num_candidates)

    def start():
        epoch, order = plan()
        splits = np.cumsum([0, *map(len, order)])
        rows = np.concatenate([np.empty(0, np.int64), *order])
        return np.int64(epoch), rows.astype(np.int64), splits

    def steps(_):
        # In the graph, so that each iteration keeps the plan it began with.
        epoch, rows, splits = tf.numpy_function(start, [], [tf.int64] * 3)
        count = tf.size(splits, tf.int64) - 1
        return tf.data.Dataset.range(count).map(
            lambda step: (epoch, step, rows[splits[step] : splits[step + 1]])
        )

    def batch(epoch, step, rows):
        rng = np.random.default_rng((seed, int(epoch), int(step)))
        candidates, relevance = in_batch_candidates(
            relevant.take(rows), shape, rng, every_positive
        )
        query = queries.take(rows, batch_size)
        label = labels.take(candidates, num_candidates)
        return *query.values(), *label.values(), relevance

    sides = {
        "query": (queries.fields, batch_size),
        "candidates": (labels.fields, num_candidates),
    }

    def tensors(*step):
        types = [
            dtype
            for fields, _ in sides.values()
            for dtype, _ in fields.values()
        ]
        arrays = iter(
            tf.numpy_function(batch, step, [*types, np.int8], stateful=False)
        )
        result = {
            side: {
                name: tf.ensure_shape(next(arrays), (size, *row_shape))
                for name, (_, row_shape) in fields.items()
            }
            for side, (fields, size) in sides.items()
        }
        return {**result, "relevance": tf.ensure_shape(next(arrays), shape)}

    batches = tf.data.Dataset.from_tensors(0).flat_map(steps)
    # One batch ahead of the training step; more threads would only wait for
    # each other, as the gathering is Python's.
    return batches.map(tensors, num_parallel_calls=1)
