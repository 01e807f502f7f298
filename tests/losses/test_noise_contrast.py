"""Invariants of the losses that tell right labels from drawn ones:

- values are those of the definitions, written as loops; queries without labels
  count nothing;
- the optimum of free scores, in expectation, is log p - log q, or log p where
  the loss knows q: eq. 5 of Bamler and Mandt;
- one-vs-each bounds -log p of the softmax from above, and is it for two
  labels;
- noise-contrastive estimation is negative sampling of scores that have log q
  taken away, with its regulariser;
- gradients are those of finite differences, and q has none.
"""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfxc.losses import CONTRASTS, noise_contrast

Q, P, N, LABELS = 4, 3, 5, 7


def softplus(x):
    return np.logaddexp(0, x)


def some_case(seed=0):
    rng = np.random.default_rng(seed)
    positives = np.array([[1, 4, -1], [2, -1, -1], [0, 5, 6], [-1, -1, -1]])
    scores, log_q_positive = rng.normal(size=(2, Q, P))
    drawn = rng.integers(0, LABELS, (Q, N))
    drawn_scores, log_q = rng.normal(size=(2, Q, N))
    return positives, scores, log_q_positive, drawn, drawn_scores, log_q


def by_loops(case, contrast, strength):
    positives, scores, log_q_positive, drawn, drawn_scores, log_q = case
    losses = []
    for i in range(Q):
        right = [j for j in range(P) if positives[i, j] >= 0]
        total = 0.0
        for j in right:
            s, of_q = scores[i, j], log_q_positive[i, j]
            if contrast == "one_vs_each":
                terms = [
                    (drawn[i, n] != positives[i, j])
                    * softplus(drawn_scores[i, n] - s)
                    / np.exp(log_q[i, n])
                    for n in range(N)
                ]
                total += np.mean(terms) + strength * s**2
            elif contrast == "negative_sampling":
                total += softplus(-s) + strength * (s + of_q) ** 2
            else:
                total += softplus(of_q - s) + strength * s**2
        total = total / max(len(right), 1)
        for n in range(N if right else 0):
            s, of_q = drawn_scores[i, n], log_q[i, n]
            if contrast == "one_vs_each":
                total += strength * s**2 / N
            elif contrast == "negative_sampling":
                total += (softplus(s) + strength * (s + of_q) ** 2) / N
            else:
                total += (softplus(s - of_q) + strength * s**2) / N
        losses.append(total)
    return losses


@pytest.mark.parametrize("strength", [0.0, 0.3])
@pytest.mark.parametrize("contrast", CONTRASTS)
def test_values(contrast, strength):
    case = some_case()
    found = noise_contrast(*case, contrast, strength)
    expected = by_loops(case, contrast, strength)
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    assert found[3] == 0 and found[0] > 0


@pytest.mark.parametrize("contrast", CONTRASTS)
def test_optimum_of_free_scores(contrast):
    """One query, whose labels have any p, and draws of any q."""
    rng = np.random.default_rng(1)
    p, q = rng.dirichlet(np.ones(LABELS), 2)
    labels = np.arange(LABELS)
    scores = tf.Variable(tf.zeros(LABELS))
    optimizer = keras.optimizers.Adam(0.05)
    optimizer.build([scores])
    log_q = tf.constant(np.log(q), tf.float32)

    @tf.function(jit_compile=True)
    def step():
        with tf.GradientTape() as tape:
            # Of every pair of a label and a draw.
            right, drawn = np.repeat(labels, LABELS), np.tile(labels, LABELS)
            losses = noise_contrast(
                right[:, None],
                tf.gather(scores, right)[:, None],
                tf.gather(log_q, right)[:, None],
                drawn[:, None],
                tf.gather(scores, drawn)[:, None],
                tf.gather(log_q, drawn)[:, None],
                contrast,
            )
            weights = (p[:, None] * q).ravel().astype(np.float32)
            loss = tf.reduce_sum(weights * losses)
        optimizer.apply([tape.gradient(loss, scores)], [scores])

    for _ in range(3000):
        step()
    expected = np.log(p)
    if contrast == "negative_sampling":
        expected = expected - np.log(q)
    found = scores.numpy()
    if contrast == "one_vs_each":  # knows no constant
        found, expected = found - found.mean(), expected - expected.mean()
    np.testing.assert_allclose(found, expected, atol=1e-3)


@pytest.mark.parametrize("labels", [2, 7])
def test_one_vs_each_is_a_bound(labels):
    rng = np.random.default_rng(2)
    scores = rng.normal(size=labels) * 3
    drawn = np.arange(labels)[None]  # all of them, once
    for label in range(labels):
        bound = noise_contrast(
            np.array([[label]]),
            scores[None, [label]],
            np.full((1, 1), -np.log(labels)),
            drawn,
            scores[None],
            np.full((1, labels), -np.log(labels)),
            "one_vs_each",
        )
        exact = np.log(np.exp(scores).sum()) - scores[label]
        if labels == 2:  # there is one other
            assert float(bound[0]) == pytest.approx(exact, rel=1e-5)
        assert bound[0] > exact - 1e-5


def test_noise_contrastive_is_negative_sampling_of_other_scores():
    case = list(some_case(3))
    nce = noise_contrast(*case, "noise_contrastive", 0.2)
    case[1], case[4] = case[1] - case[2], case[4] - case[5]
    sampling = noise_contrast(*case, "negative_sampling", 0.2)
    np.testing.assert_allclose(nce, sampling, rtol=1e-5)


@pytest.mark.parametrize("contrast", CONTRASTS)
def test_gradients(contrast):
    parts = [tf.constant(part) for part in some_case(4)]
    floats = [tf.cast(parts[i], tf.float32) for i in (1, 4, 2, 5)]
    with tf.GradientTape() as tape:
        tape.watch(floats)
        loss = tf.reduce_sum(
            noise_contrast(
                *(parts[0], floats[0], floats[2]),
                *(parts[3], floats[1], floats[3], contrast, 0.1),
            )
        )
    gradients = tape.gradient(loss, floats)
    assert gradients[2] is None and gradients[3] is None
    for number, place in ((0, 1), (1, 4)):
        for i, j in np.ndindex(*floats[number].shape):
            change = np.zeros(floats[number].shape)
            change[i, j] = 1e-4
            low, high = list(some_case(4)), list(some_case(4))
            low[place], high[place] = low[place] - change, high[place] + change
            rise = np.sum(by_loops(high, contrast, 0.1))
            rise -= np.sum(by_loops(low, contrast, 0.1))
            assert gradients[number][i, j].numpy() == pytest.approx(
                rise / 2e-4, abs=2e-4
            )


def test_no_such_contrast():
    with pytest.raises(ValueError, match=r"`contrast` must be one of .*'x'"):
        noise_contrast(*some_case(), "x")
