"""Invariants of codes that follow an encoder:

- the first refresh of an epoch encodes all labels, the next ones few of them;
- after a move that a regression can follow, codes are nearly those of the new
  vectors; after one that it cannot, or that nothing judges, all labels are
  encoded;
- vectors that are not finite are refused, and the codes stay;
- codes in a file are those in memory, and the file is whole at any time.
"""

import numpy as np
import pytest
from sampler_cases import unit

from tfxc.negatives import ClusterTreeSampler, MovingCodes, Nystrom

LABELS, DIM = 500, 10


class Encoder:
    """Vectors that move, and how many were asked for."""

    def __init__(self):
        rng = np.random.default_rng(0)
        self.vectors = unit(rng.normal(size=(LABELS, DIM)))
        self.asked = 0

    def __call__(self, ids):
        self.asked += len(ids)
        return self.vectors[ids]


def codes_of(encoder, **options):
    settings = {"landmarks": 12, "sample": 60, "full_interval": 3, **options}
    return MovingCodes(encoder, LABELS, **settings)


def test_few_are_encoded(rng):
    encoder = Encoder()
    codes = codes_of(encoder)
    rotation = np.linalg.qr(np.eye(DIM) + 0.1 * rng.normal(size=(DIM, DIM)))[0]
    for number in range(5):
        before = encoder.asked
        codes.refresh(number)
        everything = number in (0, 3)
        asked = (LABELS if everything else 60) + 12
        assert encoder.asked - before == asked == codes.report["encoded"]
        assert np.isnan(codes.report["error"]) == everything
        # By products: a basis may turn.
        exact = encoder.vectors @ encoder.vectors.T
        found = codes.codes.astype(float)
        np.testing.assert_allclose(found @ found.T, exact, atol=0.05)
        x = encoder.vectors[:9] @ codes.projection
        np.testing.assert_allclose(x @ found.T, exact[:9], atol=0.05)
        encoder.vectors = unit(encoder.vectors @ rotation)
    assert codes.codes.dtype == np.float16


def test_labels_that_were_encoded_are_as_if_all_were():
    rng = np.random.default_rng(1)  # not that of the vectors
    encoder, asked = Encoder(), []
    codes = codes_of(encoder)
    codes.refresh(0)
    encoder.vectors = unit(
        encoder.vectors + 0.05 * rng.normal(size=(LABELS, DIM))
    )
    codes.encode = lambda ids: (asked.extend(ids), encoder(ids))[1]
    codes.refresh(1)
    assert len(asked) == len(set(asked)) == 12 + 60  # no landmark twice
    assert set(asked[:12]) == set(codes.landmarks)
    expected = codes.nystrom.codes(encoder.vectors)
    gap = np.abs(codes.codes - expected).max(axis=1)
    others = np.setdiff1d(np.arange(LABELS), asked)
    assert gap[asked].max() < 1e-3 < gap[others].max()


def test_a_move_that_cannot_be_followed():
    rng = np.random.default_rng(9)
    encoder = Encoder()
    codes = codes_of(encoder, tolerance=0.3)
    codes.refresh(0)
    encoder.vectors = unit(rng.normal(size=(LABELS, DIM)) + 0.1)
    codes.refresh(1)
    assert codes.report["encoded"] == LABELS + 12
    assert codes.report["error"] > 0.3
    expected = Nystrom(encoder.vectors[codes.landmarks]).codes(encoder.vectors)
    np.testing.assert_allclose(codes.codes, expected, atol=2e-3)


@pytest.mark.parametrize(("sample", "everything"), [(8, True), (9, False)])
def test_a_move_that_nothing_judges(sample, everything):
    encoder = Encoder()
    codes = codes_of(encoder, sample=sample)
    codes.refresh(0)
    codes.refresh(1)
    assert (codes.report["encoded"] == LABELS + 12) == everything


@pytest.mark.parametrize("number", [0, 1])
def test_vectors_that_are_not_finite(number):
    encoder = Encoder()
    codes = codes_of(encoder)
    codes.refresh(0)
    before = codes.codes.copy()
    encoder.vectors[codes.landmarks[3], 2] = np.nan
    with pytest.raises(ValueError, match="Received: NaN or infinity"):
        codes.refresh(number)
    np.testing.assert_array_equal(codes.codes, before)


@pytest.mark.parametrize("name", ["landmarks", "sample", "full_interval"])
def test_numbers_out_of_range(name):
    with pytest.raises(ValueError, match="must be at least 1"):
        codes_of(Encoder(), **{name: 0})


def test_codes_in_a_file(tmp_path, rng):
    encoder, path = Encoder(), tmp_path / "codes.npy"
    here, there = codes_of(encoder), codes_of(encoder, path=path)
    for number in range(4):  # the last encodes all labels anew
        here.refresh(number)
        there.refresh(number)
        np.testing.assert_array_equal(there.codes[:], here.codes)
        np.testing.assert_array_equal(np.load(path), here.codes)
        encoder.vectors = unit(
            encoder.vectors + 0.01 * rng.normal(size=(LABELS, DIM))
        )
    for projection in (None, here.projection):  # a tree reads both alike
        trees = [
            ClusterTreeSampler(codes, 20.0, 2, 4, 4, projection=projection)
            for codes in (here.codes, there.codes)
        ]
        for one, two in zip(*(tree.variables for tree in trees), strict=True):
            np.testing.assert_array_equal(one, two)
    encoder.vectors[-1, 0] = np.nan
    with pytest.raises(ValueError, match="finite"):
        there.refresh(0)
    np.testing.assert_array_equal(there.codes[:], here.codes)
    np.testing.assert_array_equal(np.load(path), here.codes)


def test_all_labels_are_landmarks(rng):
    """Their codes are exact wherever each of them goes."""
    encoder = Encoder()
    codes = codes_of(encoder, landmarks=LABELS)
    for number in range(3):
        codes.refresh(number)
        products = encoder.vectors @ codes.projection @ codes.codes.T
        exact = encoder.vectors @ encoder.vectors.T
        np.testing.assert_allclose(products, exact, atol=5e-3)
        encoder.vectors = unit(rng.normal(size=(LABELS, DIM)))


def test_landmarks_without_text(rng):
    """An encoder gives them a vector of zeros."""
    encoder = Encoder()
    codes = codes_of(encoder)
    encoder.vectors[codes.landmarks[:3]] = 0
    for number in range(3):
        codes.refresh(number)
        assert np.isfinite(codes.codes).all()
        assert np.isfinite(codes.projection).all()
        assert not codes.codes[codes.landmarks[:3]].any()
        sampler = ClusterTreeSampler(
            codes.codes, 8.0, projection=codes.projection
        )
        total = np.exp(sampler.law(encoder.vectors[:4])).sum(axis=1)
        np.testing.assert_allclose(total, 1, rtol=1e-3)
        noise = 0.05 * rng.normal(size=(LABELS, DIM))
        moved = unit(encoder.vectors + noise)
        empty = ~encoder.vectors.any(axis=1)
        encoder.vectors = np.where(empty[:, None], 0, moved)
