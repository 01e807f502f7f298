"""Invariants of NGAME's triplet loss:

- it equals the published worked case, and the formula written as loops;
- an ignored candidate changes nothing, not even where there are few negatives;
- compiled and eager, value and gradient agree; the gradient is the slope;
- of several positives the lowest-scoring count, with equal weights;
- ties give the same loss in any order of the candidates;
- a row without negatives or positives costs 0 with a finite gradient;
- low-precision scores give a float32 loss; the config survives a round trip.
"""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfxc.losses import NGAMETriplet, ngame_triplet

WEIGHTINGS = ["ngame", "dexa", "hinge", "mean"]


def oracle(
    relevance,
    scores,
    margin=0.3,
    num_negatives=10,
    temperature=0.1,
    weighting="ngame",
    num_positives=16,
):
    """The formula in the docstring, one scalar at a time."""
    losses = []
    for y, s in zip(relevance, np.asarray(scores, np.float64), strict=True):
        hardest = sorted(s[y == 0], reverse=True)[:num_negatives]
        positives = sorted(s[y == 1])[:num_positives]
        terms = []
        for positive in positives:
            hinges = [max(0.0, n - positive + margin) for n in hardest]
            powers = [
                np.exp(n / temperature if h > 0 else 0.0)
                for n, h in zip(hardest, hinges, strict=True)
            ]
            if weighting == "hinge":
                powers = [np.exp(h / temperature) for h in hinges]
            missing = num_negatives - len(hardest)
            total = sum(powers) + missing
            if weighting in ("dexa", "hinge"):
                total = sum(
                    p for p, h in zip(powers, hinges, strict=True) if h > 0
                )
            if weighting == "mean":
                powers, total = np.ones(len(powers)), 1.0
            term = sum(
                p / total * h
                for p, h in zip(powers, hinges, strict=True)
                if h > 0
            )
            terms.append(term / num_negatives)
        losses.append(np.mean(terms) if terms else 0.0)
    return np.array(losses)


def value_and_grad(relevance, scores, jit=False, **settings):
    @tf.function(jit_compile=jit)
    def run(scores):
        with tf.GradientTape() as tape:
            tape.watch(scores)
            losses = ngame_triplet(relevance, scores, **settings)
        return losses, tape.gradient(losses, scores)

    losses, grad = run(tf.constant(scores, tf.float32))
    return losses.numpy(), grad.numpy()


def random_case(rng, shape):
    relevance = rng.choice([-1, 0, 0, 0, 0, 1], size=shape)
    return relevance, rng.uniform(-0.2, 0.9, size=shape)


@pytest.mark.parametrize(
    ("weighting", "expected"),
    [("mean", 0.175000), ("ngame", 0.131087), ("dexa", 0.131099)],
)
def test_published_worked_case(weighting, expected):
    scores = [
        [0.9, 0.8, 0.5, 0.1],
        [0.7, 0.6, 0.55, 0.2],
        [0.3, 0.65, 0.7, 0.45],
        [0.1, 0.2, 0.9, 0.95],
    ]
    relevance = np.eye(4)
    relevance[0, 2] = -1  # another positive of the first query
    loss = NGAMETriplet(num_negatives=2, weighting=weighting)
    np.testing.assert_allclose(
        loss(relevance, np.array(scores)), expected, atol=1e-6
    )


@pytest.mark.parametrize("weighting", WEIGHTINGS)
@pytest.mark.parametrize("shape", [(1, 1), (5, 8), (20, 60)])
def test_matches_the_formula(rng, shape, weighting):
    relevance, scores = random_case(rng, shape)
    for num_negatives, num_positives in ((1, 1), (4, 2), (10, 16), (70, None)):
        settings = {
            "margin": 0.2,
            "num_negatives": num_negatives,
            "temperature": 0.15,
            "weighting": weighting,
            "num_positives": num_positives,
        }
        losses = ngame_triplet(relevance, scores, **settings)
        expected = oracle(relevance, scores, **settings)
        np.testing.assert_allclose(losses, expected, rtol=1e-5, atol=1e-6)
        assert expected.max() > 0 or shape == (1, 1), "would compare zeros"


@pytest.mark.parametrize("score", [-1e6, 0.0, 1e6])
@pytest.mark.parametrize("weighting", WEIGHTINGS)
def test_ignored_candidates_change_nothing(rng, weighting, score):
    relevance = np.array([[1, 0, 0, 1]])
    scores = rng.uniform(0, 0.3, size=(1, 4))
    loss, grad = value_and_grad(relevance, scores, weighting=weighting)
    padded_loss, padded_grad = value_and_grad(
        np.append(relevance, [[-1]], axis=1),
        np.append(scores, [[score]], axis=1),
        weighting=weighting,
    )
    assert loss > 0 and np.abs(grad).sum() > 0, "would compare nothing"
    np.testing.assert_allclose(padded_loss, loss, rtol=1e-6)
    np.testing.assert_allclose(padded_grad[:, :4], grad, rtol=1e-6)
    assert padded_grad[0, 4] == 0


