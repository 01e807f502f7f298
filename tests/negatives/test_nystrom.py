"""Invariants of Nystrom codes and of their regression:

- with landmarks that span everything, products of codes are exact;
- codes that have not moved stay; a linear move is recovered, where the labels
  lie in the landmarks' span;
- small matrices do to all codes, in place and in chunks, what going through
  all vectors would;
- ridge and basis are those that held-out labels are nearest with, so codes of
  labels that move each on its own stay as good as codes that are not moved;
- the error is that of held-out labels; what is not finite is refused.
"""

import numpy as np
import pytest
from sampler_cases import unit

from tfxc.negatives import Nystrom, nystrom


def labels(rng, count=400, dim=12, rank=12):
    """Unit vectors in a subspace."""
    basis = rng.normal(size=(rank, dim))
    return unit(rng.normal(size=(count, rank)) @ basis)


@pytest.mark.parametrize("landmarks", [12, 30])
def test_landmarks_that_span_everything(rng, landmarks):
    vectors = labels(rng)
    codes = Nystrom(vectors[:landmarks]).codes(vectors)
    assert codes.shape == (400, landmarks)
    np.testing.assert_allclose(codes @ codes.T, vectors @ vectors.T, atol=1e-4)


def test_few_landmarks_project(rng):
    vectors = labels(rng)
    found = Nystrom(vectors[:5])
    basis = found.basis
    np.testing.assert_allclose(basis.T @ basis, np.eye(5), atol=1e-4)
    lengths = np.linalg.norm(vectors @ basis, axis=1, keepdims=True)
    assert lengths.max() < 1 + 1e-4 and lengths[5:].min() < 0.9
    np.testing.assert_allclose(
        vectors[:5] @ basis @ (lengths * found.codes(vectors)).T,
        vectors[:5] @ vectors.T,
        atol=1e-4,
    )


def test_repeated_landmarks(rng):
    vectors = labels(rng)
    twice = np.concatenate([vectors[:6], vectors[:6]])
    one, other = (Nystrom(rows).codes(vectors) for rows in (vectors[:6], twice))
    np.testing.assert_allclose(one @ one.T, other @ other.T, atol=1e-3)


def fitted(before, codes, new, landmarks, sample):
    """The move of the first labels, landmarks, and of a sample of others."""
    ids = np.r_[:landmarks, sample]
    return before.fitted(codes[ids], new[ids])


def test_no_move_changes_nothing(rng):
    vectors = labels(rng)  # not all in the span of the landmarks
    before = Nystrom(vectors[:6])
    codes = before.codes(vectors)
    move = fitted(before, codes, vectors, 6, slice(10, 80))
    moved = codes.copy()
    move.apply(moved)
    np.testing.assert_allclose(moved, codes, atol=1e-3)
    assert move.error < 1e-3


@pytest.mark.parametrize("ridge", Nystrom(np.eye(2)).ridges)
def test_no_ridge_moves_what_has_not_moved(rng, ridge):
    vectors = labels(rng, rank=6)  # in the span of the landmarks
    before = Nystrom(vectors[:6], (ridge,))
    codes = before.codes(vectors)
    [weights] = before._weights(codes, vectors)
    np.testing.assert_allclose(codes @ weights, vectors, atol=1e-4)


@pytest.mark.parametrize("count", [1, 8, 12, 20])
def test_all_labels_are_landmarks(rng, count):
    vectors = labels(rng, count)
    found = Nystrom(vectors)
    products = vectors @ found.basis @ found.codes(vectors).T
    np.testing.assert_allclose(products, vectors @ vectors.T, atol=1e-3)


def test_a_linear_move_is_recovered(rng):
    vectors = labels(rng, rank=6)
    rotation = np.linalg.qr(rng.normal(size=(12, 12)))[0]
    there = unit(vectors @ (rotation + 0.2 * rng.normal(size=(12, 12))))
    rotated = unit(vectors @ rotation)
    before = Nystrom(vectors[:6])
    codes = before.codes(vectors)
    for new, close in ((rotated, 5e-3), (there, 0.25)):
        move = fitted(before, codes, new, 6, slice(10, 80))
        shown = move.codes(codes) @ move.there.basis.T
        error = np.linalg.norm(shown - new, axis=1)
        assert error.mean() < close
        assert 0.2 < (move.error + 1e-3) / (error[80:].mean() + 1e-3) < 5
        assert move.error_at(codes[80:], new[80:]) < 1.5 * close
    assert np.linalg.norm(there - vectors, axis=1).mean() > 0.5


