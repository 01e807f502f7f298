"""Codes of all labels, kept up with an encoder that trains."""

import numpy as np

from tfxc.negatives.finite import check_finite
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
        tolerance: Root mean square distance of codes, as a share of their
            length, see `Move`.
        seed: Of landmarks and samples.

    Attributes:
        codes: `[L, d']`, float16.
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
    ):
        numbers = [("landmarks", landmarks), ("sample", sample)]
        numbers += [("full_interval", full_interval)]
        for name, number in numbers:
            if number < 1:
                raise ValueError(
                    f"`{name}` must be positive. Received: {number}"
                )
        self.encode = encode
        self.num_labels = num_labels
        rng = np.random.default_rng((seed, 0))
        count = min(landmarks, num_labels)
        self.landmarks = np.sort(rng.choice(num_labels, count, replace=False))
        self.sample = min(sample, num_labels)
        self.full_interval = full_interval
        self.tolerance = tolerance
        self.seed = seed
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
        landmarks = self.encode(self.landmarks)
        everything = self.sample + len(landmarks) >= self.num_labels
        due = everything or number % self.full_interval == 0
        if self.codes is None or due:
            return self._encode_all(landmarks)
        rng = np.random.default_rng((self.seed, 1, number))
        chosen = rng.choice(self.num_labels, self.sample, replace=False)
        old = np.asarray(self.codes[chosen], np.float32)
        move = self.nystrom.fitted(old, self.encode(chosen), landmarks)
        if not move.error <= self.tolerance:  # or nothing judges it
            return self._encode_all(landmarks, move.error)
        move.apply(self.codes)
        self.nystrom = move.there
        self.report = {
            "encoded": len(landmarks) + len(chosen),
            "error": move.error,
        }

    def _encode_all(self, landmarks, error=float("nan"), rows=65_536):
        check_finite(landmarks)
        nystrom = Nystrom(landmarks)
        basis = nystrom.basis
        codes = np.empty((self.num_labels, len(landmarks)), np.float16)
        for start in range(0, self.num_labels, rows):
            ids = np.arange(start, min(start + rows, self.num_labels))
            new = self.encode(ids)
            check_finite(new)
            codes[ids] = new @ basis
        self.codes, self.nystrom = codes, nystrom
        self.report = {
            "encoded": self.num_labels + len(landmarks),
            "error": error,
        }
