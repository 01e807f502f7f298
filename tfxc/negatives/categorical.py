"""Draws from a few weights for each query, compiled."""

import math

import keras
from keras import ops

from tfxc.negatives.bisection import num_at_most


def categorical(logits, num, seed):
    """Draws columns by the softmax of each row: `[b, num]`, int32.

    By the sums of probabilities up to each column, and one random number for a
    draw; `keras.random.categorical` takes one for each column of each draw. XLA
    is slow at running sums, so they go over blocks of columns first, and then
    over the columns of the block that has the draw.

    Args:
        logits: `[b, n]`, float32; -inf for what is never drawn.
        num: Draws for each row.
        seed: As in `keras.random`.
    """
    rows, count = logits.shape
    width = math.isqrt(count)
    blocks = -(-count // width)
    top = ops.max(logits, axis=1, keepdims=True)
    weights = ops.pad(
        ops.exp(logits - top), [[0, 0], [0, blocks * width - count]]
    )
    weights = ops.reshape(weights, (rows, blocks, width))
    ends = ops.cumsum(ops.sum(weights, axis=2), axis=1)  # [b, blocks]
    share = keras.random.uniform((rows, num), seed=seed) * ends[:, -1:]
    # The first block whose end is above the share, and its first such column.
    block = ops.minimum(num_at_most(ends, share), blocks - 1)
    starts = ops.pad(ends[:, :-1], [[0, 0], [1, 0]])
    share = share - ops.take_along_axis(starts, block, axis=1)
    row = ops.arange(rows, dtype="int32")[:, None] * blocks + block
    inner = ops.take(ops.reshape(weights, (-1, width)), row, axis=0)
    below = ops.cumsum(inner, axis=2) <= share[:, :, None]  # [b, num, width]
    column = ops.sum(ops.cast(below, "int32"), axis=2)
    found = ops.minimum(block * width + column, count - 1)
    # Rounding may end at a column that is never drawn.
    drawn = ops.isfinite(ops.take_along_axis(logits, found, axis=1))
    best = ops.cast(ops.argmax(logits, axis=1, keepdims=True), "int32")
    return ops.where(drawn, found, best)
