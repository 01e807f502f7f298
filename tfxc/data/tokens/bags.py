"""Rows of weighted tokens, the one form in which queries and labels train."""

import dataclasses

import numpy as np

PADDING = 0  # the token that means: no token


@dataclasses.dataclass(frozen=True)
class Bags:
    """Weighted tokens of each row, padded to one length.

    The arrays may be memory maps: a batch copies only its own rows.

    Args:
        ids: `[rows, length]`, int32; tokens, 0 where a row has no more.
        weights: `[rows, length]`, float16; weight of each token, 0 at padding.
    """

    ids: np.ndarray
    weights: np.ndarray

    def __len__(self):
        return len(self.ids)

    @property
    def fields(self):
        """Name, dtype and row shape of what `take` returns."""
        shape = self.ids.shape[1:]
        return {"ids": (np.int32, shape), "weights": (np.float16, shape)}

    def lengths(self, rows):
        """How long rows are once they are taken: `[n]`, all the same."""
        return np.full(len(rows), self.ids.shape[1])

    def take(self, rows, size=None):
        """The bags of some rows as the encoder reads them.

        Args:
            rows: `[n]`, int; row numbers.
            size: Rows of the result, those after the first n of padding; n if
                left out.

        Returns:
            `{"ids": [size, length] int32, "weights": [size, length] float16}`.
        """
        return {
            "ids": padded(np.take(self.ids, rows, axis=0), size, PADDING),
            "weights": padded(np.take(self.weights, rows, axis=0), size, 0),
        }


def padded(rows, size, value):
    """Appends rows that hold `value`, up to `size` rows."""
    if size is None or size == len(rows):
        return rows
    missing = [(0, size - len(rows)), *[(0, 0)] * (rows.ndim - 1)]
    return np.pad(rows, missing, constant_values=value)


def bags_from_features(features, length):
    """Turns sparse features into bags; feature `f` becomes token `f + 1`.

    Values are divided by the Euclidean norm of their row. A row with more
    than `length` features keeps its largest ones.

    Args:
        features: `SparseFeatures`.
        length: Number of tokens of each bag.

    Returns:
        `Bags` of `len(features)` rows.
    """
    counts = np.diff(features.splits)
    rows = np.repeat(np.arange(len(features)), counts)
    largest_first = np.lexsort((-np.abs(features.values), rows))
    place = np.arange(len(rows)) - np.repeat(features.splits[:-1], counts)
    kept = place < length
    entries, rows, place = largest_first[kept], rows[kept], place[kept]

    ids = np.zeros((len(features), length), np.int32)
    weights = np.zeros((len(features), length), np.float32)
    ids[rows, place] = features.ids[entries] + 1
    weights[rows, place] = features.values[entries]
    norms = np.linalg.norm(weights, axis=1, keepdims=True)
    weights /= np.where(norms > 0, norms, 1)
    return Bags(ids, weights.astype(np.float16))


def label_rows(num_labels):
    """Labels as a `tfxc.layers.LabelClassifier` reads them: by their number.

    Args:
        num_labels: Number of labels.

    Returns:
        `Bags` in which label `l` is token `l` alone; padding has weight 0.
    """
    ids = np.arange(num_labels, dtype=np.int32)[:, None]
    return Bags(ids, np.ones(ids.shape, np.float16))
