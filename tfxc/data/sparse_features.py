"""Rows of sparse feature vectors."""

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True)
class SparseFeatures:
    """A sparse float matrix in compressed rows.

    Row `i` holds `values[j]` in column `ids[j]` for `j` in
    `splits[i]:splits[i + 1]`, with ids sorted and without repeats.

    Args:
        ids: `[entries]`, int32; column ids.
        values: `[entries]`, float32; finite.
        splits: `[rows + 1]`, int64; where each row starts.
        num_columns: Number of columns; every id is below it.
    """

    ids: np.ndarray
    values: np.ndarray
    splits: np.ndarray
    num_columns: int

    def __len__(self):
        return len(self.splits) - 1

    def __getitem__(self, row):
        entries = slice(self.splits[row], self.splits[row + 1])
        return self.ids[entries], self.values[entries]
