"""Invariants of draws by a label tree:

- probabilities sum to one over the labels, however many there are, and a leaf
  without a label is never drawn;
- what one label is asked for, all labels at once, draws and their frequencies
  agree; compiled as eager;
- the fit raises the likelihood of held-out rows far above that of frequencies;
- whitened components are uncorrelated, and those of scikit-learn;
- before the fit, the law is that of a tree that goes either way;
- rows and labels that do not go together are refused, and fewer rows than
  features, labels without rows or one label alone are not.
"""

import keras
import numpy as np
import pytest
import tensorflow as tf
from sklearn.decomposition import PCA

from tfxc.negatives import LabelTreeSampler
from tfxc.negatives.whitening import whitening


def rows_of(labels, rows=2000, features=12, seed=0):
    rng = np.random.default_rng(seed)
    chosen = rng.choice(labels, rows, p=rng.dirichlet(np.ones(labels)))
    centres = 1.5 * rng.normal(size=(labels, features))
    x = centres[chosen] + rng.normal(size=(rows, features))
    return x.astype(np.float32), chosen


def fitted(labels, **options):
    x, chosen = rows_of(labels)
    return LabelTreeSampler(labels, 12, **options).fit(x, chosen), x, chosen


@pytest.mark.parametrize("labels", [1, 2, 3, 5, 64, 100, 1000])
def test_the_law(labels):
    sampler, x, chosen = fitted(labels)
    law = np.exp(sampler.law(x[:50]))
    assert law.shape == (50, labels)
    np.testing.assert_allclose(law.sum(axis=1), 1, atol=2e-6)
    one = sampler.log_prob(x[:50], chosen[:50, None])
    of_all = sampler.log_prob(x[:50], np.arange(labels))
    np.testing.assert_allclose(np.exp(of_all), law, atol=1e-6)
    np.testing.assert_allclose(
        np.exp(one)[:, 0], law[np.arange(50), chosen[:50]], atol=1e-6
    )


@pytest.mark.parametrize("jit_compile", [False, True])
@pytest.mark.parametrize("labels", [2, 5, 100])
def test_draws_follow_the_law(labels, jit_compile):
    sampler, x, _ = fitted(labels)
    draw = tf.function(
        lambda: sampler.sample(x[:3], 20_000, seed=1), jit_compile=jit_compile
    )
    ids, log_q = (np.array(part) for part in draw())
    law = sampler.law(x[:3])
    np.testing.assert_allclose(
        log_q, np.take_along_axis(law, ids, axis=1), atol=1e-4
    )
    for row in range(3):
        q = np.exp(law[row])
        counts = np.bincount(ids[row], minlength=labels)
        error = 5 * np.sqrt(q * (1 - q) / 20_000) + 1e-4
        assert (np.abs(counts / 20_000 - q) < error).all()


@pytest.mark.parametrize("labels", [1, 5, 8, 100])
def test_before_it_is_fitted(labels):
    sampler = LabelTreeSampler(labels, 12)
    x, _ = rows_of(labels)
    law = np.exp(sampler.law(x[:2]))
    np.testing.assert_allclose(law.sum(axis=1), 1, atol=1e-6)
    assert law.max() <= 2 * law.min() + 1e-6, "of leaves one level apart"
    ids, log_q = sampler.sample(x[:2], 500)
    drawn = np.take_along_axis(law, np.array(ids), axis=1)
    np.testing.assert_allclose(np.exp(log_q), drawn, rtol=1e-4)


def test_leaves_without_a_label_are_not_drawn():
    """Of five labels in eight leaves, by the least and the largest share."""
    sampler, x, _ = fitted(5)
    assert (sampler.node_biases.numpy() == -200).sum() == 3
    assert len({*sampler.positions.numpy().tolist()}) == 5
    with pytest.MonkeyPatch.context() as patch:
        for share in (0.0, 1 - 2**-24):
            patch.setattr(
                keras.random,
                "uniform",
                lambda shape, seed, share=share: np.full(
                    shape, share, np.float32
                ),
            )
            ids, log_q = sampler.sample(x[:50], 1)
            expected = sampler.log_prob(x[:50], ids)
            np.testing.assert_allclose(log_q, expected, atol=1e-5)
            assert np.min(log_q) > -150


def test_it_tells_held_out_labels():
    x, labels = rows_of(200, rows=6000)
    sampler = LabelTreeSampler(200, 12).fit(x[:5000], labels[:5000])
    counts = np.bincount(labels[:5000], minlength=200) + 1
    by_count = np.log(counts / counts.sum())[labels[5000:]].mean()
    found = sampler.log_prob(x[5000:], labels[5000:, None]).numpy().mean()
    assert found > by_count + 1


