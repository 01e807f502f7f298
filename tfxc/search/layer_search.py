"""Search by an output layer that ranks all labels itself."""

import dataclasses
import functools
import typing

import numpy as np

ROWS = (8, 256)  # queries that a layer ranks at once: of few, of many
BLOCK_SCORES = 2**25  # scores held at once
SIZES = (16, 256, 4096)  # results that a layer is compiled for, and all labels
BLOCK = 4096  # queries whose results are held at once


@dataclasses.dataclass(frozen=True)
class LayerSearch:
    """Labels by an output layer, whose scores are no inner products.

    Args:
        layer: Keras layer with `top_k(vectors [b, d], k) -> (scores [b, k],
            ids [b, k])`, for static b and k.
        label_vectors: `[L, d]`, float32; the encoded labels, which the layer
            need not know.

    Example:

    >>> layer = tfxc.layers.AdaptiveSoftmax(100, cutoffs=[20])
    >>> search = tfxc.search.LayerSearch(layer, np.zeros((100, 8), np.float32))
    >>> [(start, scores, ids)] = search.top_k(np.ones((5, 8)), k=3)
    >>> ids.shape
    (5, 3)
    """

    layer: typing.Any
    label_vectors: np.ndarray

    combines = True
    needs_ranking = False

    def vectors(self):
        """The encoded labels: `[L, d]`, float32."""
        return self.label_vectors

    @functools.cached_property
    def find(self):
        """`LayerFind` as a function that can be saved."""
        return self._function(self._layer_find)

    def top_k(self, queries, k, filtered=None):
        """Iterates over blocks of queries; see `exact_top_k`."""

        def find(block, k):
            branch = int(self._layer_find.branch_of(len(block), k))
            return self._branches[branch](block, k)

        return found_by(find, len(self.label_vectors), queries, k, filtered)

    @functools.cached_property
    def _layer_find(self):
        return LayerFind(self.layer, len(self.label_vectors))

    @functools.cached_property
    def _branches(self):
        """The branches alone, of which a search traces what it needs."""
        return [self._function(branch) for branch in self._layer_find.branches]

    def _function(self, function):
        import tensorflow as tf

        signature = (
            tf.TensorSpec([None, self.label_vectors.shape[1]], tf.float32),
            tf.TensorSpec([], tf.int32),
        )
        return tf.function(function, input_signature=signature)


def found_by(find, num_labels, queries, k, filtered=None):
    """Iterates over blocks of queries, as `exact_top_k`.

    Args:
        find: Function `(vectors [b, d], k) -> (scores, ids)`, k at most L.
        num_labels: Number of labels L.
        queries: `[q, d]`, float.
        k: Positive integer.
        filtered: See `exact_top_k`.
    """
    for start in range(0, len(queries), BLOCK):
        block = np.asarray(queries[start : start + BLOCK], np.float32)
        rows = np.arange(start, start + len(block))
        hidden = None if filtered is None else filtered.take(rows)
        more = 0 if hidden is None else int(hidden.row_counts().max(initial=0))
        found = find(block, min(k + more, num_labels))
        scores, ids = (part.numpy() for part in found)
        if more:
            scores, ids = without(hidden, scores, ids)
        missing = ((0, 0), (0, max(k - ids.shape[1], 0)))
        yield (
            start,
            np.pad(scores, missing, constant_values=-np.inf)[:, :k],
            np.pad(ids, missing, constant_values=-1)[:, :k],
        )


def without(filtered, scores, ids):
    """Results without the pairs of a `LabelLists`, which leave -1 behind."""
    width = np.int64(filtered.num_columns)
    owner = np.repeat(np.arange(len(filtered)), filtered.row_counts())
    pairs = owner * width + filtered.ids
    gone = np.isin(np.arange(len(ids))[:, None] * width + ids, pairs)
    order = np.argsort(gone, axis=1, kind="stable")
    scores, ids = np.where(gone, -np.inf, scores), np.where(gone, -1, ids)
    return (
        np.take_along_axis(scores, order, axis=1).astype(np.float32),
        np.take_along_axis(ids, order, axis=1),
    )


class LayerFind:
    """What a layer finds, as a TensorFlow function of any number of queries.

    A layer has static shapes: it is traced for a few numbers of results and of
    queries, and these are padded.

    Args:
        layer: See `LayerSearch`.
        num_labels: Number of labels L.

    Call arguments:
        query_vectors: `[b, d]`, float32 tensor.
        k: In `[1, L]`; may be a tensor.

    Returns:
        `(scores [b, k] float32, ids [b, k] int32)`, best first.
    """

    def __init__(self, layer, num_labels):
        self.layer = layer
        self.sizes = [*(n for n in SIZES if n < num_labels), num_labels]
        most = max(BLOCK_SCORES // num_labels, 1)
        self.rows = [min(rows, most) for rows in ROWS]
        self.branches = [
            functools.partial(self.in_blocks, rows, size)
            for rows in self.rows
            for size in self.sizes
        ]

    def __call__(self, query_vectors, k):
        import tensorflow as tf

        return tf.switch_case(
            self.branch_of(tf.shape(query_vectors)[0], k),
            [
                functools.partial(branch, query_vectors, k)
                for branch in self.branches
            ],
        )

    def branch_of(self, num_queries, k):
        """Which of the branches is for so many queries and results."""
        import tensorflow as tf

        large = tf.cast(num_queries > self.rows[0], tf.int32)
        return large * len(self.sizes) + tf.searchsorted(self.sizes, [k])[0]

    def in_blocks(self, rows, size, queries, k):
        """The first `k` of `size` results, `rows` queries at a time."""
        import tensorflow as tf

        num = tf.shape(queries)[0]
        blocks = tf.maximum((num + rows - 1) // rows, 1)
        padded = tf.pad(queries, [[0, blocks * rows - num], [0, 0]])
        scores, ids = tf.map_fn(
            lambda block: tuple(
                part[:, :k] for part in self.layer.top_k(block, size)
            ),
            tf.reshape(padded, [blocks, rows, queries.shape[1]]),
            fn_output_signature=(
                tf.TensorSpec([rows, None], tf.float32),
                tf.TensorSpec([rows, None], tf.int32),
            ),
        )
        return (
            tf.reshape(scores, [blocks * rows, k])[:num],
            tf.reshape(ids, [blocks * rows, k])[:num],
        )
