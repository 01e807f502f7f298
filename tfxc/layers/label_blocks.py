"""Scores of one block of labels at a time, and what is done with them.

Blocks lie as `[labels, queries]`: this way round all three matrix products
are fast on a CPU, and so are sums over labels.
"""

from typing import NamedTuple

import keras
from keras import ops

INFINITY = float("inf")
LOSSES = ("decoupled_softmax", "softmax", "binary_cross_entropy")


class Settings(NamedTuple):
    """What is fixed when a pass is compiled."""

    loss: str
    temperature: float
    block_labels: int
    cosine: bool
    shift: float


class Pairs(NamedTuple):
    """The positives of all queries, one after the other; label -1 is none."""

    labels: object  # [q * p], int32
    queries: object  # [q * p], int32


def compiled(function):
    """Compiles `function(..., settings)`, called eagerly or not.

    XLA's loops write into their arrays in place. Those of a TensorFlow graph
    would copy the gradient of the whole table for each block.
    """
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        return tf.function(function, jit_compile=True, autograph=False)
    if keras.backend.backend() == "jax":
        import jax

        return jax.jit(function, static_argnames="settings")
    return function


def unit_rows(rows):
    """Rows divided by their Euclidean norms; rows of zeros stay.

    Returns:
        The unit rows u, and the scale 1 / |w| `[rows, 1]`; a gradient g for u
        is `scale (g - (g . u) u)` for the rows w, exactly.
    """
    square = ops.sum(ops.square(rows), axis=-1, keepdims=True)
    scale = ops.rsqrt(square + 1e-12)
    return rows * scale, scale


def over_blocks(num_labels, step, state, settings):
    """Repeats `state = step(start, size, state)`; the last may be smaller."""
    size = min(settings.block_labels, num_labels)
    whole, rest = divmod(num_labels, size)
    state = ops.fori_loop(
        0, whole, lambda block, state: step(block * size, size, state), state
    )
    return step(whole * size, rest, state) if rest else state


def read_vectors(table, start, size, settings):
    """A block's label vectors `[b, d]`, and what divided them."""
    rows = ops.slice(table, (start, 0), (size, table.shape[1]))
    rows = ops.cast(rows, "float32")
    return unit_rows(rows) if settings.cosine else (rows, 1.0)


def score_block(vectors, queries, start, pairs, settings):
    """Scores of a block, `[b, q]`; -inf for positives that do not compete."""
    scores = ops.matmul(vectors, queries) - settings.shift
    if settings.loss != "decoupled_softmax":
        return scores
    return at_pairs(scores, start, pairs, -INFINITY, INFINITY, "min")


def at_pairs(block, start, pairs, values, neutral, reduction):
    """Changes a block `[b, q]` where labels are positives of the queries.

    Pairs of other blocks meet the first row with `neutral`, which changes
    nothing: what becomes of places out of range depends on the device.
    """
    rows = pairs.labels - start
    inside = ops.logical_and(rows >= 0, rows < block.shape[0])
    places = ops.stack([ops.where(inside, rows, 0), pairs.queries], axis=1)
    values = ops.where(inside, values, neutral)
    return ops.scatter_update(block, places, values, reduction=reduction)


def softplus(scores):
    """log(1 + e^x), without a logarithm.

    ```
    log(1 + e^x) = max(x, 0) + log(1 + e),  e = e^-|x|
    log(1 + e)   = 2 artanh(t),  t = e / (2 + e) <= 1/3
    ```

    Six terms of the series of artanh are as exact as float32, for tiny e too.
    XLA's log1p takes a CPU longer than a matrix product over the same scores.
    """
    e = ops.exp(-ops.abs(scores))
    t = e / (2 + e)
    square = t * t
    series = 1 / 11
    for power in (9, 7, 5, 3, 1):
        series = series * square + 1 / power
    return ops.maximum(scores, 0.0) + 2 * t * series
