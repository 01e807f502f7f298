"""The likeliest labels of an adaptive softmax."""

import math

from keras import ops

from tfxc.layers.some_rows import over_chosen_rows, updated

# Least rows that a tail takes at once: the k-th label may be in a tail of more
# rows than have their own there, and each step reads the whole tail.
ROOM = 128


def likeliest(layer, inputs, k):
    """The k likeliest labels, by their places in the order of the layer.

    A label of a tail is no likelier than the tail, so a tail is opened only for
    rows of which it is likelier than the k-th label so far.

    Args:
        layer: `AdaptiveSoftmax`, built.
        inputs: `[b, d]`, float.
        k: Integer, in `[1, L]`.

    Returns:
        `(log p [b, k] float32, places [b, k] int32)`, the likeliest first.
    """
    size, head = layer.head_size, layer.head_log_probs(inputs)
    values, places = ops.top_k(head[:, :size], min(k, size))
    lacking = ((0, 0), (0, k - values.shape[1]))
    values = ops.pad(values, lacking, constant_values=-math.inf)
    places = ops.pad(ops.cast(places, "int32"), lacking)
    for tail, (start, end) in enumerate(layer.ranges):
        of_tail = head[:, size + tail]

        def opened(rows, new, best, at, tail=tail, of_tail=of_tail):
            x = ops.take(inputs, rows, axis=0)
            values, ids = ops.top_k(
                layer.tail_log_probs(tail, x), best.shape[1]
            )
            values = values + ops.take(of_tail, rows)[:, None]
            return (
                updated(best, rows, new, values),
                updated(at, rows, new, ops.cast(ids, "int32")),
            )

        rows = inputs.shape[0]
        shape = (rows, min(k, end - start))
        best, at = over_chosen_rows(
            opened,
            of_tail > values[:, -1],
            max(layer.room(rows, tail), min(ROOM, rows)),
            (ops.full(shape, -math.inf), ops.zeros(shape, "int32")),
        )
        values, chosen = ops.top_k(ops.concatenate([values, best], axis=1), k)
        found = ops.concatenate([places, at + start], axis=1)
        places = ops.take_along_axis(found, chosen, axis=1)
    return values, places
