"""Rows of a file, of which few are in memory at a time."""

import mmap

import numpy as np

LIMIT = 2**30  # bytes of pages that stay in memory
AROUND = 2**21  # bytes that Linux may map around each that is read


class MappedRows:
    """An array in a file `.npy` that gives its memory back.

    Pages of a memory map that were read or written count as memory of the
    process until the system needs the room. These are given back after every
    so many; what was written is in the file nevertheless. Rows in any order are
    read in that of the file, so that it passes through memory once.

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
            self._touch(self._row_bytes * len(range(*rows.indices(len(self)))))
            return np.array(self._map[rows])
        rows = np.asarray(rows)
        flat = rows.reshape(-1)
        order = np.argsort(flat)
        found = np.empty((len(flat), *self.shape[1:]), self._map.dtype)
        for some in self._parts(flat[order]):
            found[order[some]] = self._map[flat[order[some]]]
        return found.reshape(rows.shape + self.shape[1:])

    def __setitem__(self, rows, values):
        """Rows are a slice, or distinct."""
        if isinstance(rows, slice):
            self._touch(self._row_bytes * len(range(*rows.indices(len(self)))))
            self._map[rows] = values
            return
        rows = np.asarray(rows)
        values = np.broadcast_to(values, (len(rows), *self.shape[1:]))
        order = np.argsort(rows)
        for some in self._parts(rows[order]):
            self._map[rows[order[some]]] = values[order[some]]

    @property
    def _row_bytes(self):
        return self._map.nbytes // len(self)

    def _parts(self, rows):
        """Slices of ascending rows, of which each may be in memory at once."""
        step = max(LIMIT // self._row_bytes, 1)
        ends = np.searchsorted(rows, np.arange(step, len(self) + step, step))
        start = 0
        for end in ends.tolist():
            if end > start:
                most = AROUND * (end - start)
                self._touch(min(most, step * self._row_bytes))
                yield slice(start, end)
            start = end

    def _touch(self, size):
        """Counts bytes that are in memory soon."""
        if self._touched + size > LIMIT:
            self._touched = 0
            release(self._map)
        self._touched += size


def release(array):
    """Gives the memory of a `numpy.memmap` back, where the system can."""
    if hasattr(mmap, "MADV_DONTNEED"):
        array._mmap.madvise(mmap.MADV_DONTNEED)
