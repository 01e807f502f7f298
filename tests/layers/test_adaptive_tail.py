"""Invariants of a tail of an adaptive softmax:

- its sums, and their gradients by all that it takes, are those of its
  log-probabilities, with one or several labels of a row, or none;
- no array has the scores of all rows of a batch.
"""

import numpy as np
import pytest
import tensorflow as tf

from tfxc.layers.adaptive_tail import tail_log_likelihood, tail_log_probs

ROWS, DIM, INNER, SIZE = 12, 5, 3, 23


def parts():
    rng = np.random.default_rng(0)
    shapes = (ROWS, DIM), (DIM, INNER), (INNER, SIZE)
    arrays = [tf.constant(rng.normal(size=s), tf.float32) for s in shapes]
    labels = rng.integers(SIZE, size=(ROWS, 2))
    labels[rng.random((ROWS, 2)) < 0.6] = -1
    labels[0] = -1
    labels[1] = 4  # one label twice counts twice
    return arrays, tf.constant(labels, tf.int32)


def gradients_of(function, arrays):
    with tf.GradientTape() as tape:
        tape.watch(arrays)
        found = function(*arrays)
        total = tf.reduce_sum(found * tf.range(1.0, ROWS + 1))
    return found, *tape.gradient(total, arrays)


def compiled(room, labels):
    return tf.function(
        lambda *arrays: gradients_of(
            lambda x, projection, table: tail_log_likelihood(
                *(x, labels, projection, table, room)
            ),
            arrays,
        ),
        jit_compile=True,
    )


@pytest.mark.parametrize("room", [1, 5, ROWS])
def test_sums_and_gradients(room):
    arrays, labels = parts()

    def slow(*arrays):
        log_p = tail_log_probs(*arrays)
        picked = tf.gather(log_p, tf.maximum(labels, 0), batch_dims=1)
        return tf.reduce_sum(tf.where(labels >= 0, picked, 0), axis=1)

    expected = gradients_of(slow, arrays)
    for one, other in zip(
        compiled(room, labels)(*arrays), expected, strict=True
    ):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)
    assert expected[0][0] == 0, "a row without a label"


def test_no_scores_of_all_rows():
    arrays, labels = parts()

    def program(room):
        of = compiled(room, labels).experimental_get_compiler_ir(*arrays)
        return of(stage="optimized_hlo")

    assert f"f32[{ROWS},{SIZE}]" in program(ROWS)
    assert f"f32[{ROWS},{SIZE}]" not in program(5)
