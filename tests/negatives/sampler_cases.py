"""Samplers of every kind over the same few labels, and their laws."""

import numpy as np

from tfxc.negatives import (
    ClusterTreeSampler,
    InBatch,
    Midx,
    MixedNegatives,
    NegativeCache,
    Uniform,
    Unigram,
)

LABELS, DIM, BETA = 60, 6, 8.0
SKETCHED = {"opened": 4, "sketch": 2, "exact": 5}
COUNTS = np.arange(LABELS) % 7


def unit(array):
    """Rows of length 1, float32."""
    array = array / np.linalg.norm(array, axis=-1, keepdims=True)
    return array.astype(np.float32)


def label_vectors(seed=0, labels=LABELS, dim=DIM):
    """Labels in clusters, as those of real data."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(8, dim))
    noise = 0.4 * rng.normal(size=(labels, dim))
    return unit(centres[np.arange(labels) % 8] + noise)


def queries(seed=1, rows=5, dim=DIM):
    return unit(np.random.default_rng(seed).normal(size=(rows, dim)))


def tree(vectors=None, **options):
    vectors = label_vectors() if vectors is None else vectors
    settings = {"opened": 2, "branching": 4, "leaf_size": 4, **options}
    return ClusterTreeSampler(vectors, BETA, **settings)


SAMPLERS = {
    "uniform": lambda: Uniform(LABELS),
    "unigram": lambda: Unigram(COUNTS, power=0.75, smoothing=0),
    "in-batch": lambda: InBatch(COUNTS),
    "mixed": lambda: MixedNegatives([Uniform(LABELS), tree()], [1, 3]),
    "cache": lambda: NegativeCache(
        np.arange(0, LABELS, 2), label_vectors()[::2], LABELS, BETA
    ),
    "tree": tree,
    "tree of sketches": lambda: tree(**SKETCHED),
    "midx": lambda: Midx(label_vectors(), BETA, words=5),
}


def candidates():
    """Labels of a batch, as often as `InBatch` is told that they occur."""
    return {"candidates": np.repeat(np.arange(LABELS), COUNTS)}


def softmax(queries, vectors, beta=BETA):
    """P, one row per query, in float64."""
    scores = beta * queries.astype(float) @ vectors.astype(float).T
    weights = np.exp(scores - scores.max(axis=1, keepdims=True))
    return weights / weights.sum(axis=1, keepdims=True)
