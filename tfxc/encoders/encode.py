"""Vectors of many rows, block by block."""

import functools

import numpy as np
import tensorflow as tf


def encode(encoder, bags, rows=None, block_rows=1024):
    """Encodes the rows of `bags`.

    Blocks have one shape, the last one padded, so there is one compilation
    for each length of bags, however often this is called.

    Args:
        encoder: Layer that maps `{"ids", "weights"}` to `[b, d]` vectors.
        bags: `Bags`.
        rows: `[n]`, int; the rows to encode, all by default.
        block_rows: Rows of a block.

    Returns:
        `[n, d]`, float32 array.
    """
    if rows is None:
        rows = np.arange(len(bags))
    step = compiled(encoder)
    vectors = np.empty((len(rows), encoder.dim), np.float32)
    for start in range(0, len(rows), block_rows):
        block = rows[start : start + block_rows]
        missing = block_rows - len(block)
        inputs = {
            name: np.pad(array, ((0, missing), (0, 0)))
            for name, array in bags.take(block).items()
        }
        vectors[start : start + len(block)] = step(inputs)[: len(block)]
    return vectors


@functools.lru_cache(maxsize=2)
def compiled(encoder):
    """The encoder as one compiled function."""
    return tf.function(encoder, jit_compile=True)