def test_alternation_is_no_worse_than_the_published_program():
    x, labels = rows_of(200, rows=6000)
    found = [
        LabelTreeSampler(200, 12, max_rounds=rounds)
        .fit(x, labels)
        .log_prob(x, labels[:, None])
        .numpy()
        .mean()
        for rounds in (0, 10)
    ]
    assert found[1] > found[0]


def test_whitening():
    x, _ = rows_of(30)
    x = x * np.arange(1, 13)
    mean, matrix = whitening(x, 5)
    codes = (x - mean) @ matrix
    np.testing.assert_allclose(codes.mean(axis=0), 0, atol=1e-4)
    np.testing.assert_allclose(codes.T @ codes / len(x), np.eye(5), atol=1e-3)
    standard = (x - x.mean(axis=0)) / x.std(axis=0)
    expected = PCA(5, whiten=True, svd_solver="full").fit_transform(standard)
    alike = np.abs(np.corrcoef(codes.T, expected.T)[:5, 5:])
    np.testing.assert_allclose(alike, np.eye(5), atol=1e-3)


def test_fewer_rows_than_features_and_a_constant_feature(rng):
    x = rng.normal(size=(4, 12)).astype(np.float32)
    x[:, 0] = 3
    sampler = LabelTreeSampler(6, 12, dim=8).fit(x, np.array([0, 1, 2, 2]))
    codes = sampler.codes(x).numpy()
    assert np.isfinite(codes).all()
    assert (np.abs(codes).max(axis=0) > 0.1).sum() == 3, "of four centred rows"
    law = np.exp(sampler.law(rng.normal(size=(9, 12)).astype(np.float32)))
    np.testing.assert_allclose(law.sum(axis=1), 1, atol=1e-6)


def test_rounding_of_a_constant_feature_is_no_component(rng):
    x = rng.normal(size=(20000, 3)).astype(np.float32)
    x[:, 1] = 0.1  # no sum of which is exact
    _, matrix = whitening(x, 3)
    np.testing.assert_array_equal(matrix[1], 0)
    codes = (x - x.mean(axis=0)) @ matrix
    np.testing.assert_allclose(codes.std(axis=0), [1, 1, 0], atol=1e-3)


def test_features_without_any_information():
    x = np.ones((40, 3), np.float32)
    sampler = LabelTreeSampler(4, 3).fit(x, np.arange(40) % 4)
    np.testing.assert_allclose(np.exp(sampler.law(x[:1])), 0.25, atol=1e-3)


def test_scores_that_underflow_as_probabilities():
    sampler, x, _ = fitted(64)
    far = 1e6 * x[:4]
    law = sampler.law(far)
    assert np.isfinite(law).all() and law.min() < -1e4
    np.testing.assert_allclose(np.exp(law).sum(axis=1), 1, atol=1e-5)
    assert np.isfinite(sampler.sample(far, 8)[1]).all()


def test_the_same_again_after_saving():
    sampler, x, _ = fitted(37, dim=5, regularizer=0.3, max_rounds=2, seed=3)
    other = LabelTreeSampler.from_config(sampler.get_config())
    assert np.abs(other.law(x[:5]) - sampler.law(x[:5])).max() > 0.5
    other.restore(sampler.state())
    np.testing.assert_array_equal(other.law(x[:5]), sampler.law(x[:5]))
    for one, two in zip(
        sampler.sample(x[:5], 9), other.sample(x[:5], 9), strict=True
    ):
        np.testing.assert_array_equal(one, two)
    x, labels = rows_of(37)
    assert other.fit(x, labels).max_rounds == 2
    np.testing.assert_allclose(other.law(x[:5]), sampler.law(x[:5]), atol=1e-5)


@pytest.mark.parametrize(
    ("x", "labels", "message"),
    [
        (np.zeros((3, 12)), [0, 1, 5], r"in \[0, 4\]. Received: 5 in row 2"),
        (np.zeros((3, 12)), [0, -1, 2], "Received: -1 in row 1"),
        (np.zeros((3, 11)), [0, 1, 2], r"Received: \(3, 11\)"),
        (np.zeros((4, 12)), [0, 1, 2], r"Received: \(4, 12\)"),
        (np.zeros((0, 12)), [], "N at least 1"),
        (np.full((1, 12), np.nan), [0], "Received: NaN or infinity in row 0"),
    ],
)
def test_wrong_rows(x, labels, message):
    sampler = LabelTreeSampler(5, 12)
    before = sampler.state()
    with pytest.raises(ValueError, match=message):
        sampler.fit(x, np.array(labels, int))
    for name, array in sampler.state().items():
        np.testing.assert_array_equal(array, before[name])


@pytest.mark.parametrize(
    "options", [{"dim": 0}, {"regularizer": 0.0}, {"max_rounds": -1}]
)
def test_wrong_settings(options):
    with pytest.raises(ValueError, match="Received: "):
        LabelTreeSampler(5, 12, **options)
