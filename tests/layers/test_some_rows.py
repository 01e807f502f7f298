"""Invariants of work on some rows:

- each chosen row is new once, whatever room there is, compiled as eager, and no
  other row ever is;
- rows of a step differ, and as many steps are made as chosen rows need;
- what is updated changes where rows are new alone.
"""

import numpy as np
import pytest
import tensorflow as tf

from tfxc.layers.some_rows import over_chosen_rows, updated

ROWS = 10


@pytest.mark.parametrize("jit_compile", [False, True])
@pytest.mark.parametrize("room", [1, 3, 10])
@pytest.mark.parametrize("count", [0, 1, 3, 7, 10])
def test_each_chosen_row_once(count, room, jit_compile):
    chosen = np.zeros(ROWS, bool)
    chosen[np.random.default_rng(count).permutation(ROWS)[:count]] = True

    def step(rows, new, seen, steps):
        once = tf.ones_like(rows)
        within = tf.tensor_scatter_nd_add(
            tf.zeros(ROWS, tf.int32), rows[:, None], once
        )
        tf.debugging.assert_equal(tf.reduce_max(within), 1)
        seen = tf.tensor_scatter_nd_add(
            seen, rows[:, None], tf.cast(new, tf.int32)
        )
        return seen, steps + 1

    @tf.function(jit_compile=jit_compile)
    def run(chosen):
        start = tf.zeros(ROWS, tf.int32), tf.constant(0)
        return over_chosen_rows(step, chosen, room, start)

    seen, steps = run(tf.constant(chosen))
    np.testing.assert_array_equal(seen, chosen)
    assert steps == -(-count // room)


def test_rows_that_are_new_are_updated():
    array = np.zeros((4, 2), np.float32)
    rows, new = np.array([3, 0], np.int32), np.array([True, False])
    found = updated(array, rows, new, np.ones((2, 2), np.float32))
    np.testing.assert_array_equal(found, [[0, 0], [0, 0], [0, 0], [1, 1]])
