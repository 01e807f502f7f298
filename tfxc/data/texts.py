"""Many short texts in two arrays."""

import dataclasses
import itertools

import numpy as np


@dataclasses.dataclass(frozen=True)
class Texts:
    """UTF-8 strings stored back to back, so that they can be memory-mapped.

    Text `i` is `utf8[offsets[i]:offsets[i + 1]]`.

    Args:
        utf8: `[bytes]`, uint8.
        offsets: `[rows + 1]`, int64; where each text starts.
    """

    utf8: np.ndarray
    offsets: np.ndarray

    @classmethod
    def from_strings(cls, strings):
        """Stores an iterable of `str`."""
        encoded = [string.encode() for string in strings]
        lengths = np.fromiter(map(len, encoded), np.int64, len(encoded))
        offsets = np.concatenate([[0], np.cumsum(lengths)])
        return cls(np.frombuffer(b"".join(encoded), np.uint8), offsets)

    def __len__(self):
        return len(self.offsets) - 1

    def __getitem__(self, row):
        start, stop = self.offsets[row], self.offsets[row + 1]
        return self.utf8[start:stop].tobytes().decode()

    def encoded(self, start=0, stop=None):
        """The texts `[start, stop)` as a list of `bytes`."""
        offsets = self.offsets[start : None if stop is None else stop + 1]
        block = self.utf8[offsets[0] : offsets[-1]].tobytes()
        bounds = (offsets - offsets[0]).tolist()
        return [block[a:b] for a, b in itertools.pairwise(bounds)]
