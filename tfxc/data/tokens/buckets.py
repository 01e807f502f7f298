"""Few lengths to pad texts to."""

import numpy as np


def bucket_lengths(lengths, count):
    """The lengths to which padding texts wastes least, as few as asked for.

    A training step is compiled for each length, which for a transformer takes
    as long as a hundred steps; so there should be few, where most texts end.

    ```
    minimise  sum over texts of min {b in buckets: b >= length of the text}
    ```

    by dynamic programming over the number of buckets and the last of them.

    Args:
        lengths: `[n]`, int; tokens of each text.
        count: Most buckets.

    Returns:
        Ascending integers, the last of them the longest text; empty for no
        texts.

    Example:

    >>> tfxc.data.bucket_lengths([3, 3, 4, 9, 9, 30], count=3)
    (4, 9, 30)
    """
    found, texts = np.unique(np.asarray(lengths), return_counts=True)
    if not len(found):
        return ()
    # Texts up to each length; cost[j] of the first j + 1 lengths.
    up_to = np.cumsum(texts)
    cost, cuts = found * up_to, []
    for _ in range(count - 1):
        # of a last bucket that follows the one that ends with length i
        more = found[None, :] * (up_to[None, :] - up_to[:, None])
        more = np.where(np.tri(len(found), dtype=bool), np.inf, more)
        total = cost[:, None] + more  # [i, j]
        before = total.argmin(axis=0)
        better = total[before, np.arange(len(found))]
        cuts.append(np.where(better < cost, before, -1))
        cost = np.minimum(cost, better)
    buckets = [len(found) - 1]
    for cut in reversed(cuts):
        if cut[buckets[0]] >= 0:
            buckets.insert(0, cut[buckets[0]])
    return tuple(found[buckets].tolist())
