"""Invariants of stored vectors in the place of tokens:

- `take` copies rows as float32, also from memory maps, padded with zeros;
- all rows are equally long; what is taken is what `fields` says;
- `tfxc.encoders.StoredVectors` reads them.
"""

import numpy as np
import pytest

from tfxc.data import Vectors
from tfxc.encoders import StoredVectors, encode


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("size", [None, 3, 7])
def test_take(rng, tmp_path, dtype, size):
    array = rng.normal(size=(6, 4)).astype(dtype)
    np.save(tmp_path / "v.npy", array)
    vectors = Vectors(np.load(tmp_path / "v.npy", mmap_mode="r"))
    rows = np.array([4, 0, 4])
    taken = vectors.take(rows, size)["vectors"]
    assert taken.dtype == np.float32
    assert taken.shape == (size or 3, 4)
    for place, row in enumerate(rows):
        np.testing.assert_array_equal(
            taken[place], array[row].astype(np.float32)
        )
    assert not taken[3:].any()
    assert not np.shares_memory(taken, vectors.vectors)


def test_sizes_and_fields(rng):
    vectors = Vectors(rng.normal(size=(6, 4)))
    assert len(vectors) == 6
    assert vectors.fields == {"vectors": (np.float32, (4,))}
    assert np.ptp(vectors.lengths(np.arange(5))) == 0
    assert vectors.lengths(np.arange(5)).shape == (5,)
    assert vectors.take(np.array([], int))["vectors"].shape == (0, 4)
    assert vectors.take(np.array([], int), 2)["vectors"].shape == (2, 4)


def test_an_encoder_reads_them(rng):
    array = rng.normal(size=(11, 4))
    rows = rng.permutation(11)[:7]
    found = encode(StoredVectors(4), Vectors(array), rows, block_rows=3)
    norms = np.linalg.norm(array[rows], axis=1, keepdims=True)
    np.testing.assert_allclose(found, array[rows] / norms, atol=1e-6)
