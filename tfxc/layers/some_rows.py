"""Work on some rows of a batch, by arrays of static shape."""

from keras import ops


def for_some_rows(function, chosen, room, inputs, others=(0.0,)):
    """A function of some rows, by arrays of static shape.

    If no more than `room` rows are chosen, the function sees so many; else all.

    Args:
        function: Of arrays `[n, ...]`, gives an array `[n, ...]` or several.
        chosen: `[b]`, bool.
        room: Integer, at most b.
        inputs: Arrays `[b, ...]`.
        others: What the rest gets, of each array that the function gives.

    Returns:
        What the function does, `[b, ...]`.
    """

    def masked(mask, found):
        """A list of arrays, with `others` where the mask is not."""
        parts = found if isinstance(found, tuple) else (found,)
        return [
            ops.where(
                ops.reshape(mask, (-1,) + (1,) * (len(part.shape) - 1)),
                part,
                ops.cast(other, part.dtype),
            )
            for part, other in zip(parts, others, strict=True)
        ]

    def of_all():
        return masked(chosen, function(*inputs))

    def of_few():
        rows = ops.top_k(ops.cast(chosen, "int32"), room)[1]
        # Reshaped, so that gradients leave the branch as whole arrays: the
        # shape of a sparse one would be a constant that XLA looks for in all
        # that the branch reads, and compiles every step anew.
        parts = [ops.reshape(part, part.shape) for part in inputs]
        few = masked(
            ops.take(chosen, rows),
            function(*(ops.take(part, rows, axis=0) for part in parts)),
        )
        return [
            ops.scatter_update(
                ops.full((chosen.shape[0], *part.shape[1:]), other, part.dtype),
                ops.cast(rows, "int32")[:, None],
                part,
            )
            for part, other in zip(few, others, strict=True)
        ]

    if room >= chosen.shape[0]:
        found = of_all()
    else:
        count = ops.sum(ops.cast(chosen, "int32"))
        found = ops.cond(count <= room, of_few, of_all)
    return found[0] if len(found) == 1 else tuple(found)
