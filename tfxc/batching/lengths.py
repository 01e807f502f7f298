"""An order in which rows of similar length meet."""

import numpy as np

WINDOW = 16  # batches that are sorted together


def by_length(order, lengths, window):
    """Sorts an order by length, a window at a time.

    A batch of texts is as long as its longest. In windows of some batches,
    sorted, padding nearly goes away, and the order is random all the same.

    Args:
        order: `[n]`, int; places in `lengths`.
        lengths: `[m]`, int.
        window: Entries that are sorted together.

    Returns:
        `[n]`, int; the same entries.

    Example:

    >>> lengths = np.array([9, 5, 7, 1])
    >>> tfxc.batching.by_length(np.array([0, 1, 2, 3]), lengths, window=2)
    array([1, 0, 3, 2])
    """
    windows = np.arange(len(order)) // max(window, 1)
    return order[np.lexsort((lengths[order], windows))]


def shuffled(batches, seed, epoch):
    """The batches in a random order, so that short ones do not go first."""
    rng = np.random.default_rng((seed, epoch, 1))
    return [batches[i] for i in rng.permutation(len(batches))]
