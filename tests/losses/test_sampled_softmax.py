"""Invariants of losses on drawn labels:

- with all labels drawn once, each alike, "sampled_softmax" is the decoupled
  softmax over all labels;
- the gradient of "expectation" under draws from the softmax, and of "cache"
  under draws from its negatives, is exact on average; that of "hard_negatives"
  is not, and that of "sampled_softmax" nearly is;
- the value of "self_normalized" is exact whatever is drawn, if the law's odds
  are, and some draw is a negative; where they are not known, it is
  "sampled_softmax";
- positives and candidates among the draws are no negatives;
- compiled and eager agree; a query without positive costs nothing.
"""

import itertools

import numpy as np
import pytest
import tensorflow as tf

from tfxc.losses import decoupled_softmax, sampled_softmax

LABELS, DRAWS = 200, 8
ESTIMATORS = [
    "sampled_softmax",
    "self_normalized",
    "expectation",
    "cache",
    "hard_negatives",
]


def problem(rng, scale=4.0):
    """Scores of all labels, of which label 0 is right."""
    x = rng.normal(size=5)
    y = rng.normal(size=(LABELS, 5))
    y /= np.linalg.norm(y, axis=1, keepdims=True)
    return scale * y @ x / np.linalg.norm(x)


def exact_gradient(scores):
    """Of -log P(label 0), at the scores."""
    p = np.exp(scores - scores.max())
    p /= p.sum()
    return p - np.eye(len(p))[0], p


def mean_gradient(scores, law, estimator, rng, num=DRAWS, rounds=20_000):
    """The gradient at the scores of all labels, on average over draws."""
    ids = rng.choice(LABELS, (rounds, num), p=law)
    weights = np.full(rounds, 1 / rounds)
    return weighted_gradient(scores, law, estimator, ids, weights)


def weighted_gradient(scores, law, estimator, ids, weights):
    """The same over given draws `[n, num]`, with a weight each."""
    rounds = len(ids)
    log_q = np.log(law[ids])
    hits = np.where(ids == 0, -1, 0)
    odds = np.float32(np.log1p(-law[0]) - np.log(max(law[0], 1e-30)))

    @tf.function(jit_compile=True)
    def gradients():
        s = tf.constant(scores, tf.float32)
        positive = tf.repeat(s[None, :1], rounds, axis=0)
        drawn = tf.gather(s, ids)
        with tf.GradientTape() as tape:
            tape.watch([positive, drawn])
            losses = sampled_softmax(
                tf.ones_like(positive),
                positive,
                hits,
                drawn,
                log_q,
                estimator=estimator,
                log_odds=tf.fill([rounds], odds),
            )
            loss = tf.reduce_sum(losses * tf.constant(weights, tf.float32))
        return tape.gradient(loss, [positive, drawn])

    of_positive, of_drawn = (g.numpy() for g in gradients())
    total = np.bincount(ids.ravel(), of_drawn.ravel(), len(scores))
    total[0] += of_positive.sum()
    return total


@pytest.mark.parametrize("num", [1, 2, 3])
@pytest.mark.parametrize("estimator", ["expectation", "cache"])
def test_no_bias_over_all_draws_there_are(rng, estimator, num):
    scores = problem(rng)[:6]
    exact, law = exact_gradient(scores)
    if estimator == "cache":  # its law, too, is that of negatives
        law = np.where(np.arange(6) == 0, 0, law)
        law = law / law.sum()
    ids = np.array(list(itertools.product(range(6), repeat=num)))
    weights = law[ids].prod(axis=1)
    law = np.maximum(law, 1e-300)
    found = weighted_gradient(scores, law, estimator, ids, weights)
    np.testing.assert_allclose(found, exact, atol=1e-6)


@pytest.mark.parametrize(
    ("estimator", "least", "most"),
    [
        ("expectation", 0, 0.02),
        ("cache", 0, 0.02),
        ("self_normalized", 0, 0.02),
        ("sampled_softmax", 0, 0.02),
        ("hard_negatives", 0.1, 0.6),
    ],
)
def test_bias_under_draws_from_the_softmax(rng, estimator, least, most):
    scores = problem(rng)
    exact, p = exact_gradient(scores)
    law = p
    if estimator == "cache":
        law = np.where(np.arange(LABELS) == 0, 0, p)
        law = law / law.sum()
    found = mean_gradient(scores, np.maximum(law, 1e-300), estimator, rng)
    bias = np.linalg.norm(found - exact) / np.linalg.norm(exact)
    assert least <= bias < most


