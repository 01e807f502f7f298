"""The tokens that an encoder knows, as 64-bit fingerprints."""

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True)
class Vocabulary:
    """Fingerprints of the known tokens with their inverse document frequency.

    A token is known by a fingerprint of 62 bits, so no string is stored, and
    ten million tokens have about one pair that cannot be told apart in
    100,000 vocabularies. Token number `i + 1` is `fingerprints[i]`; number 0
    is padding.

    Args:
        fingerprints: `[tokens]`, int64; sorted, without repeats.
        idf: `[tokens]`, float32; `log(rows / occurrences)`, at least 1.
    """

    fingerprints: np.ndarray
    idf: np.ndarray

    def __len__(self):
        return len(self.fingerprints)


class TokenCounter:
    """Counts fingerprints chunk by chunk, in memory of the distinct ones.

    Counts of a chunk wait until there are as many of them as there are
    distinct fingerprints so far, and are then merged: every entry is sorted
    a logarithmic number of times.
    """

    def __init__(self):
        self.fingerprints = np.empty(0, np.int64)
        self.counts = np.empty(0, np.int64)
        self.waiting = []
        self.num_waiting = 0

    def add(self, fingerprints):
        """Counts `[n]` int64 fingerprints; a repeat counts again."""
        chunk = np.unique(fingerprints, return_counts=True)
        self.waiting.append(chunk)
        self.num_waiting += len(chunk[0])
        if self.num_waiting > max(len(self.fingerprints), 1 << 20):
            self.merge()

    def merge(self):
        """Adds what waits to `fingerprints` and `counts`."""
        keys, counts = zip(
            (self.fingerprints, self.counts), *self.waiting, strict=True
        )
        self.fingerprints, place = np.unique(
            np.concatenate(keys), return_inverse=True
        )
        self.counts = np.zeros(len(self.fingerprints), np.int64)
        np.add.at(self.counts, place, np.concatenate(counts))
        self.waiting, self.num_waiting = [], 0

    def vocabulary(self, num_rows, min_count, max_tokens):
        """The most frequent tokens.

        Args:
            num_rows: Number of rows that were counted, for `idf`.
            min_count: Tokens with fewer occurrences are left out.
            max_tokens: At most so many tokens are kept, the frequent first.

        Returns:
            A `Vocabulary`.
        """
        self.merge()
        kept = self.counts >= min_count
        if kept.sum() > max_tokens:
            order = np.argsort(-self.counts, kind="stable")
            kept[order[max_tokens:]] = False
        counts = self.counts[kept]
        idf = np.log(np.maximum(num_rows / counts, np.e)).astype(np.float32)
        return Vocabulary(self.fingerprints[kept], idf)


def merged(first, second):
    """The union of two vocabularies; where both know a token, the first."""
    fingerprints, place = np.unique(
        np.concatenate([first.fingerprints, second.fingerprints]),
        return_index=True,
    )
    return Vocabulary(
        fingerprints, np.concatenate([first.idf, second.idf])[place]
    )
