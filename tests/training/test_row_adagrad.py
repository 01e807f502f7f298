"""Invariants of the row-wise Adagrad:

- it equals a loop over the occurrences of rows, over several steps, with
  repeated rows, in one input and across inputs, under jit as without;
- padding and untouched rows keep every bit, and so do their sums;
- the rate may be a schedule of the step; occurrences of weight 0 do nothing;
- the loop itself lowers a convex loss: the sign is right;
- without padding, row 0 is as any other;
- from a dense gradient, all rows at once move as by one occurrence each;
- a twin made from the configuration continues alike.
"""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfxc.training import RowAdagrad

ROWS, DIM = 40, 6


def random_batch(rng, sizes=((7, 5), (9, 3)), used=20):
    """Bags and gradients; rows repeat, some tokens are padding."""
    inputs, gradients = [], []
    for examples, length in sizes:
        ids = rng.integers(0, used, (examples, length)).astype(np.int32)
        weights = rng.random((examples, length)).astype(np.float16)
        inputs.append({"ids": ids, "weights": weights})
        gradients.append(rng.normal(size=(examples, DIM)).astype(np.float32))
    return inputs, gradients


def slow_update(table, sums, inputs, gradients, num_examples, rate):
    """The formula of the docstring, one occurrence at a time, in float64."""
    occurrences = [
        (row, float(weight), gradient.astype(float) * num_examples)
        for bag, part in zip(inputs, gradients, strict=True)
        for ids, weights, gradient in zip(
            bag["ids"], bag["weights"], part, strict=True
        )
        for row, weight in zip(ids, weights, strict=True)
        if row > 0
    ]
    for row, weight, gradient in occurrences:
        sums[row] += np.mean(gradient**2) * weight**2
    for row, weight, gradient in occurrences:
        table[row] -= rate * weight * gradient / np.sqrt(sums[row] + 1e-12)


def table_of(rng):
    return keras.Variable(
        rng.normal(size=(ROWS, DIM)), trainable=False, dtype="float32"
    )


def updating(optimizer, table, jit):
    """`update(inputs, gradients)` of `table`; eager where jit is None."""

    def update(inputs, gradients):
        optimizer.update(table, inputs, gradients, 5)

    return update if jit is None else tf.function(update, jit_compile=jit)


def bits(array):
    return np.asarray(array).view(np.uint32)


