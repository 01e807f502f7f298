"""New vectors for all labels from encoding a few again: Nystrom regression."""

import dataclasses
import functools

import numpy as np

from tfxc.batching.two_means import normalised
from tfxc.negatives.checks import check_finite

ROWS = 65_536  # labels that are updated at once
SMALLEST = 1e-6  # eigenvalue of the landmarks' products that still counts
HELD_OUT = 8  # every so many labels of a sample judge the regression


@dataclasses.dataclass(frozen=True)
class Nystrom:
    """Codes of labels in the span of a few landmarks, which can be moved.

    An encoder that trains moves all labels, and to encode millions again takes
    longer than the training between two refreshes. With R the vectors of d'
    landmarks, labels that are always encoded again,

    ```
    B    = R^T (R R^T)^-1/2                       [d, d'], orthonormal columns
    q_x  = B^T f(x)                               codes of queries
    k_y  = B^T f(y) / |B^T f(y)|                  codes of labels
    q_x . k_y  ~  f(x) . f(y)                     exact in the landmarks' span
    ```

    Labels are divided by their length in the span, as what the span does not
    show of them would else make all scores alike.

    After some training, encode the landmarks and a sample of labels, and fit by
    ridge regression how codes have moved:

    ```
    W    = B^T + argmin |K (B^T + D) - E|^2 + ridge |D|^2   [d', d]
           D
    k_y' = A^T W^T k_y / |A^T W^T k_y|  E the new vectors, A the new basis
    ```

    One product with a `[d', d']` matrix updates all labels; there never is an
    array of `[L, d]`. Published is a regression that shrinks towards 0, in the
    basis of the new landmarks. Where labels move each on its own, as those of a
    bag encoder do, codes that are not moved are nearer to the truth. So this
    one shrinks towards staying, by the ridge, and to the basis, that of the new
    landmarks or still B, which labels that were held out are nearest with;
    codes stay as they are if that is nearest.

    Args:
        landmarks: `[d', d]`, float; R, unit vectors.
        ridges: Regularisations to choose from, as shares of the mean diagonal.

    Example:

    >>> labels = np.random.default_rng(0).normal(size=(500, 8))
    >>> labels /= np.linalg.norm(labels, axis=1, keepdims=True)
    >>> nystrom = tfxc.negatives.Nystrom(labels[:8])
    >>> codes = nystrom.codes(labels)
    >>> bool(np.abs(codes @ codes.T - labels @ labels.T).max() < 1e-5)
    True

    Reference:
        [Monath et al., 2023](https://proceedings.mlr.press/v206/monath23a.html),
        appendix B
    """

    landmarks: np.ndarray
    ridges: tuple[float, ...] = (1e-3, 0.1, 1.0, 10.0)

    @functools.cached_property
    def basis(self):
        """B, what turns vectors into codes: `[d, d']`, float32."""
        rows = np.asarray(self.landmarks, np.float64)
        values, directions = np.linalg.eigh(rows @ rows.T)
        scale = np.where(values > SMALLEST, values, np.inf) ** -0.5
        root = (directions * scale) @ directions.T
        return (rows.T @ root).astype(np.float32)

    def codes(self, vectors):
        """The codes of labels with vectors `[n, d]`: `[n, d']`, float32."""
        return normalised(np.asarray(vectors, np.float32) @ self.basis)

    def fitted(self, codes, vectors):
        """Where codes went, by those of the landmarks and of a sample.

        Args:
            codes: `[d' + s, d']`, float; old codes of the landmarks, then of
                other labels.
            vectors: `[d' + s, d]`, float; their new vectors.

        Returns:
            `Move`.

        Raises:
            ValueError: if a new vector is not finite.
        """
        check_finite(vectors)
        codes = np.asarray(codes, np.float32)
        count = len(self.landmarks)
        there = dataclasses.replace(self, landmarks=vectors[:count])
        held_out = np.zeros(len(codes), bool)
        held_out[count::HELD_OUT] = len(codes) - count > HELD_OUT
        stays = Move(self.basis.T, self)
        if not held_out.any():
            return stays
        weights = list(self._weights(codes[~held_out], vectors[~held_out]))
        moves = [Move(w, basis) for basis in (there, self) for w in weights]
        judges = codes[held_out], vectors[held_out]
        best = min([*moves, stays], key=lambda move: move.distance(*judges))
        return dataclasses.replace(best, error=best.error_at(*judges))

    def _weights(self, codes, vectors):
        """W for each of the ridges: yields `[d', d]`, float32."""
        codes = codes.astype(float)
        left = codes.T @ (vectors - codes @ self.basis.T)
        values, directions = np.linalg.eigh(codes.T @ codes)
        left = directions.T @ left
        for ridge in self.ridges:
            scale = np.maximum(values, 0) + ridge * values.mean() + 1e-12
            change = directions @ (left / scale[:, None])
            yield (self.basis.T + change).astype(np.float32)


@dataclasses.dataclass(frozen=True)
class Move:
    """A regression from old codes to new vectors, see `Nystrom.fitted`.

    Args:
        weights: `[d', d]`, float32; W.
        there: `Nystrom` of the new basis; its codes are the new ones.
        error: Root mean square distance from what the new codes should be, of
            labels that were held out of the fit, and by which the move was
            chosen; NaN if there were too few.
    """

    weights: np.ndarray
    there: Nystrom
    error: float = float("nan")

    @functools.cached_property
    def matrix(self):
        """What old codes are multiplied with: `[d', d']`, float32."""
        return self.weights @ self.there.basis

    def codes(self, codes):
        """New codes of labels by their old ones: `[n, d']`, float32."""
        return normalised(np.asarray(codes, np.float32) @ self.matrix)

    def distance(self, codes, vectors):
        """How far new vectors are from what moved codes show of them."""
        gap = self.codes(codes) @ self.there.basis.T - vectors
        return float(np.sqrt(np.mean(np.vecdot(gap, gap))))

    def error_at(self, codes, vectors):
        """The error of labels, by old codes `[n, d']` and new vectors."""
        gap = self.codes(codes) - self.there.codes(vectors)
        return float(np.sqrt(np.mean(np.vecdot(gap, gap))))

    def apply(self, codes):
        """Updates all codes in place, in chunks: `[L, d']`, or a memory map."""
        for start in range(0, len(codes), ROWS):
            codes[start : start + ROWS] = self.codes(
                codes[start : start + ROWS]
            )
