"""The tail of an adaptive softmax, in the memory of the rows it concerns."""

from keras import ops

from tfxc.layers.row_labels import sum_at
from tfxc.layers.some_rows import over_chosen_rows, updated


def tail_log_probs(inputs, projection, table):
    """log p of a tail's labels, given the tail: `[b, size]`, float32.

    Args:
        inputs: `[b, d]`, float.
        projection: `[d, inner]`, float.
        table: `[inner, size]`, float.
    """
    scores = ops.matmul(ops.matmul(inputs, projection), table)
    return ops.log_softmax(ops.cast(scores, "float32"), axis=-1)


def tail_log_likelihood(inputs, labels, projection, table, room):
    """The sum of log p of each row's labels of a tail, given the tail.

    Only rows with such labels are compared with the tail, `room` at a time,
    once for the value and once more for the gradients, so that no more than
    `room * size` scores are ever kept.

    Args:
        inputs: `[b, d]`, float.
        labels: `[b, p]`, int; places in the tail, -1 for none.
        projection: `[d, inner]`, float.
        table: `[inner, size]`, float.
        room: Integer in `[1, b]`.

    Returns:
        `[b]`, float32; 0 for rows without a label of the tail.
    """
    chosen = ops.any(labels >= 0, axis=1)
    # This reads variables; compiled loops would keep hold of them.
    projection = ops.reshape(projection, projection.shape)
    table = ops.reshape(table, table.shape)

    @ops.custom_gradient
    def run(inputs, projection, table):
        weights = ops.stop_gradient(projection), ops.stop_gradient(table)
        inputs = ops.stop_gradient(inputs)

        def add(rows, new, sums):
            log_p = tail_log_probs(ops.take(inputs, rows, axis=0), *weights)
            found = sum_at(log_p, ops.take(labels, rows, axis=0))
            return (updated(sums, rows, new, found),)

        def gradient(*arguments, upstream=None):
            upstream = arguments[0] if upstream is None else upstream
            return _gradients(inputs, labels, weights, upstream, chosen, room)

        sums = ops.zeros((chosen.shape[0],), "float32")
        return over_chosen_rows(add, chosen, room, (sums,))[0], gradient

    return run(inputs, projection, table)


def _gradients(inputs, labels, weights, upstream, chosen, room):
    """Of the sum of `upstream * tail_log_likelihood`, by all that is float."""
    projection, table = weights

    def add(rows, new, to_inputs, to_projection, to_table):
        x = ops.take(inputs, rows, axis=0)
        own = ops.take(labels, rows, axis=0)
        by_row = ops.where(new, ops.take(upstream, rows), 0)[:, None]
        by_label = ops.where(own >= 0, by_row, 0)
        mass = ops.sum(by_label, axis=1, keepdims=True)
        slopes = -mass * ops.exp(tail_log_probs(x, *weights))
        at = ops.stack(
            [
                ops.broadcast_to(ops.arange(room)[:, None], own.shape),
                ops.maximum(own, 0),
            ],
            axis=-1,
        )
        slopes = ops.scatter_update(
            *(slopes, ops.reshape(at, (-1, 2)), ops.reshape(by_label, (-1,))),
            reduction="add",
        )
        slopes = ops.cast(slopes, table.dtype)
        to_codes = ops.matmul(slopes, ops.transpose(table))
        codes = ops.matmul(x, projection)
        to_x = ops.matmul(to_codes, ops.transpose(projection))
        return (
            updated(to_inputs, rows, new, to_x),
            to_projection + ops.matmul(ops.transpose(x), to_codes),
            to_table + ops.matmul(ops.transpose(codes), slopes),
        )

    none = tuple(ops.zeros_like(part) for part in (inputs, *weights))
    return over_chosen_rows(add, chosen, room, none)
