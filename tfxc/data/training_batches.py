"""What one training step sees: queries, candidates and their relevance."""

import numpy as np
import tensorflow as tf

NEGATIVE, POSITIVE, IGNORED = 0, 1, -1


def in_batch_candidates(relevant, size, rng, every_positive=True):
    """Draws one positive of each query; together they are the candidates.

    A candidate that is known to be right for another query of the batch is a
    positive of it too, or ignored, but never its negative. Columns and rows
    beyond those in use are ignored.

    Args:
        relevant: `LabelLists` of the batch's queries; no row empty.
        size: Number of rows and columns of the result.
        rng: `numpy.random.Generator`.
        every_positive: Whether known positives that were drawn for another
            query count as positives; else they are ignored, as in NGAME.

    Returns:
        `(candidates [c] int, relevance [size, size] int8)`; candidates are
        distinct, and c is at most `size`.
    """
    counts = relevant.row_counts()
    drawn = (rng.random(len(relevant)) * counts).astype(np.int64)
    drawn = relevant.ids[relevant.splits[:-1] + drawn]  # [q]
    candidates, column = np.unique(drawn, return_inverse=True)

    relevance = np.full((size, size), IGNORED, np.int8)
    relevance[: len(relevant), : len(candidates)] = NEGATIVE
    place = np.searchsorted(candidates, relevant.ids)
    place = np.minimum(place, len(candidates) - 1)
    known = candidates[place] == relevant.ids
    row = np.repeat(np.arange(len(relevant)), counts)
    relevance[row[known], place[known]] = POSITIVE if every_positive else -1
    relevance[np.arange(len(relevant)), column] = POSITIVE
    return candidates, relevance


def training_batches(
    plan, queries, labels, relevant, batch_size, seed, every_positive=True
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
        batch_size: Queries and candidates of every batch; short batches are
            padded with rows that are ignored.
        seed: Seed of the positives drawn, together with epoch and step.
        every_positive: See `in_batch_candidates`.
    """

    def batches():
        epoch, order = plan()
        for step, rows in enumerate(order):
            rng = np.random.default_rng((seed, epoch, step))
            candidates, relevance = in_batch_candidates(
                relevant.take(rows), batch_size, rng, every_positive
            )
            yield {
                "query": _padded(queries.take(rows), batch_size),
                "candidates": _padded(labels.take(candidates), batch_size),
                "relevance": relevance,
            }

    def bag(bags):
        shape = (batch_size, bags.ids.shape[1])
        return {
            "ids": tf.TensorSpec(shape, tf.int32),
            "weights": tf.TensorSpec(shape, tf.float16),
        }

    signature = {
        "query": bag(queries),
        "candidates": bag(labels),
        "relevance": tf.TensorSpec((batch_size, batch_size), tf.int8),
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
