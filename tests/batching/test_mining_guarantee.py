"""Invariants of the mining guarantee:

- every quantity equals its definition, enumerated in loops;
- missed <= c1 e1 + c2 e2 on any data, and c1 = c2 = 1 on regular data;
- clusters of close rows miss less than random ones; one big batch misses none;
- a sample gives nearly the same; queries without a group do not count;
- sizes that disagree are refused.
"""

import itertools

import numpy as np
import pytest

from tfxc.batching import balanced_clusters, mining_guarantee
from tfxc.data.label_lists import LabelLists


def unit(x):
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def regular(rng, n=24, per_row=3, d=3):
    """Each query has 3 labels, each label 3 queries, near one another."""
    queries = unit(rng.normal(size=(n, d)))
    queries = queries[np.argsort(np.arctan2(queries[:, 0], queries[:, 1]))]
    rows = np.repeat(np.arange(n), per_row)
    ids = (rows + np.tile(np.arange(per_row), n)) % n
    labels = unit(queries + 0.3 * rng.normal(size=(n, d)))
    return queries, labels, LabelLists.from_pairs(rows, ids, n, n)


def irregular(rng, n=30, num_labels=20, d=3):
    rows, ids = rng.integers(0, n, 60), rng.integers(0, num_labels - 2, 60)
    labels = unit(rng.normal(size=(num_labels, d)))
    relevant = LabelLists.from_pairs(rows, ids, n, num_labels)
    queries = [labels[relevant[i]].sum(0) for i in range(n)]
    return unit(queries + rng.normal(size=(n, d))), labels, relevant


def oracle(x, z, relevant, group, r):
    """The definitions, one pair at a time."""
    n = [i for i in range(len(x)) if group[i] >= 0]
    rows_of = {}
    for i in n:
        for label in relevant[i]:
            rows_of.setdefault(int(label), []).append(i)

    def far(a, b):
        return np.sqrt(((a - b) ** 2).sum())

    pairs = [(i, label) for label, rows in rows_of.items() for i in rows]
    e1 = np.mean([far(x[i], z[label]) > r for i, label in pairs])
    e2 = np.mean(
        [
            far(x[i], x[j]) <= 2 * r and group[i] != group[j]
            for i, j in itertools.product(n, n)
        ]
    )
    hard, missed = [], []
    for i, (label, rows) in itertools.product(n, rows_of.items()):
        hard.append(i not in rows and far(x[i], z[label]) <= r)
        found = any(group[j] == group[i] for j in rows)
        missed.append(hard[-1] and not found)
    least = min(len(rows) for rows in rows_of.values())
    weight = {i: 0 for i in n}
    for i, label in pairs:
        weight[i] += 1 / len(rows_of[label])
    return {
        "radius": r,
        "e1": e1,
        "e2": e2,
        "c1": len(pairs) / len(rows_of) / least,
        "c2": max(weight.values()) / np.mean(list(weight.values())),
        "hard": np.mean(hard),
        "missed": np.mean(missed),
    }


@pytest.mark.parametrize("data", [regular, irregular])
@pytest.mark.parametrize("radius", [0.3, 0.6, 1.2])
def test_equals_the_definitions(rng, data, radius):
    x, z, relevant = data(rng)
    group = rng.integers(-1, 4, len(x))
    found = mining_guarantee(x, z, relevant, group, radius)
    expected = oracle(x, z, relevant, group, radius)
    assert expected["e2"] > 0 and expected["missed"] > 0, "would compare zeros"
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-6, err_msg=name)


