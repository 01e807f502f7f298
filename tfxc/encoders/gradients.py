"""Gradients of a loss on vectors, holding the activations of few texts."""

import dataclasses
import typing

import tensorflow as tf

from tfxc.encoders.noise import MOST_CHUNKS


@dataclasses.dataclass(frozen=True)
class Side:
    """Texts of a batch that one encoder turns into vectors.

    Args:
        head: Function `(inputs, place) -> [rows, dim]`. Given the same place,
            it draws the same dropout noise.
        inputs: `[rows, ...]` tensor; differentiated if it holds floats.
        chunk_rows: Rows that are encoded together; divides the rows, into at
            most 8,192 chunks.
    """

    head: typing.Callable
    inputs: tf.Tensor
    chunk_rows: int

    def __post_init__(self):
        if self.inputs.shape[0] % self.chunk_rows:
            raise ValueError(
                f"`chunk_rows` must divide the {self.inputs.shape[0]} rows of "
                f"a batch. Received: chunk_rows={self.chunk_rows}"
            )
        if self.num_chunks > MOST_CHUNKS:
            raise ValueError(
                f"A batch must have at most {MOST_CHUNKS} chunks. "
                f"Received: {self.num_chunks} of {self.chunk_rows} rows"
            )

    @property
    def num_chunks(self):
        """How many chunks the rows make."""
        return self.inputs.shape[0] // self.chunk_rows

    def chunk(self, place):
        """The rows of one chunk; `place` may be a tensor."""
        return chunk_of(self.inputs, place, self.chunk_rows)


def check_chunks(chunk_rows, row_optimizer):
    """Raises `ValueError` if a table of tokens would be read in chunks."""
    if chunk_rows and row_optimizer:
        raise ValueError(
            "`chunk_rows` is for encoders without a table of tokens, as "
            f"TransformerEncoder. Received: chunk_rows={chunk_rows} with "
            "a row optimizer"
        )


def chunk_of(rows, place, size):
    """Rows `place * size` to `(place + 1) * size`, a shape known to XLA."""
    start = place * size
    if isinstance(place, int):
        return rows[start : start + size]
    return tf.gather(rows, start + tf.range(size))


def direct_gradients(sides, variables, loss_of_vectors):
    """The gradients of a loss on the vectors of all sides, in one pass.

    Memory is that of all activations.

    Args:
        sides: List of `Side`.
        variables: List of tensors or variables.
        loss_of_vectors: Function of one `[rows, dim]` tensor for each side;
            returns a scalar.

    Returns:
        `(loss, vectors, gradients, input_gradients)`: scalar; one tensor for
        each side; one for each variable; one for each side, `None` where its
        inputs are no floats.
    """
    floats = [side.inputs for side in sides if side.inputs.dtype.is_floating]
    with tf.GradientTape() as tape:
        tape.watch(floats)
        vectors = [
            tf.concat(
                [side.head(side.chunk(i), i) for i in range(side.num_chunks)],
                axis=0,
            )
            for side in sides
        ]
        loss = loss_of_vectors(*vectors)
    gradients, of_floats = tape.gradient(
        loss, [variables, floats], unconnected_gradients="zero"
    )
    of_floats = iter(of_floats)
    input_gradients = [
        next(of_floats) if side.inputs.dtype.is_floating else None
        for side in sides
    ]
    return loss, vectors, gradients, input_gradients


def cached_gradients(sides, variables, loss_of_vectors):
    """The same gradients, with the activations of one chunk at a time.

    Gradient caching: encode all chunks and forget how, take the gradient of the
    loss at the vectors, then encode chunk by chunk once more, with the same
    dropout noise, and push that gradient through. It costs one more encoding,
    and allows for batches, and so for negatives, of any size.

    Sides whose inputs are floats, rows of a table, are encoded at once, with a
    way back: there is little to hold.

    Reference:
        [Gao et al., 2021](https://arxiv.org/abs/2101.06983)
    """
    direct = [side.inputs.dtype.is_floating for side in sides]
    starts = [
        side.inputs if floats else encode_chunks(side)
        for side, floats in zip(sides, direct, strict=True)
    ]
    with tf.GradientTape() as tape:
        tape.watch(starts)
        vectors = [
            side.head(start, 0) if floats else start
            for side, start, floats in zip(sides, starts, direct, strict=True)
        ]
        loss = loss_of_vectors(*vectors)
    sums, cotangents = tape.gradient(
        loss, [variables, starts], unconnected_gradients="zero"
    )
    for side, cotangent, floats in zip(sides, cotangents, direct, strict=True):
        if not floats:
            sums = add_gradients(sums, side, cotangent, variables)
    input_gradients = [
        cotangent if floats else None
        for cotangent, floats in zip(cotangents, direct, strict=True)
    ]
    return loss, vectors, sums, input_gradients


def encode_chunks(side):
    """The vectors of a side: `[rows, dim]`, without a way back."""
    if side.num_chunks == 1:
        return tf.stop_gradient(side.head(side.inputs, 0))
    vectors = tf.map_fn(
        lambda place: side.head(side.chunk(place), place),
        tf.range(side.num_chunks),
        fn_output_signature=tf.float32,
        parallel_iterations=1,
    )  # [chunks, chunk_rows, dim]
    rows = side.inputs.shape[0]
    return tf.stop_gradient(tf.reshape(vectors, [rows, vectors.shape[-1]]))


def add_gradients(sums, side, cotangent, variables):
    """Adds the gradients of `sum(vectors * cotangent)`, chunk by chunk."""

    def step(place, *sums):
        with tf.GradientTape() as tape:
            vectors = side.head(side.chunk(place), place)
        gradients = tape.gradient(
            vectors,
            variables,
            output_gradients=chunk_of(cotangent, place, side.chunk_rows),
            unconnected_gradients="zero",
        )
        return place + 1, *(
            total + tf.convert_to_tensor(gradient)
            for total, gradient in zip(sums, gradients, strict=True)
        )

    return tf.while_loop(
        lambda place, *_: place < side.num_chunks,
        step,
        (tf.constant(0), *sums),
        parallel_iterations=1,
    )[1:]
