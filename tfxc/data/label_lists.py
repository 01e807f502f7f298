"""Rows of label ids."""

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True)
class LabelLists:
    """A sparse binary matrix stored as one list of column ids per row.

    Row `i` is `ids[splits[i]:splits[i + 1]]`, sorted and without repeats, so
    `tf.RaggedTensor.from_row_splits(ids, splits)` needs no copy.

    Args:
        ids: `[entries]`, int32 or int64; column ids.
        splits: `[rows + 1]`, int64; where each row starts.
        num_columns: Number of columns; every id is below it.
    """

    ids: np.ndarray
    splits: np.ndarray
    num_columns: int

    @classmethod
    def from_pairs(cls, rows, ids, num_rows, num_columns):
        """Builds the lists from `(row, id)` pairs in any order, with repeats.

        Args:
            rows: `[pairs]`, int; row of each pair, in `[0, num_rows)`.
            ids: `[pairs]`, int; column of each pair, in `[0, num_columns)`.
            num_rows: Number of rows.
            num_columns: Number of columns.
        """
        width = max(num_columns, 1)
        ids = np.asarray(ids, np.int64)
        # `np.unique` hashes integers, which takes 50 times as long.
        keys = np.sort(np.asarray(rows, np.int64) * width + ids)
        keys = keys[np.diff(keys, prepend=-1) > 0]
        counts = np.bincount(keys // width, minlength=num_rows)
        splits = np.concatenate([[0], np.cumsum(counts)])
        return cls((keys % width).astype(np.int32), splits, num_columns)

    @classmethod
    def identity(cls, size):
        """Row i holds column i alone."""
        return cls(np.arange(size, dtype=np.int32), np.arange(size + 1), size)

    def __len__(self):
        return len(self.splits) - 1

    def __getitem__(self, row):
        return self.ids[self.splits[row] : self.splits[row + 1]]

    def row_counts(self):
        """How many columns each row holds: `[rows]`, int64."""
        return np.diff(self.splits)

    def counts(self):
        """How many rows hold each column: `[num_columns]`, int64."""
        return np.bincount(self.ids, minlength=self.num_columns)

    def take(self, rows):
        """The lists of some rows, in the order given.

        Args:
            rows: `[n]`, int; row numbers, repeats allowed.

        Returns:
            A `LabelLists` of `n` rows.
        """
        rows = np.asarray(rows, np.int64)
        counts = self.splits[rows + 1] - self.splits[rows]
        splits = np.concatenate([[0], np.cumsum(counts)])
        within = np.arange(splits[-1]) - np.repeat(splits[:-1], counts)
        entries = np.repeat(self.splits[rows], counts) + within
        return LabelLists(self.ids[entries], splits, self.num_columns)

    def followed_by(self, other):
        """The rows of these lists, then those of `other`: a `LabelLists`."""
        if other.num_columns != self.num_columns:
            raise ValueError(
                f"`other` must have {self.num_columns} columns. "
                f"Received: {other.num_columns}"
            )
        return LabelLists(
            np.concatenate([self.ids, other.ids]),
            np.concatenate([self.splits, self.splits[-1] + other.splits[1:]]),
            self.num_columns,
        )
