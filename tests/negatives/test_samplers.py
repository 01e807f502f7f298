"""Invariants of every sampler of negatives:

- draws follow the law that log_q states, and that log_prob tells for every
  label; its probabilities sum to 1 (a cache's to its share of the labels);
- eager and compiled, the law is the same, and shapes are static;
- the same seed draws the same, another one does not;
- accidental hits are marked, with many positives per query;
- what is restored goes on as the original would have;
- a shared sample is as likely as its log_q says, and sums weighted by it are
  right on average;
- a configuration makes the same sampler, where it can.
"""

import keras
import numpy as np
import pytest
import tensorflow as tf
from sampler_cases import (
    LABELS,
    SAMPLERS,
    candidates,
    label_vectors,
    queries,
    tree,
)
from scipy import stats

import tfxc
from tfxc.negatives import (
    MixedNegatives,
    NearestNegatives,
    Uniform,
    Unigram,
    relevance_of,
    shared_sample,
)

NAMES = list(SAMPLERS)
CLOSED = [name for name in NAMES if name != "in-batch"]
DRAWS = 20_000


def law(sampler, x):
    """Q of every label, from `log_prob`."""
    return np.exp(np.asarray(sampler.log_prob(x, np.arange(LABELS)), float))


def draw(sampler, x, num, seed=None, jit=False):
    def run():
        return sampler.sample(x, num, seed, **candidates())

    run = tf.function(run, jit_compile=True) if jit else run
    ids, log_q = run()
    assert ids.dtype == tf.int32 and log_q.dtype == tf.float32
    assert ids.shape == log_q.shape == (len(x), num)
    return ids.numpy(), log_q.numpy()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("jit", [False, True])
def test_draws_follow_the_law(name, jit):
    sampler, x = SAMPLERS[name](), queries()
    q = law(sampler, x)
    total = 0.5 if name == "cache" else 1.0
    np.testing.assert_allclose(q.sum(axis=1), total, rtol=1e-4)
    ids, log_q = draw(sampler, x, DRAWS, seed=3, jit=jit)
    assert ids.min() >= 0 and ids.max() < LABELS
    np.testing.assert_allclose(
        log_q, np.log(np.take_along_axis(q, ids, axis=1)), atol=2e-3
    )
    laws = [(q / total, DRAWS)]
    if name == "mixed":  # a fixed number of each, one after the other
        laws = [(law(part, x), n) for part, n in sampler.components(DRAWS)]
        assert len(laws) == 2
    for expected, num in laws:
        for row, of_labels in zip(ids[:, :num], expected, strict=True):
            assert_drawn_by(row, of_labels)
        ids = ids[:, num:]
    assert ids.size == 0


def assert_drawn_by(ids, expected):
    """By a chi-square test; rare labels count as one."""
    seen = np.bincount(ids, minlength=LABELS)
    assert seen[expected < 1e-9].sum() == 0
    often = expected * len(ids) > 5
    observed = np.array([*seen[often], seen[~often].sum()])
    wanted = np.array([*expected[often], expected[~often].sum()])
    assert often.sum() > 5, "would test little"
    wanted *= len(ids) / wanted.sum()
    keep = wanted > 0
    assert stats.chisquare(observed[keep], wanted[keep]).pvalue > 1e-4


@pytest.mark.parametrize("name", NAMES)
def test_seeds(name):
    sampler, x = SAMPLERS[name](), queries()
    one, again, other = (draw(sampler, x, 50, s)[0] for s in (1, 1, 2))
    np.testing.assert_array_equal(one, again)
    assert (one != other).mean() > 0.3
    first, second = (draw(sampler, x, 50)[0] for _ in range(2))
    assert (first != second).mean() > 0.3


@pytest.mark.parametrize("name", NAMES)
def test_accidental_hits(name):
    sampler, x = SAMPLERS[name](), queries()
    positives = np.full((5, 20), -1)
    positives[:4, :15] = np.arange(15) * 4
    ids, _, relevance = sampler(x, num=200, positives=positives, **candidates())
    hits = (ids.numpy() % 4 == 0) & (np.arange(5) < 4)[:, None]
    assert 20 < hits.sum() < 900, "would test less"
    np.testing.assert_array_equal(relevance, np.where(hits, -1, 0))
    assert not np.any(sampler(x, num=9, **candidates())[2])