def test_bias_of_uniform_draws_falls_with_their_number(rng):
    scores = problem(rng)
    exact, _ = exact_gradient(scores)
    uniform = np.full(LABELS, 1 / LABELS)
    found = mean_gradient(scores, uniform, "sampled_softmax", rng)
    bias = np.linalg.norm(found - exact) / np.linalg.norm(exact)
    assert 0.05 < bias < 0.5
    found = mean_gradient(scores, uniform, "sampled_softmax", rng, 4 * DRAWS)
    fewer = np.linalg.norm(found - exact) / np.linalg.norm(exact)
    assert fewer < bias / 2.5
    near = exact_gradient(0.9 * scores)[1]
    found = mean_gradient(scores, near, "sampled_softmax", rng)
    assert np.linalg.norm(found - exact) < bias / 3 * np.linalg.norm(exact)


@pytest.mark.parametrize(
    ("estimator", "uniform", "num", "stated"),
    [
        ("sampled_softmax", True, 8, 0.065),
        ("sampled_softmax", True, 64, 0.012),
        ("hard_negatives", True, 8, 0.34),
        ("hard_negatives", True, 64, 0.036),
        ("hard_negatives", False, 8, 0.14),
        ("hard_negatives", False, 64, 0.16),
    ],
)
def test_the_bias_that_is_stated(rng, estimator, uniform, num, stated):
    scores = problem(rng)
    exact, p = exact_gradient(scores)
    law = np.full(LABELS, 1 / LABELS) if uniform else p
    found = mean_gradient(scores, law, estimator, rng, num)
    bias = np.linalg.norm(found - exact) / np.linalg.norm(exact)
    assert 0.75 * stated < bias < 1.3 * stated


def test_hard_negatives_stay_biased(rng):
    scores = problem(rng)
    exact, p = exact_gradient(scores)
    found = mean_gradient(scores, p, "hard_negatives", rng, 16 * DRAWS, 5000)
    assert np.linalg.norm(found - exact) > 0.1 * np.linalg.norm(exact)


def test_all_labels_drawn_once_is_exact(rng):
    scores = rng.normal(size=(4, 30)).astype(np.float32)
    relevance = (rng.random((4, 30)) < 0.1).astype(int)
    relevance[:, 0] = 1
    found = sampled_softmax(
        np.where(relevance == 1, 1, -1),
        scores,
        -relevance,
        scores,
        np.full(30, -np.log(30)),
        temperature=0.5,
    )
    expected = decoupled_softmax(relevance, scores, 0.5)
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    # The same, with a third of the labels for candidates.
    found = sampled_softmax(
        np.where(
            np.arange(30) < 10, relevance, np.minimum(2 * relevance - 1, 1)
        ),
        scores,
        np.where(np.arange(30) < 10, -1, -relevance),
        scores,
        np.full(30, -np.log(30)),
        temperature=0.5,
    )
    np.testing.assert_allclose(found, expected, rtol=1e-5)


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_hits_change_nothing_and_compiled_is_eager(rng, estimator):
    relevance = rng.choice([-1, 0, 1], (6, 9))
    relevance[5] = [0] * 8 + [-1]
    scores = rng.normal(size=(6, 9)).astype(np.float32)
    drawn = rng.normal(size=(6, 7)).astype(np.float32)
    hits = rng.choice([-1, 0], (6, 7))
    hits[2] = -1
    log_q = rng.normal(size=7).astype(np.float32)

    def run(drawn):
        return sampled_softmax(
            *(relevance, scores, hits, drawn, log_q, 0.3, estimator),
            log_odds=np.linspace(-2, 2, 6, dtype=np.float32),
        )

    eager = run(drawn).numpy()
    jit = tf.function(run, jit_compile=True)(tf.constant(drawn)).numpy()
    np.testing.assert_allclose(jit, eager, rtol=1e-5, atol=1e-6)
    assert np.isfinite(eager).all() and eager[5] == 0
    moved = run(np.where(hits == -1, 50.0, drawn)).numpy()
    if estimator == "expectation":
        assert not np.allclose(moved, eager)
    else:
        np.testing.assert_allclose(moved, eager, rtol=1e-5, atol=1e-6)


