"""Principal components of features, of unit variance."""

import numpy as np

from tfxc.negatives.checks import finite_chunks

LEAST_SHARE = 1e-10  # of the variance of all features
LEAST_CHANGE = 1e-6  # of a feature beside its mean: less is rounding


def whitening(features, dim):
    """The map to whitened principal components of standardised features.

    Args:
        features: `[N, f]`, float; may be memory-mapped.
        dim: Components, at most f.

    Returns:
        `(mean [f], matrix [f, dim])`, float32: `(x - mean) @ matrix` has
        components of mean 0 and variance 1, uncorrelated, those first which
        have most of the variance; 0 where the rows have no more dimensions.

    Raises:
        NotFiniteError: if a feature is not finite.
    """
    count, width = features.shape
    near = None  # the mean of some rows, so that float32 is precise enough
    total, moments = np.zeros(width), np.zeros((width, width))
    for _, rows in finite_chunks(features):
        near = rows.mean(axis=0) if near is None else near
        rows = rows - near
        total += rows.sum(axis=0, dtype=np.float64)
        moments += rows.T @ rows
    gap = total / count
    mean, moments = near + gap, moments / count - np.outer(gap, gap)
    variance = np.diag(moments)
    told = variance > (LEAST_CHANGE * mean) ** 2
    scale = np.sqrt(np.where(told, variance, 0))
    inverse = np.where(scale > 0, 1 / np.where(scale > 0, scale, 1), 0)
    values, vectors = np.linalg.eigh(moments * inverse[:, None] * inverse)
    values, vectors = values[::-1][:dim], vectors[:, ::-1][:, :dim]
    used = values > LEAST_SHARE * width
    vectors = vectors * np.where(
        used, 1 / np.sqrt(np.where(used, values, 1)), 0
    )
    matrix = inverse[:, None] * vectors
    return mean.astype(np.float32), matrix.astype(np.float32)
