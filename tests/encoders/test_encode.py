"""Invariants of encoding many rows:

- rows come out in the order asked for, as if encoded one by one, whatever the
  size of the blocks, also from memory maps;
- no rows are no error; one shape of block means one trace.
"""

import keras
import numpy as np
import pytest

from tfxc.data import Bags
from tfxc.encoders import BagEncoder, encode


@pytest.fixture(scope="module")
def encoder():
    return BagEncoder(num_tokens=30, dim=4, hidden=0)


def random_bags(rng, rows=11):
    return Bags(
        rng.integers(0, 30, (rows, 5)).astype(np.int32),
        rng.random((rows, 5)).astype(np.float16),
    )


@pytest.mark.parametrize(
    ("rows", "block_rows"),
    [
        (None, 2048),
        (None, 4),
        ([3, 3, 0], 4),
        ([7], 1),
        ([10, 2, 9, 1, 8, 0], 3),
    ],
)
def test_equals_one_by_one(rng, encoder, rows, block_rows, tmp_path):
    bags = random_bags(rng)
    np.save(tmp_path / "ids.npy", bags.ids)
    mapped = Bags(np.load(tmp_path / "ids.npy", mmap_mode="r"), bags.weights)
    chosen = None if rows is None else np.array(rows)
    vectors = encode(encoder, mapped, chosen, block_rows=block_rows)
    assert vectors.dtype == np.float32
    rows = range(11) if rows is None else rows
    slow = [encoder(bags.take(np.array([row])))[0] for row in rows]
    np.testing.assert_allclose(vectors, slow, rtol=1e-5, atol=1e-6)
    assert len({tuple(row) for row in vectors.tolist()}) == len(set(rows))


def test_no_rows(rng, encoder):
    assert encode(encoder, random_bags(rng, 0)).shape == (0, 4)
    none = np.array([], int)
    assert encode(encoder, random_bags(rng), none).shape == (0, 4)


def test_blocks_have_one_shape(rng):
    shapes = []

    class Watched(keras.layers.Layer):
        dim = 4

        def call(self, inputs):
            shapes.append(tuple(inputs["ids"].shape))
            return keras.ops.cast(inputs["ids"][:, :4], "float32")

    bags = random_bags(rng)
    layer = Watched()
    layer.built = True
    np.testing.assert_array_equal(
        encode(layer, bags, block_rows=4), bags.ids[:, :4]
    )
    assert shapes == [(4, 5)]
