"""Queries as the strings that a SavedModel takes."""

import itertools

import numpy as np

from tfxc.data.texts import Texts


def query_texts(queries, start=0, stop=None):
    """Rows of texts, or of sparse features as `feature:value` pairs.

    Args:
        queries: `Texts` or `SparseFeatures`.
        start: First row.
        stop: Row after the last one; `None` for all.

    Returns:
        List of `bytes`.

    Example:

    >>> texts = tfxc.data.Texts.from_strings(["red wine", "meat"])
    >>> tfxc.serving.query_texts(texts, stop=1)
    [b'red wine']
    """
    if isinstance(queries, Texts):
        return queries.encoded(start, stop)
    splits = queries.splits[start : None if stop is None else stop + 1]
    entries = slice(splits[0], splits[-1])
    pairs = [
        b"%d:%.9g" % pair  # nine digits give back the same float32
        for pair in zip(
            queries.ids[entries].tolist(),
            np.asarray(queries.values[entries]).tolist(),
            strict=True,
        )
    ]
    bounds = (splits - splits[0]).tolist()
    return [b" ".join(pairs[a:b]) for a, b in itertools.pairwise(bounds)]
