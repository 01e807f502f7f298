"""Sparse rows joined block by block."""

import numpy as np

from tfxc.data.label_lists import LabelLists
from tfxc.data.readers.growing_array import GrowingArray, splits_of
from tfxc.data.readers.text_files import Malformed
from tfxc.data.sparse_features import SparseFeatures


class LabelListsBuilder:
    """Joins blocks of rows of label ids to one `LabelLists`.

    Args:
        num_columns: Number of labels.
    """

    def __init__(self, num_columns):
        self.num_columns = num_columns
        self._ids = GrowingArray(np.int32)
        self._counts = GrowingArray(np.int64)

    def append(self, ids, counts):
        """Adds rows; an id that a row repeats is stored once.

        Args:
            ids: `[entries]`, int64; the ids of all rows, in any order.
            counts: `[rows]`, int64; how many of them each row holds.

        Raises:
            Malformed: if an id is out of range.
        """
        check_range(ids, self.num_columns)
        rows = np.repeat(np.arange(len(counts)), counts)
        if np.any(np.diff(rows * self.num_columns + ids) <= 0):
            lists = LabelLists.from_pairs(
                rows, ids, len(counts), self.num_columns
            )
            ids, counts = lists.ids, lists.row_counts()
        self._ids.append(ids)
        self._counts.append(counts)

    def build(self):
        """The `LabelLists` of all rows."""
        splits = splits_of(self._counts.values)
        return LabelLists(self._ids.values, splits, self.num_columns)


class SparseFeaturesBuilder:
    """Joins blocks of rows of features to one `SparseFeatures`.

    Args:
        num_columns: Number of features.
    """

    def __init__(self, num_columns):
        self.num_columns = num_columns
        self._ids = GrowingArray(np.int32)
        self._values = GrowingArray(np.float32)
        self._counts = GrowingArray(np.int64)

    def append(self, ids, values, counts):
        """Adds rows.

        Args:
            ids: `[entries]`, int64; the ids of all rows, in any order.
            values: `[entries]`, float64.
            counts: `[rows]`, int64; how many of them each row holds.

        Raises:
            Malformed: if an id is out of range or repeated within a row, or a
                value is not finite in 32 bits.
        """
        check_range(ids, self.num_columns)
        values = finite_float32(values)
        rows = np.repeat(np.arange(len(counts)), counts)
        keys = rows * self.num_columns + ids
        if np.any(np.diff(keys) <= 0):
            order = np.argsort(keys, kind="stable")
            ids, values, keys = ids[order], values[order], keys[order]
            if np.any(np.diff(keys) == 0):
                raise Malformed("an id that a row repeats")
        self._ids.append(ids)
        self._values.append(values)
        self._counts.append(counts)

    def build(self):
        """The `SparseFeatures` of all rows."""
        splits = splits_of(self._counts.values)
        return SparseFeatures(
            self._ids.values, self._values.values, splits, self.num_columns
        )


def check_range(ids, limit):
    """Raises `Malformed` unless every id is in `[0, limit)`."""
    if len(ids) and not 0 <= ids.min() <= ids.max() < limit:
        raise Malformed("an id out of range")


def finite_float32(values):
    """The values in 32 bits; raises `Malformed` unless all are finite there."""
    with np.errstate(over="ignore"):
        values = values.astype(np.float32)
    if not np.isfinite(values).all():
        raise Malformed("a value that is not finite")
    return values
