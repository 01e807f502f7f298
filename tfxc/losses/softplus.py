"""log(1 + e^x) from operations that compilers vectorise."""

from keras import ops

TERMS = 7  # the rest is below the rounding of float32


def softplus(x):
    """`log(1 + e^x)`, elementwise; for losses with a gradient of their own.

    For logarithms XLA calls the C library on CPUs, number by number, which
    takes longer than all else in a loss. With `y = e^-|x|`, at most 1,

    ```
    log(1 + e^x) = max(x, 0) + log(1 + y)
    log(1 + y)   = 2 artanh(u) = 2 (u + u^3 / 3 + u^5 / 5 + ...),
                   u = y / (2 + y), at most a third
    ```

    Args:
        x: Float32, of any shape; may be infinite.

    Returns:
        Float32, of the shape of `x`.

    Example:

    >>> float(softplus(np.float32(0)))
    0.6931471824645996
    """
    y = ops.exp(-ops.abs(x))
    u = y / (2 + y)
    square = u * u
    series = 0.0
    for power in reversed(range(TERMS)):
        series = series * square + 1 / (2 * power + 1)
    return ops.maximum(x, 0.0) + 2 * u * series
