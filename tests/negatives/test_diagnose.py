"""Invariants of the instrument:

- the exact softmax is found to be exact, with no bias and all draws effective;
- distances and biases are those of an enumeration;
- a worse sampler is found to be worse, in all figures;
- every kind of sampler is told by its law;
- staleness is how far a refresh moves the law, and the refresh is undone.
"""

import numpy as np
import pytest
from sampler_cases import (
    BETA,
    LABELS,
    SAMPLERS,
    candidates,
    label_vectors,
    queries,
    softmax,
    tree,
)

from tfxc.negatives import Uniform, diagnose


def test_the_exact_softmax():
    x, vectors = queries(rows=8), label_vectors()
    found = diagnose(tree(opened=64), x, vectors, BETA, num=16)
    assert found["total_variation"].max() < 0.01
    assert np.abs(found["kl"]).max() < 0.01
    assert (
        abs(found["squared_bias"].mean()) < 0.01
        and found["effective"].min() > 0.99
    )
    assert found["microseconds"] > 0
    assert found["bytes"] > LABELS * 6 * 2


def test_an_encoder_makes_the_vectors():
    x, vectors = queries(rows=8), label_vectors()
    plain = diagnose(Uniform(LABELS), x, vectors, BETA, num=4, rounds=2)
    found = diagnose(
        *(Uniform(LABELS), 2 * x, 2 * vectors, BETA),
        **{"num": 4, "rounds": 2, "encoder": lambda inputs: inputs / 2},
    )
    for name in ("total_variation", "kl", "squared_bias"):
        np.testing.assert_allclose(found[name], plain[name], rtol=1e-5)


def test_uniform_by_enumeration():
    x, vectors = queries(rows=8), label_vectors()
    exact = softmax(x, vectors)
    positives = exact.argmax(axis=1)
    found = diagnose(
        Uniform(LABELS), x, vectors, BETA, positives, num=4, rounds=3000
    )
    distance = np.abs(exact - 1 / LABELS).sum(axis=1) / 2
    np.testing.assert_allclose(found["total_variation"], distance, rtol=1e-5)
    kl = (exact * np.log(exact * LABELS)).sum(axis=1)
    np.testing.assert_allclose(found["kl"], kl, rtol=1e-4)
    moves = np.minimum(exact[:, :, None], exact[:, None]) / LABELS
    accepted = moves.sum(axis=(1, 2))
    np.testing.assert_allclose(found["acceptance"], accepted, rtol=1e-5)
    rng = np.random.default_rng(3)
    for row in range(3):
        ids = rng.integers(0, LABELS, (40_000, 4))
        weights = exact[row][ids]
        weights /= weights.sum(axis=1, keepdims=True)
        drawn = np.einsum("rn,rnd->rd", weights, vectors[ids])
        mean = exact[row] @ vectors
        length = np.linalg.norm(mean - vectors[positives[row]])
        bias = np.linalg.norm(drawn.mean(axis=0) - mean) / length
        variance = drawn.var(axis=0).sum() / length**2
        effective = np.mean(1 / (4 * (weights**2).sum(axis=1)))
        np.testing.assert_allclose(
            found["squared_bias"][row], bias**2, rtol=0.3
        )
        np.testing.assert_allclose(found["variance"][row], variance, rtol=0.1)
        np.testing.assert_allclose(
            found["effective"][row], effective, rtol=0.05
        )


@pytest.mark.parametrize("name", SAMPLERS)
def test_any_sampler(name):
    x, vectors = queries(rows=3), label_vectors()
    found = diagnose(
        *(SAMPLERS[name](), x, vectors, BETA),
        **{"num": 8, "rounds": 2, "refresh": lambda: None},
        **candidates(),
    )
    q = np.exp(SAMPLERS[name]().law(x))
    distance = np.abs(softmax(x, vectors) - q).sum(axis=1) / 2
    np.testing.assert_allclose(found["total_variation"], distance, atol=1e-4)
    assert not found["staleness"].any() and found["microseconds"] > 0
    for figure in ("effective", "acceptance"):
        assert ((found[figure] > 0) & (found[figure] <= 1 + 1e-6)).all()


def test_worse_is_worse():
    x, vectors = queries(rows=8), label_vectors()
    good, bad = (
        diagnose(sampler, x, vectors, BETA, num=8)
        for sampler in (tree(opened=3), Uniform(LABELS))
    )
    for name in ("total_variation", "kl", "squared_bias", "variance"):
        assert good[name].mean() < bad[name].mean() / 1.5, name
    assert good["effective"].mean() > 1.5 * bad["effective"].mean()


def test_chains_are_nearer():
    """By their law, which no sampler states in closed form."""
    x, vectors = queries(rows=8), label_vectors()
    found = [
        diagnose(tree(opened=1, steps=steps), x, vectors, BETA, num=8, rounds=1)
        for steps in (0, 3, 12)
    ]
    for name in ("total_variation", "kl"):
        means = [figures[name].mean() for figures in found]
        assert means == sorted(means, reverse=True)
        assert means[2] < 0.8 * means[0]


def broken(sampler):
    """A refresh that changes something, and then fails."""

    def refresh():
        sampler.inverse_temperature.assign(0.0)
        sampler.refresh(np.full((LABELS, 6), np.nan))

    return refresh


def test_staleness(rng):
    x, vectors = queries(rows=8), label_vectors()
    sampler = tree(opened=64)
    moved = vectors + 0.3 * rng.normal(size=vectors.shape)
    moved = (moved / np.linalg.norm(moved, axis=1)[:, None]).astype(np.float32)
    before = sampler.law(x)
    few = {"num": 8, "rounds": 1}
    found = diagnose(sampler, x, moved, BETA, **few)
    np.testing.assert_array_equal(sampler.law(x), before)
    exact = [softmax(x, labels) for labels in (vectors, moved)]
    distance = np.abs(exact[0] - exact[1]).sum(axis=1) / 2
    assert distance.min() > 0.05, "would test less"
    np.testing.assert_allclose(found["staleness"], distance, atol=0.01)
    np.testing.assert_allclose(found["total_variation"], distance, atol=0.01)
    assert found["refresh_seconds"] > 0
    generator = sampler.generator.state.numpy()
    with pytest.raises(ValueError, match="finite"):
        diagnose(sampler, x, moved, BETA, **few, refresh=broken(sampler))
    np.testing.assert_array_equal(sampler.law(x), before)
    np.testing.assert_array_equal(sampler.generator.state, generator)
    asked = []
    again = diagnose(
        sampler, x, moved, BETA, **few, refresh=lambda: asked.append(0)
    )
    assert asked == [0] and again["staleness"].max() == 0
