"""Rows that were encoded once and for all."""

import dataclasses

import numpy as np

from tfxc.data.tokens.bags import padded


@dataclasses.dataclass(frozen=True)
class Vectors:
    """Vectors of rows, in the place of their tokens.

    For a classifier on an encoder that does not change: what it would compute
    in every epoch is computed once.

    Args:
        vectors: `[rows, d]`, float; may be a memory map.
    """

    vectors: np.ndarray

    def __len__(self):
        return len(self.vectors)

    @property
    def fields(self):
        """Name, dtype and row shape of what `take` returns."""
        return {"vectors": (np.float32, self.vectors.shape[1:])}

    def lengths(self, rows):
        """How long rows are once they are taken: `[n]`, all the same."""
        return np.ones(len(rows), np.int64)

    def take(self, rows, size=None):
        """Some rows as `tfxc.encoders.StoredVectors` reads them.

        Args:
            rows: `[n]`, int; row numbers.
            size: Rows of the result, those after the first n zero.

        Returns:
            `{"vectors": [size, d] float32}`.
        """
        vectors = np.take(self.vectors, rows, axis=0)
        return {"vectors": padded(vectors.astype(np.float32), size, 0)}
