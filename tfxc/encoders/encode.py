"""Vectors of many rows, block by block."""

import functools

import keras
import numpy as np


def encode(encoder, inputs, rows=None, block_rows=1024, dtype=np.float32):
    """Encodes rows.

    Blocks have one shape, the last one padded, so there is one compilation
    for each length, however often this is called. Rows of similar length make
    a block, for little padding.

    Args:
        encoder: Layer that maps what `inputs.take` returns to `[b, d]` vectors.
        inputs: `Bags` or `Sequences`.
        rows: `[n]`, int; the rows to encode, all by default.
        block_rows: Rows of a block.
        dtype: Of the result; float16 halves the memory of a large one.

    Returns:
        `[n, d]` array.
    """
    if rows is None:
        rows = np.arange(len(inputs))
    step_for = compiled(encoder)
    vectors = np.empty((len(rows), encoder.dim), dtype)
    order = np.argsort(inputs.lengths(rows), kind="stable")
    for start in range(0, len(rows), block_rows):
        places = order[start : start + block_rows]
        block = inputs.take(rows[places], block_rows)
        shapes = tuple(x.shape for x in keras.tree.flatten(block))
        block = step_for(shapes)(block)
        vectors[places] = block[: len(places)]
    return vectors


@functools.lru_cache(maxsize=2)
def compiled(encoder):
    """A function that returns the encoder, compiled for some shapes.

    One function for all would be traced as often, and TensorFlow would warn.
    """
    import tensorflow as tf

    return functools.cache(
        lambda shapes: tf.function(encoder, jit_compile=True)
    )
