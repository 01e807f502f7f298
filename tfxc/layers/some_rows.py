"""Work on some rows of a batch, by arrays of static shape."""

from keras import ops


def over_chosen_rows(step, chosen, room, state):
    """What steps over the chosen rows make of a state, some rows at a time.

    As many steps are made as the chosen rows need: one, where they have room.
    There are no gradients through it.

    Args:
        step: `step(rows, new, *state) -> state`, of rows `[room]`, int32, that
            differ from each other, and whether each is chosen and has not been
            there before, `[room]`, bool.
        chosen: `[b]`, bool.
        room: Integer in `[1, b]`; rows of a step.
        state: Tuple of arrays, of the same shapes after each step.

    Returns:
        The state after the last step.
    """
    order = ops.cast(
        ops.top_k(ops.cast(chosen, "int32"), chosen.shape[0])[1], "int32"
    )
    count = ops.sum(ops.cast(chosen, "int32"))

    def body(done, *state):
        start = ops.minimum(done, chosen.shape[0] - room)
        place = start + ops.arange(room, dtype="int32")
        new = (place >= done) & (place < count)
        rows = ops.slice(order, [start], (room,))
        return done + room, *step(rows, new, *state)

    begun = ops.convert_to_tensor(0, "int32")
    return ops.while_loop(
        lambda done, *state: done < count, body, (begun, *state)
    )[1:]


def updated(array, rows, new, found):
    """An array `[b, ...]` with what is found for rows `[room]` that are new."""
    kept = ops.take(array, rows, axis=0)
    new = ops.reshape(new, (-1,) + (1,) * (len(array.shape) - 1))
    return ops.scatter_update(array, rows[:, None], ops.where(new, found, kept))
