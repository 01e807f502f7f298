"""Search in sorted rows, compiled."""

from keras import ops


def num_at_most(rows, values):
    """How many numbers of each sorted row are at most a value.

    Args:
        rows: `[b, n]`; ascending.
        values: `[b, m]`.

    Returns:
        `[b, m]`, int32.

    Example:

    >>> num_at_most(np.array([[1, 3, 3, 9]]), np.array([[3, 0]])).numpy()
    array([[3, 0]], dtype=int32)
    """
    count = rows.shape[1]
    found = ops.zeros(values.shape, "int32")
    for power in reversed(range(count.bit_length())):
        ahead = found + 2**power
        last = ops.minimum(ahead, count) - 1
        below = ops.take_along_axis(rows, last, axis=1) <= values
        found = ops.where(ops.logical_and(below, ahead <= count), ahead, found)
    return found


def is_among(rows, values):
    """Whether each value is in the sorted row: `[b, m]`, bool.

    Args:
        rows: `[b, n]`; ascending.
        values: `[b, m]`.
    """
    last = ops.maximum(num_at_most(rows, values) - 1, 0)
    return ops.equal(ops.take_along_axis(rows, last, axis=1), values)
