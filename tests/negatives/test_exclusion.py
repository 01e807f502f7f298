"""Invariants of draws that exclude labels:

- they follow the law that is told, which sums to 1, eager and compiled;
- the excluded are as rare as all tries being one of them;
- one try is the sampler itself, as is nothing that is excluded;
- a positive that is a candidate is excluded once, and no padding is;
- sums over shared draws are right on average, for each query over what is not
  excluded for it, though it may be for others.
"""

import numpy as np
import pytest
import tensorflow as tf
from sampler_cases import LABELS, SAMPLERS, label_vectors, queries, softmax
from scipy import stats

from tfxc.negatives import (
    Excluded,
    MixedNegatives,
    excluded_share,
    shared_sample,
)
from tfxc.negatives.exclusion import log_prob_excluding, sample_excluding

NAMES = [name for name in SAMPLERS if name not in ("in-batch", "mixed")]
DRAWS = 8_000


def excluded_labels():
    """A likely label of each query, others, and some of all queries."""
    best = softmax(queries(), label_vectors()).argmax(axis=1)
    none = np.full(5, -1)
    positives = np.stack([best, (best + 7) % LABELS, none], axis=1)
    candidates = np.array([3, best[0], 11, -1])
    return Excluded(positives.astype(np.int32), candidates.astype(np.int32))


EXCLUDED = excluded_labels()


def all_excluded():
    return np.asarray(EXCLUDED.among(np.tile(np.arange(LABELS), (5, 1))))


def law(sampler, x, tries, of=EXCLUDED):
    ids = np.arange(LABELS)
    return np.exp(np.float64(log_prob_excluding(sampler, x, ids, of, tries)))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("tries", [1, 2, 8])
@pytest.mark.parametrize("jit", [False, True])
def test_draws_follow_the_law(name, tries, jit):
    sampler, x = SAMPLERS[name](), queries()
    q = law(sampler, x, tries) / sampler.share
    np.testing.assert_allclose(q.sum(axis=1), 1, rtol=1e-4)

    def run():
        return sample_excluding(sampler, x, DRAWS, EXCLUDED, tries, seed=3)

    run = tf.function(run, jit_compile=True) if jit else run
    ids = run().numpy()
    assert ids.shape == (5, DRAWS) and ids.dtype == np.int32
    for row, expected in zip(ids, q, strict=True):
        seen = np.bincount(row, minlength=LABELS)
        often = expected * DRAWS > 5
        observed = [*seen[often], seen[~often].sum() + 1e-9]
        wanted = np.array([*expected[often], expected[~often].sum() + 1e-9])
        wanted *= np.sum(observed) / wanted.sum()
        assert often.sum() > 5, "would test little"
        assert stats.chisquare(observed, wanted).pvalue > 1e-4


@pytest.mark.parametrize("name", NAMES)
def test_excluded_labels_are_rare(name):
    sampler, x = SAMPLERS[name](), queries()
    plain = law(sampler, x, 1) / sampler.share
    p = (plain * all_excluded()).sum(axis=1)
    np.testing.assert_allclose(
        excluded_share(sampler, x, EXCLUDED), p, rtol=1e-4
    )
    left = (law(sampler, x, 8) * all_excluded()).sum(axis=1) / sampler.share
    np.testing.assert_allclose(left, p**8, rtol=2e-3, atol=1e-8)
    if name.startswith("tree"):
        assert p.max() > 0.3, "would test little"
    # Among others nothing changes but the sum.
    others = np.where(all_excluded(), 0, plain)
    others /= others.sum(axis=1, keepdims=True)
    found = np.where(all_excluded(), 0, law(sampler, x, 8))
    found /= found.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(found, others, rtol=1e-3, atol=1e-9)


@pytest.mark.parametrize("name", NAMES)
def test_one_try_and_nothing_excluded_are_the_sampler_itself(name):
    sampler, x = SAMPLERS[name](), queries()
    plain = sampler.sample(x, 9, 3)[0].numpy()
    nothing = Excluded(np.full((5, 1), -1, np.int32), np.array([-1], np.int32))
    for of, tries in ((EXCLUDED, 1), (None, 8)):
        ids = sample_excluding(sampler, x, 9, of, tries, seed=3).numpy()
        np.testing.assert_array_equal(ids, plain)
    expected = np.exp(sampler.law(x))
    for found in (law(sampler, x, 1), law(sampler, x, 8, nothing)):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-9)


def test_a_query_that_excludes_all_labels():
    sampler, x = SAMPLERS["tree"](), queries()
    everything = Excluded(EXCLUDED.positives, np.arange(LABELS))
    q = law(sampler, x, 8, everything)
    assert np.isfinite(q).all()
    np.testing.assert_allclose(q.sum(axis=1), 1, rtol=1e-3)
    ids = sample_excluding(sampler, x, 50, everything, 8).numpy()
    assert ids.min() >= 0 and ids.max() < LABELS


@pytest.mark.parametrize("num", [4, 5, 20])
@pytest.mark.parametrize("name", ["mixed", "tree", "midx"])
def test_shared_samples_weigh_right(name, num):
    """The sum of any f over the labels that a query does not exclude."""
    sampler, x = SAMPLERS[name](), queries()
    f = np.random.default_rng(5).uniform(1, 2, LABELS)
    f = np.where(all_excluded(), 0, f)
    others = all_excluded().any(axis=0) & ~all_excluded()
    assert others.sum() > 10, "would test less"
    if num < len(x):  # what all who draw exclude is not drawn for others either
        f = np.where(all_excluded().any(axis=0), 0, f)
    if name == "mixed" and num == 5:
        num = 40
    step = tf.function(
        lambda: shared_sample(sampler, x, num, excluded=EXCLUDED),
        jit_compile=True,
    )
    sums = []
    for _ in range(700):
        ids, log_q = step()
        assert ids.shape == log_q.shape == (num,)
        assert np.isfinite(log_q).all()
        sums.append(np.mean(f[:, ids.numpy()] / np.exp(log_q.numpy()), axis=1))
    error = np.std(sums, axis=0) / np.sqrt(len(sums))
    exact = f.sum(axis=1)
    assert (error < 0.3 * exact).all()
    assert (np.abs(np.mean(sums, axis=0) - exact) < 4.5 * error + 0.01).all()


def test_only_one_sampler_at_a_time():
    with pytest.raises(ValueError, match=r"one sampler at a time.*Mixed"):
        sample_excluding(SAMPLERS["mixed"](), queries(), 2, EXCLUDED, 2)


def test_mixtures_of_mixtures_weigh_right():
    inner = SAMPLERS["mixed"]()
    sampler = MixedNegatives([SAMPLERS["unigram"](), inner], [1, 1])
    parts = sampler.components(16)
    assert [count for _, count in parts] == [8, 2, 6]
    assert [part for part, _ in parts][1:] == inner.samplers
    np.testing.assert_allclose(
        np.exp(sampler.law(queries())).sum(axis=1), 1, rtol=1e-4
    )
    assert sampler.sample(queries(), 16)[0].shape == (5, 16)
