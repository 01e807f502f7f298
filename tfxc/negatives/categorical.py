"""Draws from a few weights for each query, compiled."""

import keras
from keras import ops

from tfxc.negatives.bisection import num_at_most


def categorical(logits, num, seed):
    """Draws columns by the softmax of each row: `[b, num]`, int32.

    By the sums of probabilities up to each column, and one random number for a
    draw; `keras.random.categorical` takes one for each column of each draw.

    Args:
        logits: `[b, n]`, float32; -inf for what is never drawn.
        num: Draws for each row.
        seed: As in `keras.random`.
    """
    top = ops.max(logits, axis=1, keepdims=True)
    sums = ops.cumsum(ops.exp(logits - top), axis=1)  # [b, n]
    share = keras.random.uniform((logits.shape[0], num), seed=seed)
    share = share * sums[:, -1:]
    # The first column whose sum is above the share.
    found = num_at_most(sums, share)
    found = ops.minimum(found, logits.shape[1] - 1)
    # Rounding may end at a column that is never drawn.
    drawn = ops.isfinite(ops.take_along_axis(logits, found, axis=1))
    best = ops.cast(ops.argmax(logits, axis=1, keepdims=True), "int32")
    return ops.where(drawn, found, best)
