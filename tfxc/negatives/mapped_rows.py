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
            self._touch_slice(rows)
            return np.array(self._map[rows])
        rows = np.asarray(rows)
        flat = rows.reshape(-1)
        found = np.empty((len(flat), *self.shape[1:]), self._map.dtype)
        for places in self._parts(flat):
            found[places] = self._map[flat[places]]
        return found.reshape(rows.shape + self.shape[1:])

    def __setitem__(self, rows, values):
        """Rows are a slice, or distinct."""
        if isinstance(rows, slice):
            self._touch_slice(rows)
            self._map[rows] = values
            return
        values = np.broadcast_to(values, (len(rows), *self.shape[1:]))
        for places in self._parts(rows):
            self._map[rows[places]] = values[places]

    @property
    def _row_bytes(self):
        return self._map.nbytes // len(self)

    def _parts(self, rows):
        """Places in `rows`, by ranges of the file that may be in memory."""
        order = np.argsort(rows)
        step = max(LIMIT // self._row_bytes, 1)
        ends = np.arange(step, len(self), step)
        for places in np.split(order, np.searchsorted(rows[order], ends)):
            self._touch(min(AROUND * len(places), step * self._row_bytes))
            yield places

    def _touch_slice(self, rows):
        self._touch(self._row_bytes * len(range(*rows.indices(len(self)))))

    def _touch(self, size):
        """Counts bytes that are in memory soon; small files stay there."""
        if self._map.nbytes > LIMIT < self._touched + size:
            self._touched = 0
            release(self._map)
        self._touched += size


def release(array):
    """Gives the memory of a `numpy.memmap` back, where the system can."""
    if hasattr(mmap, "MADV_DONTNEED"):
        array._mmap.madvise(mmap.MADV_DONTNEED)