@pytest.mark.parametrize("jit", [False, True])
@pytest.mark.parametrize("weighting", WEIGHTINGS)
def test_gradient_is_the_slope(rng, weighting, jit):
    relevance, scores = random_case(rng, (4, 9))
    settings = {"weighting": weighting, "num_negatives": 4, "num_positives": 2}
    losses, grad = value_and_grad(relevance, scores, jit, **settings)
    np.testing.assert_allclose(
        losses, oracle(relevance, scores, **settings), rtol=1e-5, atol=1e-6
    )
    slope = np.zeros_like(scores)
    for place in np.ndindex(scores.shape):
        step = np.zeros_like(scores)
        step[place] = 1e-7
        up = oracle(relevance, scores + step, **settings).sum()
        down = oracle(relevance, scores - step, **settings).sum()
        slope[place] = (up - down) / 2e-7
    assert np.abs(slope).max() > 0.05
    np.testing.assert_allclose(grad, slope, atol=1e-5)


def test_lowest_positives_count():
    relevance = np.array([[1, 1, 1, 0]])
    scores = np.array([[0.5, 0.1, 0.3, 0.4]])
    settings = {"num_negatives": 1, "weighting": "mean"}
    for limit, expected in ((1, 0.6), (2, 0.5), (3, 0.4), (None, 0.4)):
        loss, grad = value_and_grad(
            relevance, scores, num_positives=limit, **settings
        )
        np.testing.assert_allclose(loss, [expected], rtol=1e-6)
        assert np.count_nonzero(grad[0, :3]) == min(limit or 3, 3)


def test_ties_give_one_loss(rng):
    relevance = np.array([[1, 0, 0, 0, 0, 0]])
    scores = np.array([[0.5, 0.4, 0.4, 0.4, 0.4, 0.1]])
    expected, grad = value_and_grad(relevance, scores, num_negatives=2)
    assert grad[0].tolist()[3:] == [0, 0, 0] and (grad[0, 1:3] > 0).all()
    for _ in range(5):
        order = rng.permutation(6)
        loss = ngame_triplet(
            relevance[:, order], scores[:, order], num_negatives=2
        )
        np.testing.assert_allclose(loss, expected, rtol=1e-6)


@pytest.mark.parametrize("jit", [False, True])
@pytest.mark.parametrize("weighting", WEIGHTINGS)
def test_degenerate_rows_cost_nothing(weighting, jit):
    relevance = [[1, 1, -1], [0, 0, -1], [-1, -1, -1], [1, 0, 0]]
    scores = [[1.0, -2.0, 3.0]] * 3
    scores.append([5.0, -2.0, 3.0])  # every negative keeps the margin
    losses, grad = value_and_grad(
        np.array(relevance), scores, jit, weighting=weighting
    )
    np.testing.assert_array_equal(losses, np.zeros(4))
    np.testing.assert_array_equal(grad, np.zeros((4, 3)))


@pytest.mark.parametrize("weighting", WEIGHTINGS)
def test_large_scores_stay_finite(weighting):
    loss, grad = value_and_grad(
        np.array([[1, 0, 0]]), [[-900.0, 900.0, 800.0]], weighting=weighting
    )
    assert np.isfinite(loss) and np.isfinite(grad).all()


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_low_precision_scores_give_a_float32_loss(dtype):
    relevance = np.array([[1, 0]])
    loss = NGAMETriplet()(relevance, tf.constant([[0.25, 0.5]], dtype))
    assert loss.dtype == tf.float32
    np.testing.assert_allclose(
        loss, oracle(relevance, [[0.25, 0.5]])[0], rtol=1e-6
    )


def test_round_trip(rng):
    loss = NGAMETriplet(
        margin=-0.2,
        num_negatives=20,
        temperature=0.2,
        weighting="dexa",
        num_positives=2,
        reduction="sum",
        name="triplet",
    )
    twin = keras.losses.deserialize(keras.losses.serialize(loss))
    assert twin.name == "triplet"
    relevance, scores = random_case(rng, (6, 30))
    value = float(loss(relevance, scores))
    assert float(twin(relevance, scores)) == value
    default = NGAMETriplet().get_config()
    for key, setting in loss.get_config().items():
        if key not in ("name", "dtype"):
            other = NGAMETriplet(**{**loss.get_config(), key: default[key]})
            assert float(other(relevance, scores)) != value, (key, setting)


@pytest.mark.parametrize(
    "settings",
    [
        {"temperature": 0},
        {"temperature": float("nan")},
        {"num_negatives": 0},
        {"num_positives": 0},
        {"weighting": "softmax"},
    ],
)
def test_bad_settings(settings):
    [(name, value)] = settings.items()
    with pytest.raises(ValueError, match=f"Received: {name}={value!r}"):
        NGAMETriplet(**settings)
