"""Invariants of an adaptive softmax that starts from label vectors:

- labels of the head, and of a tail of full dimension, are to one another as in
  the full softmax; a tail of fewer dimensions is as near as one of so many can
  be;
- what stands for a tail is the nearest linear function to the logarithm of its
  sum, and exact where that is linear;
- vectors and queries of other shapes are refused.
"""

import numpy as np
import pytest
from scipy.special import log_softmax, logsumexp

from tfxc.layers import AdaptiveSoftmax, adaptive_start, start_adaptive_softmax

LABELS, DIM = 40, 6
FREQUENCIES = np.random.default_rng(7).permutation(np.arange(1.0, LABELS + 1))
ORDER = np.argsort(-FREQUENCIES)


def layer_of(**options):
    options = {"shrink": 1.0, "head_bias": True, **options}
    return AdaptiveSoftmax(LABELS, [8, 20], frequencies=FREQUENCIES, **options)


def arrays(rng, rows=300):
    return (
        rng.normal(size=(LABELS, DIM)).astype(np.float32),
        rng.normal(size=(rows, DIM)).astype(np.float32),
    )


def test_parts_are_those_of_the_full_softmax(rng, monkeypatch):
    monkeypatch.setattr(adaptive_start, "BLOCK_SCORES", 100)
    vectors, queries = arrays(rng)
    layer = layer_of()
    start_adaptive_softmax(layer, vectors, queries)
    found = np.asarray(layer.log_probs(queries))
    scores = queries @ vectors.T
    for part in np.split(ORDER, [8, 20]):
        np.testing.assert_allclose(
            log_softmax(found[:, part], axis=1),
            log_softmax(scores[:, part], axis=1),
            atol=1e-4,
        )


@pytest.mark.parametrize("head_bias", [True, False])
def test_a_tail_is_the_nearest_linear_function(rng, head_bias):
    vectors, queries = arrays(rng)
    layer = layer_of(head_bias=head_bias)
    start_adaptive_softmax(layer, vectors, queries)
    scores = queries @ vectors[ORDER].T
    seen = np.append(queries, np.full((300, 1), head_bias, "f"), axis=1)
    weights = np.asarray(layer.head)
    bias = np.asarray(layer.bias) if head_bias else np.zeros(10)
    for tail, (start, end) in enumerate(layer.ranges):
        total = logsumexp(scores[:, start:end], axis=1)
        column = np.append(weights[:, 8 + tail], bias[8 + tail])
        residual = total - seen @ column
        np.testing.assert_allclose(seen.T @ residual, 0, atol=1e-2)
        assert np.mean(residual**2) < np.mean(total**2)
    assert (bias[:8] == 0).all()


def test_labels_of_one_vector_in_each_tail(rng):
    """The logarithm of the sum is linear, so all is that of a full softmax."""
    vectors, queries = arrays(rng)
    for part in np.split(ORDER, [8, 20])[1:]:
        vectors[part] = vectors[part[0]]
    layer = layer_of(shrink=3.0)
    start_adaptive_softmax(layer, vectors, queries)
    np.testing.assert_allclose(
        np.asarray(layer.log_probs(queries)),
        log_softmax(queries @ vectors.T, axis=1),
        atol=1e-3,
    )


def test_fewer_dimensions(rng):
    """No two directions hold more of the vectors of a tail."""
    vectors, queries = arrays(rng)
    layer = layer_of(shrink=3.0)
    start_adaptive_softmax(layer, vectors, queries)
    projection, table = layer.projections[0], layer.tables[0]
    found = (np.asarray(projection) @ np.asarray(table)).T
    block = vectors[ORDER[8:20]]
    left, values, right = np.linalg.svd(block)
    nearest = left[:, :2] * values[:2] @ right[:2]
    np.testing.assert_allclose(found, nearest, atol=1e-4)


@pytest.mark.parametrize(
    ("vectors", "queries", "message"),
    [
        ((LABELS - 1, DIM), (9, DIM), r"`label_vectors` must be \[40, d\]"),
        ((LABELS, DIM), (9, DIM + 1), r"`queries` must be \[n, 6\]"),
        ((LABELS, DIM), (0, DIM), r"`queries` must be \[n, 6\]"),
    ],
)
def test_other_shapes(vectors, queries, message):
    with pytest.raises(ValueError, match=message + r"\. Received: "):
        start_adaptive_softmax(layer_of(), np.zeros(vectors), np.zeros(queries))
