"""Invariants of Nystrom codes and of their regression:

- with landmarks that span everything, products of codes are exact;
- codes that have not moved stay; a linear move is recovered, where the labels
  lie in the landmarks' span;
- small matrices do to all codes, in place and in chunks, what going through
  all vectors would;
- labels that move each on its own are not moved further off than they were,
  and the ridge is the one that held-out labels are nearest with;
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
    exact = vectors[:5] @ vectors.T
    np.testing.assert_allclose(
        found.codes(vectors[:5]) @ found.codes(vectors).T, exact, atol=1e-4
    )
    lengths = np.linalg.norm(found.codes(vectors), axis=1)
    assert lengths.max() < 1 + 1e-4 and lengths[5:].min() < 0.9


def test_repeated_landmarks(rng):
    vectors = labels(rng)
    twice = np.concatenate([vectors[:6], vectors[:6]])
    one, other = (Nystrom(rows).codes(vectors) for rows in (vectors[:6], twice))
    np.testing.assert_allclose(one @ one.T, other @ other.T, atol=1e-3)


def test_no_move_changes_nothing(rng):
    vectors = labels(rng, rank=6)
    before = Nystrom(vectors[:6], ridges=(1e-9,))
    codes = before.codes(vectors)
    move = before.fitted(codes[10:80], vectors[10:80], vectors[:6])
    moved = codes.copy()
    move.apply(moved)
    np.testing.assert_allclose(moved, codes, atol=1e-3)
    assert move.error < 1e-3


def test_a_linear_move_is_recovered(rng):
    vectors = labels(rng, rank=6)
    rotation = np.linalg.qr(rng.normal(size=(12, 12)))[0]
    there = unit(vectors @ (rotation + 0.2 * rng.normal(size=(12, 12))))
    rotated = unit(vectors @ rotation)
    before = Nystrom(vectors[:6], ridges=(1e-9,))
    codes = before.codes(vectors)
    for new, close in ((rotated, 1e-3), (there, 0.25)):
        move = before.fitted(codes[10:80], new[10:80], new[:6])
        error = np.linalg.norm(move.vectors(codes) - new, axis=1)
        assert error.mean() < close
        assert 0.2 < (move.error + 1e-3) / (error[80:].mean() + 1e-3) < 5
        assert move.error_at(codes[80:], new[80:]) < close
    assert np.linalg.norm(there - vectors, axis=1).mean() > 0.5


def test_moves_that_have_nothing_in_common(rng):
    vectors = labels(rng)
    new = unit(vectors + 0.1 * rng.normal(size=vectors.shape))
    sample = slice(10, 40)
    errors = {}
    for ridges in ((1e-9,), (1e3,), (1e-9, 1.0, 1e3)):
        before = Nystrom(vectors[:8], ridges)
        codes = before.codes(vectors)
        move = before.fitted(codes[sample], new[sample], new[:8])
        errors[ridges] = move.error_at(codes, new)
    chance, still, chosen = errors.values()
    stays = Nystrom(vectors[:8]).codes(vectors) @ Nystrom(vectors[:8]).basis.T
    there = Nystrom(new[:8])
    gap = there.codes(stays) - there.codes(new)
    expected = np.linalg.norm(gap) / np.linalg.norm(there.codes(new))
    assert still == pytest.approx(expected, rel=0.02)
    assert chosen < 1.05 * still < chance


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_chunks_equal_all_at_once(rng, tmp_path, monkeypatch, dtype):
    monkeypatch.setattr(nystrom, "ROWS", 64)
    vectors = labels(rng)
    new = unit(vectors + 0.3 * rng.normal(size=vectors.shape))
    before = Nystrom(vectors[:7])
    codes = before.codes(vectors).astype(dtype)
    move = before.fitted(codes[20:90], new[20:90], new[:7])
    expected = move.there.codes(move.vectors(codes))
    mapped = np.lib.format.open_memmap(
        tmp_path / "codes.npy", "w+", dtype, codes.shape
    )
    mapped[:] = codes
    move.apply(mapped)
    close = 1e-5 if dtype == np.float32 else 2e-3
    np.testing.assert_allclose(mapped, expected, atol=close)
    assert np.abs(mapped - codes).max() > 0.1


def test_few_labels_have_no_error(rng):
    vectors = labels(rng)
    before = Nystrom(vectors[:5])
    few = before.codes(vectors)[:8]
    assert np.isnan(before.fitted(few, vectors[:8], vectors[:5]).error)


@pytest.mark.parametrize("where", ["vectors", "landmarks"])
def test_vectors_that_are_not_finite(rng, where):
    vectors = labels(rng)
    given = {"vectors": vectors[:20].copy(), "landmarks": vectors[:5].copy()}
    given[where][2, 3] = np.nan
    before = Nystrom(vectors[:5])
    with pytest.raises(ValueError, match="Received: NaN"):
        before.fitted(before.codes(vectors)[:20], **given)
