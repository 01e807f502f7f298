"""Rows of a file, of which few are in memory at a time."""

import mmap

import numpy as np

LIMIT = 2**30  # bytes of pages that stay in memory
AROUND = 2**16  # bytes that Linux maps around each that is read


class MappedRows:
    """An array in a file `.npy` that gives its memory back.

    Pages of a memory map that were read or written count as memory of the
    process until the system needs the room. These are given back after every
    so many; what was written is in the file nevertheless.

    Args:
        path: The file, which is made anew.
        shape: Tuple of integers.
        dtype: Of the rows.
    """

    def __init__(self, path, shape, dtype):
        self._map = np.lib.format.open_memmap(path, "w+", dtype, shape)
        self._touched = 0

    @property
    def shape(self):
        """Of the whole array."""
        return self._map.shape

    def __len__(self):
        return len(self._map)

    def __getitem__(self, rows):
        if isinstance(rows, slice):
            found = np.array(self._map[rows])
            self._touch(found.nbytes)
            return found
        rows = np.asarray(rows)
        flat = rows.reshape(-1)
        found = np.empty((len(flat), *self.shape[1:]), self._map.dtype)
        step = max(LIMIT // AROUND, 1)
        for start in range(0, len(flat), step):
            some = flat[start : start + step]
            found[start : start + step] = self._map[some]
            self._touch(AROUND * len(some))
        return found.reshape(rows.shape + self.shape[1:])

    def __setitem__(self, rows, values):
        """Of rows in any order few should be written at once."""
        self._map[rows] = values
        row = self._map.nbytes // len(self)
        if isinstance(rows, slice):
            self._touch(row * len(range(*rows.indices(len(self)))))
        else:
            self._touch(AROUND * len(rows))

    def _touch(self, size):
        """Counts bytes that are in memory now."""
        self._touched += size
        if self._touched > LIMIT:
            self._touched = 0
            release(self._map)


def release(array):
    """Gives the memory of a `numpy.memmap` back, where the system can."""
    if hasattr(mmap, "MADV_DONTNEED"):
        array._mmap.madvise(mmap.MADV_DONTNEED)
