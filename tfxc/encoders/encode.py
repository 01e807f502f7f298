"""Vectors of many rows, block by block."""

import numpy as np
import tensorflow as tf


def encode(encoder, bags, block_rows=2048, dtype=np.float32):
    """Encodes every row of `bags`.

    Blocks have one shape, the last one padded, so there is one compilation.

    Args:
        encoder: Layer that maps `{"ids", "weights"}` to `[b, d]` vectors.
        bags: `Bags`.
        block_rows: Rows of a block.
        dtype: Type of the result.

    Returns:
        `[len(bags), d]` array.
    """
    block_rows = min(block_rows, max(len(bags), 1))
    step = tf.function(encoder, jit_compile=True, reduce_retracing=True)
    vectors = np.empty((len(bags), encoder.dim), dtype)
    for start in range(0, len(bags), block_rows):
        rows = slice(start, start + block_rows)
        inputs = bags.take(rows)
        missing = block_rows - len(inputs["ids"])
        inputs = {
            name: np.pad(array, ((0, missing), (0, 0)))
            for name, array in inputs.items()
        }
        block = step(inputs).numpy()
        vectors[rows] = block[: block_rows - missing]
    return vectors
