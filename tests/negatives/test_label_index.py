"""Invariants of the index that follows its labels:

- it finds nearly what an exact search finds, and exactly that without ScaNN;
- only labels that moved are put in place; after many moves, too, it finds what
  a new index would; it is trained anew when it is due;
- two indexes of the same vectors and moves find the same;
- vectors that are not finite are refused, and the index stays as it was.
"""

import sys

import numpy as np
import pytest
from sampler_cases import label_vectors, queries, unit

from tfxc.negatives import LabelIndex

LABELS, DIM, K = 3000, 16, 10


def case(rng):
    """Labels in clusters, and queries near some of them."""
    vectors = label_vectors(labels=LABELS, dim=DIM)
    near = vectors[rng.integers(0, LABELS, 200)]
    return vectors, unit(near + 0.2 * rng.normal(size=near.shape))


def recall(index, x):
    exact = np.argsort(-(x @ index.vectors.T), axis=1)[:, :K]
    found = index.top_k(x, K)
    assert found.shape == exact.shape and found.dtype == np.int32
    return np.mean(
        [np.isin(a, b).mean() for a, b in zip(found, exact, strict=True)]
    )


def test_finds_most(rng):
    pytest.importorskip("scann")
    vectors, x = case(rng)
    assert recall(LabelIndex(vectors), x) > 0.8


def test_exact_without_scann(rng, monkeypatch):
    monkeypatch.setitem(sys.modules, "scann", None)
    vectors, x = case(rng)
    index = LabelIndex(vectors)
    assert index.searcher is None and recall(index, x) == 1
    moved = unit(vectors + 0.5 * rng.normal(size=vectors.shape))
    index.move(moved)
    assert recall(index, x) == 1
    np.testing.assert_array_equal(index.vectors, moved)


@pytest.mark.parametrize("often", [np.inf, 0.5])
def test_moves(rng, often):
    pytest.importorskip("scann")
    vectors, x = case(rng)
    index = LabelIndex(vectors, rebalance=often)
    rebalanced = 0
    for _ in range(12):
        vectors = vectors.copy()
        chosen = rng.choice(LABELS, LABELS // 10, replace=False)
        noise = rng.normal(size=(len(chosen), DIM))
        vectors[chosen] = unit(vectors[chosen] + 0.5 * noise)
        vectors[:5] += 1e-4  # too little to count
        index.move(vectors)
        assert index.report["moved"] == LABELS // 10
        rebalanced += index.report["rebalanced"]
    np.testing.assert_allclose(index.vectors, vectors, atol=2e-3)
    assert recall(index, x) > recall(LabelIndex(vectors), x) - 0.03
    assert rebalanced == (0 if often == np.inf else 2)


@pytest.mark.parametrize("twins", [1, 4])
@pytest.mark.parametrize("labels", [130, LABELS])
def test_two_indexes_find_the_same(rng, labels, twins):
    pytest.importorskip("scann")
    vectors = label_vectors(labels=labels, dim=DIM)
    moved = unit(vectors + 0.1 * rng.normal(size=vectors.shape))
    vectors, moved = (np.repeat(v, twins, axis=0) for v in (vectors, moved))
    x = unit(rng.normal(size=(100, DIM)))
    indexes = [LabelIndex(vectors) for _ in range(3)]
    found = []
    for index in indexes:
        index.move(moved)
        found.append(index.top_k(x, K))
    assert indexes[0].report["moved"] > labels * twins / 2
    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_array_equal(found[0], found[2])
    assert (found[0] != LabelIndex(vectors).top_k(x, K)).any()


def test_vectors_that_are_not_finite(rng):
    vectors, x = case(rng)
    index = LabelIndex(vectors)
    before = index.top_k(x, K)
    broken = np.roll(vectors, 1, axis=0)
    broken[77, 3] = np.nan
    with pytest.raises(ValueError, match=r"Received: NaN or .* in row 77"):
        index.move(broken)
    np.testing.assert_array_equal(index.top_k(x, K), before)
    np.testing.assert_array_equal(index.vectors, vectors)
    with pytest.raises(ValueError, match="in row 77"):
        LabelIndex(broken)


def test_labels_must_stay_as_many(rng):
    vectors = label_vectors(labels=LABELS, dim=DIM)
    index, x = LabelIndex(), queries(dim=DIM)
    index.build(vectors)
    before = index.top_k(x, K)
    for change in (index.build, index.move):
        with pytest.raises(ValueError, match=r"must be \[3000, "):
            change(vectors[:-1])
    np.testing.assert_array_equal(index.top_k(x, K), before)


def test_labels_without_text(rng):
    """An encoder gives them a vector of zeros."""
    vectors, x = case(rng)
    vectors[:50] = 0
    index = LabelIndex(vectors)
    assert recall(index, x) > 0.8
    vectors = np.roll(vectors, 50, axis=0)  # others have none
    index.move(vectors)
    assert recall(index, x) > 0.8
    assert index.top_k(np.zeros((2, DIM)), K).shape == (2, K)


def test_few_labels(rng):
    vectors = label_vectors()
    found = LabelIndex(vectors).top_k(queries(), 60)
    assert (np.sort(found, axis=1) == np.arange(60)).all()


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"leaves": 0}, r"`leaves` must be in \[1, 3000\]. Received: 0"),
        ({"leaves": 3001}, "Received: 3001"),
        ({"leaves": 4, "probes": 0}, r"`probes` must be in \[1, 4\]."),
        ({"leaves": 4, "probes": 5}, "Received: 5"),
    ],
)
def test_numbers_out_of_range(options, told):
    with pytest.raises(ValueError, match=told):
        LabelIndex(label_vectors(labels=LABELS, dim=DIM), **options)