def test_the_law_tells_the_size_whatever_is_drawn(rng):
    labels, num = 30, 5
    scores = rng.normal(size=(4, labels)).astype(np.float32)
    relevance = (rng.random((4, labels)) < 0.1).astype(int)
    relevance[:, 0], relevance[2, 3] = 1, 1
    p = np.exp(scores / 0.5)
    p /= p.sum(axis=1, keepdims=True)
    seen = np.where(np.arange(labels) < 10, relevance, -1)
    seen[2, 3] = -1  # a positive that is ignored
    others = np.where(np.arange(labels) < 10, 0, p * (relevance == 0))
    odds = np.log(others.sum(1)) - np.log((p * (seen >= 0)).sum(1))
    ids = rng.integers(10, labels, (4, num))
    hits = -np.take_along_axis(relevance, ids, axis=1)
    hits[0, 1:] = -1
    hits[:, 0] = 0
    found = sampled_softmax(
        *(seen, scores, hits, np.take_along_axis(scores, ids, axis=1)),
        *(rng.normal(size=num), 0.5, "self_normalized"),
        log_odds=odds.astype(np.float32),
    )
    expected = decoupled_softmax(
        np.where((np.arange(labels) < 10) & (seen == 1), 1, -relevance),
        *(scores, 0.5),
    )
    np.testing.assert_allclose(found, expected, rtol=1e-4)


@pytest.mark.parametrize(
    ("heat", "few", "trusting"),
    [(1, 0.04, 0.0), (0.9, 0.02, 0.2), (0, 0.1, 1.0)],
)
def test_the_law_is_trusted(rng, heat, few, trusting):
    """Of a positive as likely as all others together, with draws ever worse."""
    scores = problem(rng)
    scores[0] = np.log(np.exp(scores[1:]).sum())
    exact, _ = exact_gradient(scores)
    law = exact_gradient(heat * scores)[1]
    for estimator, expected in (
        ("sampled_softmax", few),
        ("self_normalized", trusting),
    ):
        found = mean_gradient(scores, law, estimator, rng)
        bias = np.linalg.norm(found - exact) / np.linalg.norm(exact)
        assert abs(bias - expected) < 0.02 + 0.1 * expected


def test_odds_that_are_not_known(rng):
    relevance, scores = np.eye(3, 4), rng.normal(size=(3, 4))
    drawn, log_q = rng.normal(size=(3, 6)), rng.normal(size=6)
    hits = np.zeros((3, 6))
    hits[2] = -1  # nothing that is scaled
    of_draws = relevance, scores, hits, drawn, log_q, 0.5
    found = sampled_softmax(
        *(*of_draws, "self_normalized"),
        log_odds=np.float32([np.inf, np.nan, 0.0]),
    )
    np.testing.assert_allclose(found, sampled_softmax(*of_draws), rtol=1e-5)
    scores, drawn = tf.Variable(scores), tf.Variable(drawn)
    relevance = np.append(relevance[:2], [[-1] * 4], axis=0)  # padding
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(
            sampled_softmax(
                *(relevance, scores, hits, drawn, log_q, 0.5),
                estimator="self_normalized",
                log_odds=np.float32([np.inf, np.nan, np.inf]),
            )
        )
    for gradient in tape.gradient(loss, [scores, drawn]):
        assert np.isfinite(gradient).all() and not gradient[2].numpy().any()
        assert gradient[:2].numpy().any(axis=1).all()
    with pytest.raises(ValueError, match=r"`log_odds`\. Received: None"):
        sampled_softmax(*of_draws, "self_normalized")


def test_unknown_estimator():
    with pytest.raises(ValueError, match="Received: 'best'"):
        sampled_softmax([[1]], [[0.0]], [[0]], [[0.0]], [0.0], 1.0, "best")
