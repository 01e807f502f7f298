"""An array that grows block by block."""

import numpy as np


class GrowingArray:
    """A one-dimensional array that is longer after each `append`.

    A list of blocks that is joined at the end needs the memory twice. Here the
    array is resized in place: the system moves the pages of a large array, not
    its bytes, so there is one copy at any time.

    Args:
        dtype: Type of the entries.

    Example:

    >>> ids = GrowingArray(np.int32)
    >>> ids.append([3, 1])
    >>> ids.append([4])
    >>> ids.values
    array([3, 1, 4], dtype=int32)
    """

    def __init__(self, dtype):
        self.values = np.empty(0, dtype)

    def append(self, values):
        """Adds the entries of a sequence at the end."""
        start = len(self.values)
        # No view of the array is handed out while it grows.
        self.values.resize(start + len(values), refcheck=False)
        self.values[start:] = values


def splits_of(counts):
    """Where each row starts, from how long the rows are: `[rows + 1]`."""
    splits = np.zeros(len(counts) + 1, np.int64)
    np.cumsum(counts, out=splits[1:])
    return splits