@pytest.mark.parametrize("turned", [False, True])
def test_what_held_out_labels_are_nearest_with(rng, turned):
    vectors = labels(rng, dim=24, rank=24)
    turn = np.linalg.qr(np.eye(24) + turned * 0.2 * rng.normal(size=(24, 24)))
    new = unit(vectors @ turn[0] + 0.1 * rng.normal(size=vectors.shape))
    before, codes = Nystrom(vectors[:8]), Nystrom(vectors[:8]).codes(vectors)
    move = fitted(before, codes, new, 8, slice(10, 60))
    judges = np.arange(10, 60, 8)
    others = [
        fitted(Nystrom(vectors[:8], (ridge,)), codes, new, 8, slice(10, 60))
        for ridge in before.ridges
    ]
    distances = [m.distance(codes[judges], new[judges]) for m in others]
    assert max(distances) > min(distances)
    best = others[int(np.argmin(distances))]
    np.testing.assert_array_equal(move.weights, best.weights)
    # A turn of all labels is followed, in the basis of the new landmarks.
    follows = move.there is not before
    assert follows == turned
    if follows:
        np.testing.assert_array_equal(move.there.landmarks, new[:8])


@pytest.mark.parametrize("turned", [0.0, 0.1])
def test_many_moves_are_no_worse_than_none(rng, turned):
    vectors = labels(rng, count=600, dim=32, rank=32)
    x = labels(rng, count=50, dim=32, rank=32)
    begun = nystrom_now = Nystrom(vectors[:12])
    first = begun.codes(vectors)
    codes = first.copy()
    for _ in range(6):
        noise = turned * rng.normal(size=(32, 32))
        vectors = vectors @ np.linalg.qr(np.eye(32) + noise)[0]
        vectors = unit(vectors + 0.05 * rng.normal(size=vectors.shape))
        ids = np.r_[:12, rng.choice(np.arange(12, 600), 100, replace=False)]
        move = nystrom_now.fitted(codes[ids], vectors[ids])
        move.apply(codes)
        nystrom_now = move.there
        codes[ids] = nystrom_now.codes(vectors[ids])

    def distance(basis, codes):
        return np.linalg.norm(x @ basis @ codes.T - x @ vectors.T)

    moved = distance(nystrom_now.basis, codes)
    stayed = distance(begun.basis, first)
    fresh = Nystrom(vectors[:12])
    new = distance(fresh.basis, fresh.codes(vectors))
    assert new < stayed
    assert moved < (0.9 if turned else 1.01) * stayed


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_chunks_equal_all_at_once(rng, tmp_path, monkeypatch, dtype):
    monkeypatch.setattr(nystrom, "ROWS", 64)
    vectors = labels(rng)
    turn = np.linalg.qr(rng.normal(size=(12, 12)))[0]
    new = unit(vectors @ turn + 0.1 * rng.normal(size=vectors.shape))
    before = Nystrom(vectors[:7])
    codes = before.codes(vectors).astype(dtype)
    move = fitted(before, codes, new, 7, slice(20, 90))
    expected = move.there.codes(codes.astype(np.float32) @ move.weights)
    mapped = np.lib.format.open_memmap(
        tmp_path / "codes.npy", "w+", dtype, codes.shape
    )
    mapped[:] = codes
    move.apply(mapped)
    close = 1e-6 if dtype == np.float32 else 2e-3
    np.testing.assert_allclose(mapped, expected, atol=close)
    assert np.abs(mapped - codes).max() > 0.1


def test_too_few_labels_stay(rng):
    vectors = labels(rng)
    before = Nystrom(vectors[:5])
    codes = before.codes(vectors)
    new = unit(vectors + 0.3 * rng.normal(size=vectors.shape))
    move = fitted(before, codes, new, 5, slice(5, 13))
    moved = codes.copy()
    move.apply(moved)
    np.testing.assert_allclose(moved, codes, atol=1e-5)
    assert np.isnan(move.error)
    assert fitted(before, codes, new, 5, slice(5, 14)).error > 0


@pytest.mark.parametrize("row", [2, 13])
def test_vectors_that_are_not_finite(rng, row):
    vectors = labels(rng)
    new = vectors[:20].copy()
    new[row, 3] = np.nan
    before = Nystrom(vectors[:5])
    with pytest.raises(ValueError, match="Received: NaN"):
        before.fitted(before.codes(vectors)[:20], new)
