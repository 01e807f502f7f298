"""What one training step sees: queries, candidates and their relevance."""

import numpy as np
import tensorflow as tf

NEGATIVE, POSITIVE, IGNORED = 0, 1, -1


def in_batch_candidates(relevant, shape, rng, every_positive=True):
    """The positives of a batch: together they are its candidates.

    One positive of each query is drawn. Where there is room, the other
    positives of the queries follow, and then labels at random. A candidate
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
    drawn = relevant.ids[relevant.splits[:-1] + drawn]  # [q]
    candidates = np.unique(drawn)
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
    column = np.searchsorted(candidates, drawn)
    relevance[np.arange(len(relevant)), column] = POSITIVE
    return candidates, relevance


def _filled(chosen, more, size, rng):
    """`chosen` and random ones of `more`, up to `size`: sorted, distinct."""
    more = np.setdiff1d(more, chosen)
    if len(more) > size - len(chosen):
        more = rng.choice(more, size - len(chosen), replace=False)
    return np.sort(np.concatenate([chosen, more]))


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
        queries: `Bags`; one row per training query.
        labels: `Bags`; one row per label.
        relevant: `LabelLists`; the labels of each query.
        batch_size: Queries of every batch; short batches are padded with rows
            that are ignored.
        num_candidates: Candidates of every batch, at least `batch_size`.
        seed: Seed of the positives drawn, together with epoch and step.
        every_positive: See `in_batch_candidates`.
    """

    shape = (batch_size, num_candidates)

    def batches():
        epoch, order = plan()
        for step, rows in enumerate(order):
            rng = np.random.default_rng((seed, epoch, step))
            candidates, relevance = in_batch_candidates(
                relevant.take(rows), shape, rng, every_positive
            )
            yield {
                "query": _padded(queries.take(rows), batch_size),
                "candidates": _padded(labels.take(candidates), num_candidates),
                "relevance": relevance,
            }

    def bag(bags, rows):
        shape = (rows, bags.ids.shape[1])
        return {
            "ids": tf.TensorSpec(shape, tf.int32),
            "weights": tf.TensorSpec(shape, tf.float16),
        }

    signature = {
        "query": bag(queries, batch_size),
        "candidates": bag(labels, num_candidates),
        "relevance": tf.TensorSpec(shape, tf.int8),
    }
    dataset = tf.data.Dataset.from_generator(
        batches, output_signature=signature
    )
    return dataset.prefetch(4)


def _padded(bag, size):
    """Appends rows of padding to a bag, up to `size` rows."""
    missing = size - len(bag["ids"])
    if not missing:
        return bag
    return {
        name: np.pad(array, ((0, missing), (0, 0)))
        for name, array in bag.items()
    }
