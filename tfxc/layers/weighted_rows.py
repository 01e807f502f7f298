"""Weighted sums of a table's rows, and their transpose, in little memory.

A batch of five thousand bags of 24 tokens has rows for 250 MB. XLA would write
them all before it adds them up, and the changes of a table before it applies
them; on a CPU, both took most of a training step. Here only some places of all
bags are looked at together, in one fused loop, unless bags are few.
"""

from keras import ops

PLACES = 8  # of a bag, that are looked at together
FEW = 2**21  # numbers of rows that may be held at once


def weighted_rows(table, ids, weights):
    """Sum of the rows of each bag: `sum over n of weights[b, n] table[ids]`.

    Args:
        table: `[rows, d]`, float.
        ids: `[b, n]`, int; n is static.
        weights: `[b, n]`, float.

    Returns:
        `[b, d]`, of the type of the table.

    Example:

    >>> table = np.array([[1.0], [10.0], [100.0]])
    >>> sums = tfxc.layers.weighted_rows(table, [[0, 2], [1, 1]], np.eye(2))
    >>> sums[:, 0].numpy().tolist()
    [1.0, 10.0]
    """
    table, ids = map(ops.convert_to_tensor, (table, ids))
    weights = ops.cast(weights, table.dtype)
    bags, places = ids.shape  # None when serving: most often one bag
    if bags is None or bags * places * table.shape[1] <= FEW:
        rows = ops.take(table, ids, axis=0)
        return ops.sum(rows * weights[:, :, None], axis=1)
    ids, weights = _in_steps(ids), _in_steps(weights)

    def step(index, sums):
        for place in range(ids.shape[1]):
            rows = ops.take(table, ids[index, place], axis=0)  # [b, d]
            sums = sums + rows * weights[index, place][:, None]
        return sums

    sums = ops.zeros((ids.shape[2], table.shape[1]), table.dtype)
    return ops.fori_loop(0, ids.shape[0], step, sums)


def add_weighted_rows(table, ids, weights, vectors):
    """Adds `weights[b, n] vectors[b]` to row `ids[b, n]`, for all b and n.

    Compiled by XLA, the table is changed where it is.

    Args:
        table: `[rows, d]`, float.
        ids: `[b, n]`, int; n is static.
        weights: `[b, n]`, float.
        vectors: `[b, d]`, float.

    Returns:
        The changed table.

    Example:

    >>> table = tfxc.layers.add_weighted_rows(
    ...     np.zeros((3, 1)), [[0, 2]], [[0.5, 2.0]], [[4.0]])
    >>> table[:, 0].numpy().tolist()
    [2.0, 0.0, 8.0]
    """
    table, ids = map(ops.convert_to_tensor, (table, ids))
    weights, vectors = (ops.cast(x, table.dtype) for x in (weights, vectors))
    ids, weights = ops.transpose(ids), ops.transpose(weights)

    def step(place, table):
        change = weights[place][:, None] * vectors  # [b, d]
        rows = ids[place][:, None]
        return ops.scatter_update(table, rows, change, reduction="add")

    return ops.fori_loop(0, ids.shape[0], step, table)


def _in_steps(values):
    """`[b, n]` as `[steps, places, b]`; zeros fill the last step."""
    values = ops.transpose(values)
    places = min(values.shape[0], PLACES)
    values = ops.pad(values, [[0, -values.shape[0] % places], [0, 0]])
    steps = values.shape[0] // places
    return ops.reshape(values, (steps, places, -1))
