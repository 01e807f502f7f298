"""Invariants of weighted sums of rows:

- both equal a loop over bags and places, whatever the lengths, compiled or
  not, and with a number of bags that only the call knows;
- one is the transpose of the other: <S(t), v> = <t, A(v)>;
- rows that no bag has keep every bit;
- compiled, no array of all rows of all bags is made, and no second table.
"""

import importlib
import re

import numpy as np
import pytest
import tensorflow as tf

from tfxc.layers import add_weighted_rows, weighted_rows
from tfxc.layers.weighted_rows import PLACES

ROWS, DIM = 50, 6
# The package has the function under the name of the module.
module = importlib.import_module("tfxc.layers.weighted_rows")
LENGTHS = [1, PLACES - 1, PLACES, PLACES + 1, 3 * PLACES + 2]


def bags(rng, length, count=7):
    """Ids with repeats, and weights, some of them zero."""
    ids = rng.integers(0, ROWS // 2, (count, length)).astype(np.int32)
    weights = rng.random((count, length)).astype(np.float32)
    return ids, np.where(rng.random(ids.shape) < 0.3, 0, weights)


@pytest.fixture(params=["few", "many"], autouse=True)
def bags_are(request, monkeypatch):
    """Few bags are summed at once, many place by place."""
    if request.param == "many":
        monkeypatch.setattr(module, "FEW", 0)
    return request.param


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("jit", [None, False, True])
def test_sums(rng, length, jit):
    table = rng.normal(size=(ROWS, DIM)).astype(np.float32)
    ids, weights = bags(rng, length)
    expected = [w @ table[i] for i, w in zip(ids, weights, strict=True)]
    function = weighted_rows if jit is None else compiled(weighted_rows, jit)
    sums = function(table, ids, weights)
    np.testing.assert_allclose(sums, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("jit", [None, False, True])
def test_additions(rng, length, jit):
    table = rng.normal(size=(ROWS, DIM)).astype(np.float32)
    ids, weights = bags(rng, length)
    vectors = rng.normal(size=(len(ids), DIM)).astype(np.float32)
    expected = table.copy()
    for bag, vector in enumerate(vectors):
        for place in range(length):
            expected[ids[bag, place]] += weights[bag, place] * vector
    add = add_weighted_rows
    function = add if jit is None else compiled(add, jit)
    changed = np.asarray(function(table, ids, weights, vectors))
    np.testing.assert_allclose(changed, expected, rtol=1e-4, atol=1e-5)
    unused = np.setdiff1d(np.arange(ROWS), ids)
    assert len(unused) >= ROWS // 2
    np.testing.assert_array_equal(changed[unused], table[unused])


def test_one_is_the_transpose_of_the_other(rng):
    table = rng.normal(size=(ROWS, DIM))
    ids, weights = bags(rng, 2 * PLACES + 1)
    weights = weights.astype(np.float64)
    vectors = rng.normal(size=(len(ids), DIM))
    sums = weighted_rows(table, ids, weights)
    added = add_weighted_rows(np.zeros_like(table), ids, weights, vectors)
    assert np.vdot(sums, vectors) == pytest.approx(np.vdot(table, added))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_type_is_that_of_the_table(rng, dtype):
    table = np.ones((ROWS, DIM), dtype)
    ids, weights = bags(rng, 3)
    sums = weighted_rows(table, ids, weights.astype("float16"))
    assert sums.dtype == dtype
    added = add_weighted_rows(table, ids, weights, np.ones((7, DIM), "float32"))
    assert added.dtype == dtype


def test_a_number_of_bags_that_the_call_knows(rng):
    table = rng.normal(size=(ROWS, DIM)).astype(np.float32)
    shapes = [
        tf.TensorSpec([None, PLACES + 3], tf.int32),
        tf.TensorSpec([None, PLACES + 3], tf.float32),
    ]
    function = tf.function(
        lambda ids, weights: weighted_rows(table, ids, weights),
        input_signature=shapes,
    )
    for count in (1, 5, 0):
        ids, weights = bags(rng, PLACES + 3, count)
        expected = np.vecdot(weights[:, :, None], table[ids], axis=1)
        np.testing.assert_allclose(function(ids, weights), expected, rtol=1e-5)


def test_memory_of_the_compiled_functions(rng, monkeypatch):
    monkeypatch.setattr(module, "FEW", 0)
    ids, weights = bags(rng, 5 * PLACES, count=32)
    vectors = rng.normal(size=(32, DIM)).astype(np.float32)
    table = tf.Variable(rng.normal(size=(ROWS, DIM)).astype(np.float32))

    def change(ids, weights, vectors):
        table.assign(add_weighted_rows(table, ids, weights, vectors))

    for function, inputs in (
        (lambda i, w: weighted_rows(table, i, w), (ids, weights)),
        (change, (ids, weights, vectors)),
    ):
        step = tf.function(function, jit_compile=True, autograph=False)
        program = step.experimental_get_compiler_ir(*inputs)("optimized_hlo")
        sizes = re.findall(r"= f32\[([\d,]+)\]", program)
        sizes = {np.prod([int(n) for n in x.split(",")]) for x in sizes}
        assert max(sizes) < ids.size * DIM
        copies = rf"= f32\[{ROWS},{DIM}\]\S* copy\("
        assert not re.search(copies, program)


def compiled(function, jit):
    return tf.function(function, jit_compile=jit, autograph=False)
