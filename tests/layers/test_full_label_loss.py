"""Invariants of the losses over all labels:

- they equal the formula in slow float64, and `tfxc.losses` on all labels,
  whatever the block; their gradients are the slopes of the formula;
- compiled and eager agree; each query's upstream gradient counts as its own;
- value and gradients in one call are those of the differentiable function;
- a positive that wins by far still has an exact loss; scores may rise by any
  amount from block to block; repeated positives count once;
- without positives, or negatives, the softmaxes cost 0, with zero gradients;
- tables of low precision have losses in float32.
"""

import numpy as np
import pytest
import tensorflow as tf
from label_cases import (
    LABELS,
    LOSSES,
    QUERIES,
    differentiated,
    oracle,
    random_case,
)

import tfxc
from tfxc.layers import full_label_loss, full_label_loss_and_gradients


def slopes(function, array, step=1e-6):
    """Central differences of a scalar function."""
    array = np.asarray(array, float)
    slope = np.zeros_like(array)
    for place in np.ndindex(array.shape):
        change = np.zeros_like(array)
        change[place] = step
        up, down = function(array + change), function(array - change)
        slope[place] = (up - down) / (2 * step)
    return slope


@pytest.mark.parametrize("cosine", [False, True])
@pytest.mark.parametrize("block_labels", [1, 7, LABELS, 100])
@pytest.mark.parametrize("loss", LOSSES)
def test_value_and_slopes(rng, loss, block_labels, cosine):
    queries, table, positives = random_case(rng)
    upstream = rng.normal(size=QUERIES).astype(np.float32)
    settings = {"loss": loss, "temperature": 0.6, "cosine": cosine}
    settings["shift"] = 0.7
    losses, to_queries, to_table = differentiated(
        queries,
        table,
        positives,
        upstream,
        block_labels=block_labels,
        **settings,
    )
    assert losses.dtype == np.float32
    expected = oracle(queries, table, positives, **settings)
    np.testing.assert_allclose(losses, expected, rtol=2e-6, atol=1e-6)

    def total(queries=queries, table=table):
        return upstream @ oracle(queries, table, positives, **settings)

    slope = slopes(lambda x: total(queries=x), queries)
    assert np.abs(slope).max() > 0.1
    np.testing.assert_allclose(to_queries, slope, rtol=1e-4, atol=1e-5)
    slope = slopes(lambda x: total(table=x), table)
    assert np.abs(slope).max() > 0.1
    np.testing.assert_allclose(to_table, slope, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("loss", LOSSES)
def test_equals_the_loss_on_all_candidates(rng, loss):
    if loss == "softmax":
        pytest.skip("tfxc.losses has none of this name")
    queries, table, positives = random_case(rng)
    relevance = np.zeros((QUERIES, LABELS + 1))
    np.put_along_axis(relevance, positives, 1, axis=1)  # -1 is the last column
    losses = getattr(tfxc.losses, loss)(
        relevance[:, :-1], queries @ table.T, 0.3
    )
    blocked = full_label_loss(queries, table, positives, loss, 0.3, 4)
    np.testing.assert_allclose(blocked, losses, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("jit", [False, True])
@pytest.mark.parametrize("loss", LOSSES)
def test_compiled_equals_eager(rng, loss, jit):
    case = random_case(rng)
    upstream = rng.normal(size=QUERIES).astype(np.float32)
    settings = {"loss": loss, "block_labels": 5}
    eager = differentiated(*case, upstream, **settings)
    compiled = differentiated(*case, upstream, jit=jit, **settings)
    for one, other in zip(eager, compiled, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("jit", [None, True])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("loss", LOSSES)
def test_values_and_gradients_in_one_call(rng, loss, weighted, jit):
    queries, table, positives = random_case(rng)
    settings = {"loss": loss, "temperature": 0.4, "block_labels": 5}
    settings["shift"] = -0.3
    weights = np.full(QUERIES, 1 / QUERIES, np.float32)
    if weighted:
        settings["weights"] = weights = rng.normal(size=QUERIES).astype("f")

    def run(queries, table):
        return full_label_loss_and_gradients(
            queries, table, positives, cosine=True, **settings
        )

    if jit:
        run = tf.function(run, jit_compile=True)
    together = run(tf.constant(queries), tf.Variable(table))
    settings.pop("weights", None)
    apart = differentiated(
        queries, table, positives, weights, cosine=True, **settings
    )
    for one, other in zip(together, apart, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("ahead", [10.0, 30.0, 60.0])
def test_a_positive_far_ahead_is_exact(ahead):
    """All labels less the positives would leave no digit of Z."""
    table = np.zeros((50, 1), np.float32)
    table[[3, 40], 0] = ahead
    losses, _, to_table = differentiated(
        np.ones((1, 1), np.float32), table, [[3, 40]], 1.0, block_labels=16
    )
    exact = 48 * np.exp(-ahead)
    np.testing.assert_allclose(losses, np.log1p(exact), rtol=1e-4)
    np.testing.assert_allclose(to_table[3], -exact / 2, rtol=0.003)
    np.testing.assert_allclose(to_table[0], np.exp(-ahead), rtol=0.003)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("order", [1, -1])
def test_scores_may_rise_by_any_amount(rng, loss, order):
    """From block to block by over 88, where e^(s - top) overflows."""
    table = np.linspace(-900, 900, 60, dtype=np.float32)[::order, None]
    queries = np.array([[1.0], [-1.0], [0.01]], np.float32)
    case = queries, table, [[5], [20], [40]]
    losses, *gradients = differentiated(*case, 1.0, loss=loss, block_labels=4)
    np.testing.assert_allclose(losses, oracle(*case, loss), rtol=1e-5)
    assert all(np.isfinite(gradient).all() for gradient in gradients)
    assert losses.min() > 1


@pytest.mark.parametrize("loss", LOSSES)
def test_many_tiny_terms_add_up(loss):
    """A loss of a million labels that are all but certainly wrong."""
    table = np.full((100_000, 1), -15.0, np.float32)
    table[7] = 3.0
    case = np.ones((1, 1), np.float32), table, [[7]]
    losses = full_label_loss(*case, loss)
    np.testing.assert_allclose(losses, oracle(*case, loss), atol=3e-6)


@pytest.mark.parametrize("loss", LOSSES)
def test_repeated_positives_count_once(rng, loss):
    queries, table, _ = random_case(rng)
    upstream = np.ones(QUERIES, np.float32)
    once = np.tile([[3, 5, -1, -1]], (QUERIES, 1))
    again = np.tile([[5, 3, 5, 3]], (QUERIES, 1))
    for one, other in zip(
        differentiated(queries, table, once, upstream, loss=loss),
        differentiated(queries, table, again, upstream, loss=loss),
        strict=True,
    ):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("loss", LOSSES[:2])
@pytest.mark.parametrize("positives", [[[-1, -1]], [[0, 1]]])
def test_degenerate_queries_cost_nothing(loss, positives):
    if loss == "softmax" and positives[0][0] == 0:
        pytest.skip("in a plain softmax positives compete")
    results = differentiated(
        np.ones((1, 2), np.float32),
        np.array([[1, 2], [3, -1]], np.float32),
        positives,
        1.0,
        loss=loss,
        block_labels=1,
    )
    for array in results:
        np.testing.assert_array_equal(array, np.zeros_like(array))


def test_rows_of_zeros_have_no_direction(rng):
    queries, table, positives = random_case(rng)
    table[3] = 0
    results = differentiated(queries, table, positives, 1.0, cosine=True)
    assert all(np.isfinite(array).all() for array in results)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("loss", LOSSES)
def test_low_precision_gives_a_float32_loss(rng, loss, dtype):
    queries, table, positives = random_case(rng)
    queries, table = tf.cast(queries, dtype), tf.cast(table, dtype)
    exact = [tf.cast(x, tf.float32).numpy() for x in (queries, table)]
    with tf.GradientTape() as tape:
        tape.watch([queries, table])
        losses = full_label_loss(queries, table, positives, loss)
    assert losses.dtype == tf.float32
    np.testing.assert_allclose(
        losses, oracle(*exact, positives, loss), rtol=1e-5, atol=1e-6
    )
    gradients = tape.gradient(losses, [queries, table])
    expected = differentiated(*exact, positives, 1.0, loss=loss)[1:]
    for gradient, value in zip(gradients, expected, strict=True):
        assert gradient.dtype == dtype
        np.testing.assert_allclose(
            tf.cast(gradient, tf.float32), value, rtol=0.01, atol=0.01
        )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"loss": "hinge"}, "Received: loss='hinge'"),
        ({"temperature": 0.0}, "Received: temperature=0.0"),
        ({"block_labels": 0}, "Received: block_labels=0"),
        ({"table": np.zeros((3, 5))}, r"\(1, 2\), \(3, 5\), \(1, 1\)"),
        ({"positives": [[0], [1]]}, r"\(1, 2\), \(3, 2\), \(2, 1\)"),
        ({"positives": [0]}, r"\(1, 2\), \(3, 2\), \(1,\)"),
    ],
)
def test_bad_arguments(change, message):
    arguments = {
        "queries": np.zeros((1, 2)),
        "table": np.zeros((3, 2)),
        "positives": [[0]],
    }
    with pytest.raises(ValueError, match=message):
        full_label_loss(**{**arguments, **change})