def test_the_bound_holds_on_regular_data(rng):
    for radius in (0.2, 0.4, 0.6, 0.8):
        x, z, relevant = regular(rng)
        for group in (
            balanced_clusters(x, 6, 0).of_rows(),
            rng.permutation(np.arange(24) // 6),
        ):
            found = mining_guarantee(x, z, relevant, group, radius)
            assert found["c1"] == found["c2"] == pytest.approx(1)
            assert 0 < found["missed"] <= found["e1"] + found["e2"]


def test_the_bound_says_something(rng):
    """On a circle cut in arcs, only what is near a cut can be missed."""
    angle = 2 * np.pi * np.arange(48) / 48
    x = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    rows = np.repeat(np.arange(48), 3)
    ids = (rows + np.tile([-1, 0, 1], 48)) % 48
    relevant = LabelLists.from_pairs(rows, ids, 48, 48)
    found = mining_guarantee(x, x, relevant, np.arange(48) // 12, radius=0.3)
    assert found["e1"] == 0
    assert 0 < found["missed"] < found["e2"] < 0.06


def test_the_bound_holds_on_any_data(rng):
    for seed in range(20):
        x, z, relevant = irregular(np.random.default_rng(seed))
        group = rng.integers(0, 4, len(x))
        found = mining_guarantee(x, z, relevant, group, 0.5)
        bound = found["c1"] * found["e1"] + found["c2"] * found["e2"]
        assert 0 < found["missed"] <= bound


def blobs(rng):
    """Eight far blobs of 12 queries; each label is relevant to 2 of a blob."""
    centres = unit(np.eye(8))[np.repeat(np.arange(8), 12)]
    x = unit(centres + 0.02 * rng.normal(size=(96, 8)))
    rows = np.arange(96)
    relevant = LabelLists.from_pairs(rows, rows // 2, 96, 48)
    return x, unit(x[::2] + x[1::2]), relevant


def test_compact_clusters_miss_nothing(rng):
    x, z, relevant = blobs(rng)
    found = mining_guarantee(x, z, relevant, np.arange(96) // 12, radius=0.4)
    assert found["e1"] == found["e2"] == found["missed"] == 0
    assert found["hard"] > 0.1
    spread = mining_guarantee(x, z, relevant, np.arange(96) % 8, radius=0.4)
    assert spread["missed"] > 0.05


def test_batches_and_ids_are_the_same(rng):
    x, z, relevant = blobs(rng)
    order = rng.permutation(96)
    batches = np.split(order[:80], 5)  # 16 queries are in no batch
    group = np.full(96, -1)
    for number, batch in enumerate(batches):
        group[batch] = number
    found = mining_guarantee(x, z, relevant, batches)
    assert found == mining_guarantee(x, z, relevant, group)
    assert found["missed"] > 0
    everything = mining_guarantee(x, z, relevant, [order])
    assert everything["missed"] == everything["e2"] == 0 < everything["hard"]


def test_default_radius_is_the_median(rng):
    x, z, relevant = irregular(rng)
    found = mining_guarantee(x, z, relevant, rng.integers(0, 4, len(x)))
    assert abs(found["e1"] - 0.5) < 0.02


def test_a_sample_is_close(rng):
    centres = unit(rng.normal(size=(40, 8)))
    blob = np.repeat(np.arange(40), 50)
    x = unit(centres[blob] + 0.15 * rng.normal(size=(2000, 8)))
    rows = np.arange(2000)
    relevant = LabelLists.from_pairs(rows, rows // 4, 2000, 500)
    z, group = unit(x[::4] + x[1::4]), balanced_clusters(x, 40, 0).of_rows()
    exact = mining_guarantee(x, z, relevant, group, 0.5)
    for seed in range(3):
        found = mining_guarantee(
            x.astype(np.float16), z, relevant, group, 0.5, sample=400, seed=seed
        )
        assert found != exact
        for name in ("e1", "e2", "hard", "missed"):
            np.testing.assert_allclose(
                found[name], exact[name], rtol=0.25, err_msg=name
            )
    assert exact["missed"] > 0.001


def test_no_pair_within_the_radius(rng):
    x, z, relevant = irregular(rng)
    group = np.zeros(len(x), int)
    found = mining_guarantee(x, z, relevant, group, radius=0.0)
    assert found["hard"] == found["missed"] == found["e2"] == 0
    assert found["e1"] == 1


def test_bad_input(rng):
    x, z, relevant = irregular(rng)
    group = np.zeros(len(x), int)
    for queries, labels, groups in (
        (x[1:], z, group[1:]),
        (x, z[1:], group),
        (x, z, group[1:]),
        (x, z, group - 1),
    ):
        with pytest.raises(ValueError, match="Received: "):
            mining_guarantee(queries, labels, relevant, groups)
