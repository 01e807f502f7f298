"""Passes over all labels, each of which holds the scores of one block."""

from keras import ops

from tfxc.layers.label_blocks import (
    INFINITY,
    at_pairs,
    over_blocks,
    read_vectors,
    score_block,
    softplus,
)


def log_normaliser(queries, table, pairs, settings):
    """Log of the sum of e^score, of each query: `[q]`.

    Over all labels, or under `"decoupled_softmax"` over those that are no
    positives of the query. With `top` from an earlier block, a block costs one
    exponential and one sum for each score.
    """
    queries = ops.transpose(queries) / settings.temperature  # [d, q]

    def step(start, size, state):
        top, total = state
        vectors, _ = read_vectors(table, start, size, settings)
        scores = score_block(vectors, queries, start, pairs, settings)
        more = total + ops.sum(ops.exp(scores - top), axis=0)

        def rescaled():
            # At the first block, or after it where scores rise by over 88.
            block = ops.logsumexp(scores, axis=0)
            return ops.logaddexp(top + ops.log(total), block), one

        return ops.cond(
            ops.all(ops.isfinite(more)), lambda: (top, more), rescaled
        )

    one = ops.ones(queries.shape[1])
    state = (-INFINITY * one, 0 * one)
    top, total = over_blocks(table.shape[0], step, state, settings)
    return top + ops.log(total)


def softplus_sum(queries, table, settings):
    """Sum of log(1 + e^score) over all labels, of each query: `[q]`."""
    queries = ops.transpose(queries) / settings.temperature  # [d, q]

    def step(start, size, total):
        vectors, _ = read_vectors(table, start, size, settings)
        scores = score_block(vectors, queries, start, None, settings)
        return total + ops.sum(softplus(scores), axis=0)

    total = ops.zeros(queries.shape[1])
    return over_blocks(table.shape[0], step, total, settings)


def gradients(queries, table, pairs, pull, log_z, weights, settings):
    """Gradients of a weighted sum of losses, from those at the scores.

    ```
    weight_q (p_ql - pull_ql),  p = e^(score - log_z) or sigmoid(score)
    ```

    Args:
        queries: `[q, d]`.
        table: `[labels, d]`.
        pairs: `Pairs`.
        pull: `[q * p]`; what is taken from p at each of the pairs.
        log_z: `[q]`, or `None` for the sigmoid.
        weights: `[q]`.
        settings: `Settings`.

    Returns:
        Gradients to `queries` and to `table`, and without `log_z` the
        `softplus_sum` too, or else zeros.
    """
    weighted = queries * weights[:, None] / settings.temperature  # [q, d]
    queries = ops.transpose(queries) / settings.temperature  # [d, q]

    def step(start, size, state):
        to_queries, to_table, total = state
        vectors, scale = read_vectors(table, start, size, settings)
        scores = score_block(vectors, queries, start, pairs, settings)
        if log_z is None:
            total = total + ops.sum(softplus(scores), axis=0)
            slopes = ops.sigmoid(scores)
        else:
            slopes = ops.exp(scores - log_z)
        slopes = at_pairs(slopes, start, pairs, -pull, 0.0, "add")
        to_queries = to_queries + ops.matmul(ops.transpose(vectors), slopes)
        change = ops.matmul(slopes, weighted)  # [b, d]
        if settings.cosine:
            along = ops.sum(change * vectors, axis=1, keepdims=True)
            change = scale * (change - along * vectors)
        change = ops.cast(change, table.dtype)
        to_table = ops.slice_update(to_table, (start, 0), change)
        return to_queries, to_table, total

    # Blocks overwrite all of this. Zeros would be a constant, which TensorFlow
    # makes while it compiles, and keeps: once more the memory of the table.
    to_table = ops.broadcast_to(table[0, 0], table.shape)
    state = ops.zeros(queries.shape), to_table, ops.zeros(queries.shape[1])
    to_queries, to_table, total = over_blocks(
        table.shape[0], step, state, settings
    )
    rate = weights[:, None] / settings.temperature
    return ops.transpose(to_queries) * rate, to_table, total
