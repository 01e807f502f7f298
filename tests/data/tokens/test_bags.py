"""Invariants of bags and of the bags of sparse features:

- a row holds its largest features first, `length` at most, in loops as here;
- feature f is token f + 1, and padding is token 0 of weight 0;
- weights have norm 1; rows without features, or all zero, stay zero;
- `take` copies rows, in any order, and also from memory maps, and pads them;
- all rows of a table are equally long; labels may be known by number alone.
"""

import numpy as np
import pytest

from tfxc.data import Bags, SparseFeatures, bags_from_features, label_rows


def random_features(rng, rows=200, columns=50, most=12):
    """Rows with no to `most` features; ties, zeros and negatives among them."""
    counts = rng.integers(0, most + 1, rows)
    ids = [np.sort(rng.choice(columns, n, replace=False)) for n in counts]
    values = rng.choice([-2.0, -0.5, 0.0, 0.5, 1.0, 3.0], counts.sum())
    return SparseFeatures(
        np.concatenate(ids).astype(np.int32),
        values.astype(np.float32),
        np.concatenate([[0], np.cumsum(counts)]),
        columns,
    )


def slow_bag(ids, values, length):
    """One row, feature by feature."""
    pairs = sorted(zip(ids, values, strict=True), key=lambda p: -abs(p[1]))
    pairs = pairs[:length]
    norm = sum(value * value for _, value in pairs) ** 0.5 or 1.0
    tokens = [int(feature) + 1 for feature, _ in pairs]
    weights = [value / norm for _, value in pairs]
    missing = [0] * (length - len(pairs))
    return tokens + missing, weights + missing


@pytest.mark.parametrize("length", [1, 5, 12, 20])
def test_equals_loops(rng, length):
    features = random_features(rng)
    bags = bags_from_features(features, length)
    slow = [slow_bag(*features[row], length) for row in range(len(features))]
    counts = np.diff(features.splits)
    assert counts.min() == 0 and counts.max() > 5, "would test less"
    np.testing.assert_array_equal(bags.ids, [ids for ids, _ in slow])
    np.testing.assert_allclose(bags.weights, [w for _, w in slow], atol=1e-3)
    assert bags.ids.dtype == np.int32 and bags.weights.dtype == np.float16


def test_norms(rng):
    features = random_features(rng)
    bags = bags_from_features(features, 12)
    norms = np.linalg.norm(bags.weights.astype(float), axis=1)
    nonzero = np.array([features[r][1].any() for r in range(len(features))])
    assert 0 < nonzero.sum() < len(nonzero)
    np.testing.assert_allclose(norms, nonzero, atol=2e-3)
    assert not bags.weights[bags.ids == 0].any()


def test_no_rows():
    empty = SparseFeatures(
        np.empty(0, np.int32), np.empty(0, np.float32), np.zeros(1, int), 7
    )
    bags = bags_from_features(empty, 3)
    assert len(bags) == 0 and bags.ids.shape == bags.weights.shape == (0, 3)


def test_take(rng, tmp_path):
    ids = rng.integers(1, 9, (6, 3)).astype(np.int32)
    weights = rng.random((6, 3)).astype(np.float16)
    np.save(tmp_path / "ids.npy", ids)
    bags = Bags(np.load(tmp_path / "ids.npy", mmap_mode="r"), weights)
    rows = np.array([4, 0, 4])
    taken = bags.take(rows)
    np.testing.assert_array_equal(taken["ids"], ids[rows])
    np.testing.assert_array_equal(taken["weights"], weights[rows])
    assert not np.shares_memory(taken["ids"], bags.ids)
    assert bags.take(np.array([], int))["ids"].shape == (0, 3)
    assert len(bags) == 6


@pytest.mark.parametrize("size", [None, 3, 5])
def test_take_pads(rng, size):
    bags = Bags(
        rng.integers(1, 9, (6, 3)).astype(np.int32),
        (rng.random((6, 3)) + 1).astype(np.float16),
    )
    rows = np.array([4, 0, 4])
    taken, alone = bags.take(rows, size), bags.take(rows)
    assert taken.keys() == bags.fields.keys()
    for name, (dtype, shape) in bags.fields.items():
        assert taken[name].shape == (size or 3, *shape)
        assert taken[name].dtype == dtype
        np.testing.assert_array_equal(taken[name][:3], alone[name])
        assert not taken[name][3:].any()
    assert bags.lengths(rows).tolist() == [3, 3, 3]


def test_labels_by_their_number():
    """`label_rows`: label l is token l alone, and padding has weight 0."""
    labels = label_rows(4)
    assert len(labels) == 4
    taken = labels.take(np.array([3, 0]), 4)
    assert taken["ids"].tolist() == [[3], [0], [0], [0]]
    assert taken["weights"].tolist() == [[1], [1], [0], [0]]
    assert taken["ids"].dtype == np.int32
    assert taken["weights"].dtype == np.float16
    assert len(label_rows(0)) == 0