@pytest.mark.parametrize("jit", [None, False, True])
@pytest.mark.parametrize("initial", [0.0, 0.7])
def test_equals_a_loop_over_occurrences(rng, jit, initial):
    table = table_of(rng)
    optimizer = RowAdagrad(ROWS, learning_rate=0.3, initial=initial)
    slow_table = table.numpy().astype(float)
    slow_sums = np.full(ROWS, initial)
    start = table.numpy()
    update = updating(optimizer, table, jit)
    for _ in range(3):
        inputs, gradients = random_batch(rng)
        update(inputs, gradients)
        slow_update(slow_table, slow_sums, inputs, gradients, 5, 0.3)
    np.testing.assert_allclose(table, slow_table, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(optimizer.accumulators, slow_sums, rtol=1e-5)
    assert optimizer.iterations == 3
    moved = (table.numpy() != start).any(axis=1)
    assert moved[1:20].all() and not moved[0] and not moved[20:].any()


@pytest.mark.parametrize("jit", [False, True])
def test_other_rows_keep_every_bit(rng, jit):
    table = table_of(rng)
    table.assign(table.numpy() * np.float32(1e-30))
    optimizer = RowAdagrad(ROWS, initial=0.1)
    before = bits(table), bits(optimizer.accumulators)
    update = updating(optimizer, table, jit)
    for _ in range(2):
        update(*random_batch(rng))
    after = bits(table), bits(optimizer.accumulators)
    still = np.r_[0, 20:ROWS]
    for old, new in zip(before, after, strict=True):
        np.testing.assert_array_equal(old[still], new[still])
        assert (old[1:20] != new[1:20]).any(axis=-1).all()


def test_occurrences_of_weight_zero_do_nothing(rng):
    table, optimizer = table_of(rng), RowAdagrad(ROWS)
    before = bits(table)
    bag = {"ids": np.array([[3, 4]]), "weights": np.array([[1.0, 0.0]])}
    optimizer.update(table, [bag], [np.ones((1, DIM), np.float32)], 1)
    changed = np.flatnonzero((bits(table) != before).any(axis=1))
    assert changed.tolist() == [3]
    assert optimizer.accumulators[4] == 0


@pytest.mark.parametrize("padding", [False, True])
def test_row_0_may_be_a_row(rng, padding):
    """The optimiser of a table without padding treats it as row 1 of one."""
    table, optimizer = table_of(rng), RowAdagrad(ROWS, padding=padding)
    table.assign(np.repeat(table.numpy()[:1], ROWS, axis=0))
    bag = {"ids": np.array([[0, 1]]), "weights": np.array([[0.5, 0.5]])}
    before = table.numpy()
    optimizer.update(table, [bag], [rng.normal(size=(1, DIM)).astype("f")], 1)
    moved = table.numpy() - before
    assert moved[1].all() and not moved[2:].any()
    if padding:
        assert not moved[0].any() and optimizer.accumulators[0] == 0
    else:
        np.testing.assert_allclose(moved[0], moved[1], rtol=1e-5)


@pytest.mark.parametrize("jit", [None, False, True])
@pytest.mark.parametrize("initial", [0.0, 0.7])
def test_dense_gradient_is_one_occurrence_of_each_row(rng, jit, initial):
    table = table_of(rng)
    optimizer = RowAdagrad(ROWS, 0.3, initial)
    slow_table = np.vstack([np.zeros(DIM), table.numpy()])  # row 0 is padding
    slow_sums = np.full(ROWS + 1, initial)

    def update(gradient):
        optimizer.update_all(table, gradient, 5)

    if jit is not None:
        update = tf.function(update, jit_compile=jit)
    still = np.array([0, 7, ROWS - 1])
    before = bits(table)[still], bits(optimizer.accumulators)[still]
    for _ in range(3):
        gradient = rng.normal(size=(ROWS, DIM)).astype(np.float32)
        gradient[still] = 0
        update(gradient)
        ids = np.arange(ROWS)[:, None] + 1
        bag = {"ids": ids, "weights": np.ones(ids.shape)}
        slow_update(slow_table, slow_sums, [bag], [gradient], 5, 0.3)
    np.testing.assert_allclose(table, slow_table[1:], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(optimizer.accumulators, slow_sums[1:], rtol=1e-5)
    after = bits(table)[still], bits(optimizer.accumulators)[still]
    for old, new in zip(before, after, strict=True):
        np.testing.assert_array_equal(old, new)
    assert optimizer.iterations == 3


def test_dense_gradients_follow_the_schedule(rng):
    schedule = keras.optimizers.schedules.PolynomialDecay(0.4, 1, 0.0)
    table, optimizer = table_of(rng), RowAdagrad(ROWS, schedule)
    gradient = np.ones((ROWS, DIM), np.float32)
    optimizer.update_all(table, gradient, 1)
    moved = table.numpy()
    optimizer.update_all(table, gradient, 1)  # at rate 0
    np.testing.assert_array_equal(table, moved)
    np.testing.assert_allclose(optimizer.accumulators, 2)


def test_repeats_add_up(rng):
    """Twice in one row of a batch is not once with twice the weight."""
    table, optimizer = table_of(rng), RowAdagrad(ROWS, 0.5)
    before = table.numpy()
    gradient = rng.normal(size=(1, DIM)).astype(np.float32)
    bag = {"ids": np.array([[3, 3]]), "weights": np.array([[0.5, 0.5]])}
    optimizer.update(table, [bag], [gradient], 1)
    square = np.mean(gradient**2)
    np.testing.assert_allclose(optimizer.accumulators[3], square / 2, rtol=1e-5)
    np.testing.assert_allclose(
        table[3],
        before[3] - 0.5 * gradient[0] / np.sqrt(square / 2),
        rtol=1e-4,
    )


@pytest.mark.parametrize("jit", [False, True])
def test_the_rate_may_be_a_schedule(rng, jit):
    schedule = keras.optimizers.schedules.PolynomialDecay(0.4, 2, 0.0)
    table, optimizer = table_of(rng), RowAdagrad(ROWS, schedule)
    update = updating(optimizer, table, jit)
    batch = random_batch(rng)
    slow_table = table.numpy().astype(float)
    slow_sums = np.zeros(ROWS)
    for rate in (0.4, 0.2, 0.0):
        update(*batch)
        slow_update(slow_table, slow_sums, *batch, 5, rate)
        np.testing.assert_allclose(table, slow_table, rtol=1e-4, atol=1e-5)


def test_it_lowers_a_loss(rng):
    """Bags that should sum up to targets, in 50 steps."""
    table, optimizer = table_of(rng), RowAdagrad(ROWS, 0.2)
    (bag, _), _ = random_batch(rng)
    weights = (bag["weights"] * (bag["ids"] > 0)).astype(np.float32)
    targets = rng.normal(size=(7, DIM)).astype(np.float32)
    losses = []
    for _ in range(50):
        sums = (table.numpy()[bag["ids"]] * weights[:, :, None]).sum(axis=1)
        losses.append(np.sum((sums - targets) ** 2) / 7)
        optimizer.update(table, [bag], [2 * (sums - targets) / 7], 7)
    assert losses[-1] < 0.2 * losses[0]


@pytest.mark.parametrize(
    "rate", [0.05, keras.optimizers.schedules.PolynomialDecay(0.4, 9, 0.1)]
)
def test_round_trip(rng, rate):
    optimizer = RowAdagrad(ROWS, rate, initial=0.3, padding=False)
    config = keras.saving.serialize_keras_object(optimizer)
    twin = keras.saving.deserialize_keras_object(config)
    table = table_of(rng)
    other = keras.Variable(table.numpy(), trainable=False)
    np.testing.assert_array_equal(twin.accumulators, optimizer.accumulators)
    assert (random_batch(rng)[0][0]["ids"] == 0).any()
    for _ in range(2):
        batch = random_batch(rng)
        optimizer.update(table, *batch, 5)
        twin.update(other, *batch, 5)
        twin.set_weights(optimizer.get_weights())
    np.testing.assert_allclose(other, table, rtol=1e-6)
    assert twin.iterations == 2