def test_relevance_of_shared_labels():
    found = relevance_of([3, 1, 3], [[3, -1], [-1, -1], [1, 2]])
    assert found.numpy().tolist() == [[-1, 0, -1], [0, 0, 0], [0, -1, 0]]


@pytest.mark.parametrize("name", NAMES)
def test_restored_samplers_go_on(name):
    x, sampler = queries(), SAMPLERS[name]()
    draw(sampler, x, 20)
    if name in ("tree", "midx", "mixed"):
        sampler.refresh(label_vectors(seed=9))
    other = SAMPLERS[name]()
    other.restore(sampler.state())
    for _ in range(2):
        one, two = (draw(s, x, 60) for s in (sampler, other))
        np.testing.assert_array_equal(one[0], two[0])
        np.testing.assert_array_equal(one[1], two[1])
    with pytest.raises(ValueError, match="Received: "):
        other.restore({})


@pytest.mark.parametrize("name", CLOSED)
@pytest.mark.parametrize("num", [3, 5, 20])
def test_shared_samples_weigh_right(name, num):
    """The sum of any f over the labels, from draws for few of the queries."""
    sampler, x = SAMPLERS[name](), queries()
    if name == "mixed" and num == 3:
        pytest.skip("a share of three is no whole number")
    for part, _ in sampler.components(20):
        if hasattr(part, "inverse_temperature"):  # so that no draw is rare
            part.inverse_temperature.assign(2.0)
    f = np.random.default_rng(5).uniform(1, 2, LABELS)
    if name == "cache":
        f[1::2] = 0
    if name == "unigram":
        f[law(sampler, x)[0] == 0] = 0
    step = tf.function(lambda: shared_sample(sampler, x, num), jit_compile=True)
    sums = []
    for _ in range(700):
        ids, log_q = step()
        assert ids.shape == log_q.shape == (num,)
        sums.append(np.mean(f[ids.numpy()] / np.exp(log_q.numpy())))
    exact = f.sum()
    if name == "cache":
        exact *= 2  # those inside stand for those outside
    error = np.std(sums) / np.sqrt(len(sums))
    assert error < 0.03 * exact, "would test less"
    assert abs(np.mean(sums) - exact) < 4.5 * error + 1e-3 * exact


def test_shared_samples_of_too_many():
    with pytest.raises(ValueError, match=r"multiple of 5.*Received: 7 draws"):
        shared_sample(Uniform(LABELS), queries(), 7)


def test_mixed_shares():
    mixed = MixedNegatives([Uniform(LABELS), tree()], [1, 3])
    assert [count for _, count in mixed.components(8)] == [2, 6]
    half = MixedNegatives([Uniform(LABELS), SAMPLERS["cache"]()], [1, 3])
    assert mixed.share == 1 and half.share == 0.625
    np.testing.assert_allclose(law(half, queries()).sum(axis=1), 0.625, 1e-4)
    with pytest.raises(ValueError, match="Received: num=1"):
        mixed.components(1)
    with pytest.raises(ValueError, match=r"Received: \[9, 60\] labels"):
        MixedNegatives([Uniform(9), Uniform(60)], [1, 1])


@pytest.mark.parametrize("seed", range(6))
def test_alias_tables_give_each_weight(seed):
    rng = np.random.default_rng(seed)
    weights = rng.pareto(1.0, size=rng.integers(1, 200)) + 0.01
    weights[rng.random(len(weights)) < 0.3] = 0
    weights[0] += 1
    kept, alias = tfxc.negatives.unigram.alias_tables(weights)
    assert ((kept >= 0) & (kept <= 1)).all()
    share = kept + np.bincount(alias, 1 - kept, minlength=len(weights))
    np.testing.assert_allclose(
        share / len(weights), weights / weights.sum(), atol=1e-12
    )


