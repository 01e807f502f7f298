"""Codes of all labels, kept up with an encoder that trains."""

import pathlib

import numpy as np

from tfxc.negatives.checks import check_finite, check_number
from tfxc.negatives.mapped_rows import MappedRows
from tfxc.negatives.nystrom import Nystrom


class MovingCodes:
    """Codes of all labels, of which few are encoded again at each refresh.

    The landmarks and a random sample of labels are encoded, and a regression
    moves the codes of all, see `Nystrom`. Errors add up, so every few refreshes
    all labels are encoded, and whenever the labels of the sample that judge the
    regression are further from where it puts them than `tolerance`.

    Args:
        encode: Function of `[n]` int labels; returns their vectors `[n, d]`.
        num_labels: L.
        landmarks: d'; labels that are always encoded.
        sample: Further labels encoded at each refresh.
        full_interval: Every so many refreshes all labels are encoded; those of
            number 0 always are.
        tolerance: Root mean square distance of codes, see `Move`.
        seed: Of landmarks and samples.
        path: A file `.npy` to keep codes in, memory-mapped; in memory if left
            out.

    Attributes:
        codes: `[L, d']`, float16; an array, or `MappedRows` of the file.
        projection: `[d, d']`, float32; what turns query vectors into codes.
        report: What the last refresh did: "encoded" labels and the "error".

    Reference:
        [Monath et al., 2023](https://proceedings.mlr.press/v206/monath23a.html),
        algorithm 5
    """

    def __init__(
        self,
        encode,
        num_labels,
        landmarks=128,
        sample=1024,
        full_interval=10,
        tolerance=0.5,
        seed=0,
        path=None,
    ):
        check_number("landmarks", landmarks, 1)
        check_number("sample", sample, 1)
        check_number("full_interval", full_interval, 1)
        self.encode = encode
        self.num_labels = num_labels
        rng = np.random.default_rng((seed, 0))
        count = min(landmarks, num_labels)
        self.landmarks = np.sort(rng.choice(num_labels, count, replace=False))
        self.sample = min(sample, num_labels)
        self.full_interval = full_interval
        self.tolerance = tolerance
        self.seed = seed
        self.path = path and pathlib.Path(path)
        self.codes, self.nystrom, self.report = None, None, {}

    @property
    def projection(self):
        """What turns query vectors into codes: `[d, d']`, float32."""
        return self.nystrom.basis

    def refresh(self, number):
        """Brings the codes up to date, the `number`-th time.

        Raises:
            ValueError: if a new vector is not finite; the codes then stay.
        """
        everything = self.sample + len(self.landmarks) >= self.num_labels
        due = everything or number % self.full_interval == 0
        if self.codes is None or due:
            return self._encode_all()
        ids = np.concatenate([self.landmarks, self._sample(number)])
        vectors = self.encode(ids)
        move = self.nystrom.fitted(self.codes[ids], vectors)
        if not move.error <= self.tolerance:  # or nothing judges it
            return self._encode_all(move.error)
        move.apply(self.codes)
        self.nystrom = move.there
        self.codes[ids] = move.there.codes(vectors)
        self.report = {"encoded": len(ids), "error": move.error}

    def _sample(self, number):
        """Labels that are encoded at a refresh, beside the landmarks."""
        rng = np.random.default_rng((self.seed, 1, number))
        count = self.sample + len(self.landmarks)  # fewer than all labels
        drawn = rng.choice(self.num_labels, count, replace=False)
        return drawn[~np.isin(drawn, self.landmarks)][: self.sample]

    def _encode_all(self, error=float("nan"), rows=65_536):
        landmarks = self.encode(self.landmarks)
        check_finite(landmarks)
        nystrom = Nystrom(landmarks)
        shape = self.num_labels, len(landmarks)
        codes = empty_codes(shape, self.path)
        for start in range(0, self.num_labels, rows):
            ids = np.arange(start, min(start + rows, self.num_labels))
            new = self.encode(ids)
            check_finite(new)
            codes[start : start + len(ids)] = nystrom.codes(new)
        if self.path:  # an old file is gone once nobody reads it
            new_name(self.path).replace(self.path)
        self.codes, self.nystrom = codes, nystrom
        self.report = {
            "encoded": self.num_labels + len(landmarks),
            "error": error,
        }


def empty_codes(shape, path=None):
    """An array of float16, in memory or a new file, not yet of its name."""
    if path is None:
        return np.empty(shape, np.float16)
    return MappedRows(new_name(path), shape, np.float16)


def new_name(path):
    """What a file is called until it is whole."""
    return path.with_name(f".{path.name}")
