"""Rows of token ids in their order, as transformers read them."""

import dataclasses

import numpy as np

from tfxc.data.tokens.bags import padded

BLOCK = 65_536  # rows that are looked at together


@dataclasses.dataclass(frozen=True)
class Sequences:
    """Token ids of each row, padded to one length.

    What is taken is cut to the shortest of a few bucket lengths that holds all
    rows taken: titles have a dozen tokens, and padding all to 32 would waste
    more than half of the work. A step is compiled once for each bucket, or
    pair of buckets where labels have theirs.

    Args:
        ids: `[rows, length]`, int32; may be a memory map.
        pad_id: The id of padding, which stands for no token.
        buckets: Lengths to cut to, ascending, see `bucket_lengths`; by
            default multiples of 8.
    """

    ids: np.ndarray
    pad_id: int = 0
    buckets: tuple[int, ...] = ()

    def __len__(self):
        return len(self.ids)

    @property
    def fields(self):
        """Name, dtype and row shape of what `take` returns."""
        return {"token_ids": (np.int32, (None,))}

    def lengths(self, rows):
        """Tokens of each of some rows, ids or a slice: `[n]`, int64."""
        rows = np.arange(len(self))[rows]
        lengths = np.empty(len(rows), np.int64)
        for start in range(0, len(rows), BLOCK):
            block = slice(start, start + BLOCK)
            lengths[block] = self._lengths(self.ids[rows[block]])
        return lengths

    def bucket(self, length):
        """The shortest bucket that holds `length` tokens."""
        longest = self.ids.shape[1]
        buckets = self.buckets or range(8, longest, 8)
        return min([b for b in buckets if b >= length], default=longest)

    def take(self, rows, size=None):
        """Some rows as the encoder reads them.

        Args:
            rows: `[n]`, int; row numbers.
            size: Rows of the result, those after the first n of padding; n if
                left out.

        Returns:
            `{"token_ids": [size, bucket] int32}`.
        """
        ids = np.take(self.ids, rows, axis=0)
        ids = ids[:, : self.bucket(self._lengths(ids).max(initial=0))]
        return {"token_ids": padded(ids, size, self.pad_id)}

    def _lengths(self, ids):
        """Columns up to the last token: texts may hold padding, "<pad>"."""
        places = np.arange(1, ids.shape[1] + 1)
        return np.max((ids != self.pad_id) * places, axis=1, initial=0)
