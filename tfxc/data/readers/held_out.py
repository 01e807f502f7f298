"""Which queries are held out where there is no test file."""

import numpy as np

from tfxc.data.readers.growing_array import splits_of

MOST_ROWS = 10_000
BLOCK_BYTES = 1 << 22
FACTOR = 0x9E3779B97F4A7C15


def held_out_rows(texts):
    """Picks about a tenth of the queries, and at most 10,000, for testing.

    The rows with the smallest hashes are taken. So the choice depends on the
    texts alone, not on their order; equal queries lie on the same side; and a
    further query moves few others.

    Args:
        texts: `Texts` of the queries.

    Returns:
        `[rows]`, bool; true for at most a tenth of the rows.
    """
    hashes = hash_texts(texts)
    count = min(len(hashes) // 10, MOST_ROWS)
    if not count:
        return np.zeros(len(hashes), bool)
    # Rows that share the first hash left out are left out, all of them.
    return hashes < np.partition(hashes, count)[count]


def hash_texts(texts):
    """A hash of each text that is the same on every machine: `[rows]`, uint64.

    ```
    hash(b_0 ... b_n-1) = mix( sum over i of (b_i + 1) * FACTOR^i  mod 2^64 )
    ```
    """
    hashes = np.empty(len(texts), np.uint64)
    start = 0
    while start < len(texts):
        limit = texts.offsets[start] + BLOCK_BYTES
        stop = int(np.searchsorted(texts.offsets, limit, "right")) - 1
        stop = max(stop, start + 1)  # a text may be longer than a block
        offsets = texts.offsets[start : stop + 1]
        utf8 = texts.utf8[offsets[0] : offsets[-1]]
        hashes[start:stop] = _mixed(_sums(utf8, np.diff(offsets)))
        start = stop
    return hashes


def _sums(utf8, lengths):
    powers = np.full(max(lengths.max(), 1), FACTOR, np.uint64)
    powers[0] = 1
    powers = np.cumprod(powers)
    splits = splits_of(lengths)
    within = np.arange(splits[-1]) - np.repeat(splits[:-1], lengths)
    terms = (utf8.astype(np.uint64) + np.uint64(1)) * powers[within]
    # A sum from the start wraps around 2^64, and so does a difference of two.
    totals = np.zeros(len(terms) + 1, np.uint64)
    np.cumsum(terms, out=totals[1:])
    return np.diff(totals[splits])


def _mixed(values):
    """Spreads every bit over all others; the end of splitmix64."""
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        values = (values ^ (values >> np.uint64(shift))) * np.uint64(factor)
    return values ^ (values >> np.uint64(31))