@pytest.mark.parametrize(
    ("counts", "power"), [([0, 0], 1.0), ([-1, 3], 1.0), ([0, 1], -1.0)]
)
def test_counts_that_are_no_frequencies(counts, power):
    with pytest.raises(ValueError, match="Received: "):
        tfxc.negatives.Unigram(counts, power=power, smoothing=0)


def test_labels_drawn_one_per_query(rng):
    lists = [rng.choice(9, 1 + n % 3, replace=False) for n in range(50)]
    rows = np.repeat(np.arange(50), [len(ids) for ids in lists])
    relevant = tfxc.data.LabelLists.from_pairs(
        rows, np.concatenate(lists), 51, 10
    )
    expected = np.zeros(10)
    for ids in lists:
        for label in ids:
            expected[label] += 1 / len(ids) / 50
    found = tfxc.negatives.drawn_frequency(relevant)
    np.testing.assert_allclose(found, expected)


@pytest.mark.parametrize("name", ["uniform", "unigram", "in-batch", "nearest"])
def test_configurations(name):
    makers = {**SAMPLERS, "nearest": lambda: NearestNegatives(9, LABELS, 4, 5)}
    sampler, x = makers[name](), queries()
    again = type(sampler).from_config(sampler.get_config())
    rows = {"rows": np.arange(len(x))}
    for one, two in zip(
        sampler.sample(x, 30, **candidates(), **rows),
        again.sample(x, 30, **candidates(), **rows),
        strict=True,
    ):
        np.testing.assert_array_equal(one, two)


def test_configuration_of_mixed_samplers():
    sampler = MixedNegatives([Uniform(9), Unigram(np.arange(9))], [1, 2])
    again = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(sampler)
    )
    x = np.zeros((3, 4), np.float32)
    np.testing.assert_array_equal(
        sampler.sample(x, 9)[0], again.sample(x, 9)[0]
    )
    mixed = MixedNegatives([Uniform(LABELS), tree()], [1, 1])
    for other in (tree(), SAMPLERS["midx"](), SAMPLERS["cache"](), mixed):
        with pytest.raises(NotImplementedError, match="`restore` its `state`"):
            other.get_config()


def test_chains_have_no_law_to_share():
    chain, x = tree(steps=2), queries()
    with pytest.raises(ValueError, match="Received: steps=2"):
        MixedNegatives([Uniform(LABELS), chain], [1, 1])
    with pytest.raises(ValueError, match="Received: steps=2"):
        shared_sample(chain, x, 4)


@pytest.mark.parametrize("name", ["tree", "tree of sketches", "midx", "cache"])
def test_labels_without_text(name):
    """An encoder gives them a vector of zeros, all the same one."""
    sampler, x, vectors = SAMPLERS[name](), queries(), label_vectors()
    vectors[10:30] = 0
    sampler.refresh(vectors)
    q = law(sampler, x)
    total = 0.5 if name == "cache" else 1.0
    np.testing.assert_allclose(q.sum(axis=1), total, rtol=1e-4)
    ids, log_q = draw(sampler, x, 500, seed=1)
    assert np.isfinite(log_q).all()
    assert np.isin(ids, np.arange(10, 30)).any()


def test_mixed_samplers_refresh_all_or_none():
    mixed = MixedNegatives([SAMPLERS["cache"](), tree()], [1, 1])
    before, broken = mixed.state(), label_vectors(seed=9)
    broken[1] = np.nan  # which the cache does not hold
    with pytest.raises(ValueError, match=r"finite\. Received: NaN"):
        mixed.refresh(broken)
    for name, array in mixed.state().items():
        np.testing.assert_array_equal(array, before[name])
    mixed.refresh(label_vectors(seed=9))
    assert np.any(mixed.state()["0/vectors"] != before["0/vectors"])


def test_what_samplers_need_besides():
    with pytest.raises(ValueError, match="must be given `candidates`"):
        SAMPLERS["in-batch"]().sample(queries(), 4)
    with pytest.raises(NotImplementedError, match="`start` and `finish`"):
        NearestNegatives(9, LABELS, 4).refresh(label_vectors())
