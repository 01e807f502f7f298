"""The likeliest labels of an adaptive softmax."""

import math

from keras import ops

from tfxc.layers.some_rows import for_some_rows


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
        most = min(k, end - start)

        def opened(inputs, of_tail, tail=tail, most=most):
            best, at = ops.top_k(layer.tail_log_probs(tail, inputs), most)
            return best + of_tail[:, None], ops.cast(at, "int32")

        of_tail = head[:, size + tail]
        best, at = for_some_rows(
            opened,
            of_tail > values[:, -1],
            layer.room(inputs.shape[0], tail),
            (inputs, of_tail),
            (-math.inf, 0),
        )
        values, chosen = ops.top_k(ops.concatenate([values, best], axis=1), k)
        found = ops.concatenate([places, at + start], axis=1)
        places = ops.take_along_axis(found, chosen, axis=1)
    return values, places
