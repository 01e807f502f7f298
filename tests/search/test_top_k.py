"""Invariants of the TensorFlow top-k:

- it equals `exact_top_k`, ties and padding included, also where k is a tensor;
- it compiles under XLA for a fixed k.
"""

import numpy as np
import pytest
import tensorflow as tf

from tfxc.search import exact_top_k, top_k


def vectors(rng):
    draw = rng.integers(-2, 3, size=(40, 4)).astype(np.float32)
    return draw[:7], draw[7:]


@pytest.mark.parametrize("k", [1, 5, 33, 50])
def test_equals_exact_search(rng, k):
    queries, labels = vectors(rng)
    [(_, scores, ids)] = exact_top_k(queries, labels, k)
    dynamic = tf.function(top_k)
    static = tf.function(lambda q, x: top_k(q, x, k), jit_compile=True)
    for found in (
        top_k(queries, labels, k),
        dynamic(queries, labels, tf.constant(k)),
        static(queries, labels),
    ):
        assert (found[0].dtype, found[1].dtype) == (tf.float32, tf.int32)
        np.testing.assert_array_equal(found[0], scores)
        np.testing.assert_array_equal(found[1], ids)


def test_one_graph_serves_every_k(rng):
    queries, labels = vectors(rng)
    traced = tf.function(
        lambda k: top_k(queries, labels, k),
        input_signature=[tf.TensorSpec([], tf.int32)],
    )
    for k in (1, 8, 40):
        assert traced(tf.constant(k))[1].shape == (7, k)


def test_low_precision_vectors_give_float32_scores(rng):
    queries, labels = vectors(rng)
    scores, ids = top_k(
        tf.cast(queries, tf.bfloat16), tf.cast(labels, tf.bfloat16), 3
    )
    [(_, expected, expected_ids)] = exact_top_k(queries, labels, 3)
    np.testing.assert_array_equal(scores, expected)
    np.testing.assert_array_equal(ids, expected_ids)
