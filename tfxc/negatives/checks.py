"""Arguments of samplers, checked: numbers, and vectors of labels."""

import math

import numpy as np

ROWS = 65_536  # labels that are read at once
LARGEST = 65_504  # number of half precision, in which samplers hold vectors


class NotFiniteError(ValueError):
    """A vector of a label is NaN or infinite."""


def finite_rows(vectors, labels):
    """The vectors of some labels: `[n, d]`, float32.

    Args:
        vectors: `[L, d]`, any float dtype; may be memory-mapped.
        labels: `[n]` int, or a slice.

    Raises:
        NotFiniteError: if one is not finite; names the first such row.
    """
    rows = np.asarray(vectors[labels], np.float32)
    finite = (np.abs(rows) <= LARGEST).all(axis=1)
    if not finite.all():
        place = np.argmin(finite)
        if isinstance(labels, slice):
            labels = range(*labels.indices(len(vectors)))
        raise NotFiniteError(
            "vectors of labels must be finite. Received: NaN or infinity "
            f"in row {labels[place]}"
        )
    return rows


def finite_chunks(vectors):
    """All vectors, a chunk at a time: yields `(slice, [n, d] float32)`.

    Raises:
        NotFiniteError: see `finite_rows`.
    """
    for start in range(0, len(vectors), ROWS):
        chunk = slice(start, min(start + ROWS, len(vectors)))
        yield chunk, finite_rows(vectors, chunk)


def check_finite(vectors):
    """Raises `NotFiniteError` if a vector is not finite."""
    for _ in finite_chunks(vectors):
        pass


def check_shape(label_vectors, shape):
    """Raises `ValueError` unless the vectors of all labels are `[L, d]`."""
    if label_vectors.shape != shape:
        raise ValueError(
            f"`label_vectors` must be {list(shape)}. "
            f"Received: {label_vectors.shape}"
        )


def check_number(name, number, least, most=None):
    """Raises `ValueError` if an argument is out of range, or not finite."""
    above = most is not None and number > most
    if not number >= least or above:
        allowed = (
            f"at least {least}" if most is None else f"in [{least}, {most}]"
        )
        raise ValueError(f"`{name}` must be {allowed}. Received: {number}")


def check_finite_number(name, number):
    """Raises `ValueError` if an argument is NaN or infinite."""
    if not math.isfinite(number):
        raise ValueError(f"`{name}` must be finite. Received: {number}")


def check_near_softmax(sampler, temperature):
    """Raises `ValueError` unless a sampler's law is near that softmax."""
    if not sampler.near_softmax:
        raise ValueError(
            'the estimator "self_normalized" must be given a `sampler` whose '
            "law is near the softmax over all labels: a tree, or a cache of "
            f"all labels. Received: {sampler}"
        )
    beta = float(sampler.inverse_temperature)
    if beta and abs(beta * temperature - 1) > 1e-3:
        raise ValueError(
            "`temperature` must be one over the `inverse_temperature` of the "
            f"sampler. Received: {temperature} and {beta}"
        )


def check_no_chain(sampler):
    """Raises `ValueError` if a sampler does not know the law of its draws."""
    if getattr(sampler, "steps", 0):
        raise ValueError(
            "draws that are shared or mixed must have a law in closed form, "
            "which chains have not: `steps` must be 0. "
            f"Received: steps={sampler.steps}"
        )
