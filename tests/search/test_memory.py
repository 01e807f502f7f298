"""Invariants of the memory of training queries:

- what it says of a query equals loops over all keys, where all clusters are
  looked into; keys are those of their clusters, whatever their number;
- few probes find most of the nearest keys of queries that are like some key;
- labels of a pair occur once, sorted; keys without labels say nothing;
- wrong sizes are told.
"""

import dataclasses

import numpy as np
import pytest

from tfxc.data import LabelLists
from tfxc.search import Memory, memory


def unit(vectors):
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def random_case(rng, rows=60, labels=9, dim=5):
    vectors = unit(rng.normal(size=(rows, dim)).astype(np.float32))
    counts = rng.integers(0, 4, rows)
    lists = LabelLists.from_pairs(
        np.repeat(np.arange(rows), counts),
        rng.integers(0, labels, counts.sum()),
        rows,
        labels,
    )
    queries = unit(rng.normal(size=(17, dim)).astype(np.float32))
    return vectors, lists, queries


def loops(vectors, lists, query, neighbours, temperature, power):
    """`{label: m}` of one query."""
    scores = vectors.astype(np.float16).astype(np.float32) @ query
    nearest = np.argsort(-scores)[:neighbours]
    weights = np.exp(scores[nearest] / temperature)
    weights /= weights.sum()
    found = {}
    for key, weight in zip(nearest, weights, strict=True):
        for label in lists[key]:
            found[int(label)] = found.get(int(label), 0) + weight
    return {label: weight**power for label, weight in found.items()}


@pytest.mark.parametrize("power", [1.0, 0.3])
@pytest.mark.parametrize("exact", [1000, 10])
@pytest.mark.parametrize("neighbours", [1, 6, 480])
def test_equals_loops(rng, monkeypatch, exact, neighbours, power):
    monkeypatch.setattr(memory, "EXACT", exact)
    monkeypatch.setattr(memory, "CLUSTER_SIZE", 8)
    vectors, lists, queries = random_case(rng)
    built = Memory.build(
        vectors,
        lists,
        neighbours=neighbours,
        temperature=0.3,
        power=power,
        probes=99,
    )
    assert len(built.centroids) == (1 if exact > 60 else 8)
    if exact == 10:
        # No cluster gives more than its smallest has, here 7.
        neighbours = min(neighbours, 7)
        built = dataclasses.replace(built, neighbours=neighbours)
    row, label, score = built.label_scores(queries)
    assert len(row) > 17
    pairs = row * 9 + label
    assert (np.diff(pairs) > 0).all()
    for number, query in enumerate(queries):
        expected = loops(vectors, lists, query, neighbours, 0.3, power)
        mine = row == number
        assert label[mine].tolist() == sorted(expected)
        np.testing.assert_allclose(
            score[mine],
            [expected[i] for i in sorted(expected)],
            rtol=1e-4,
            atol=1e-6,
        )


def test_few_probes_find_most(rng, monkeypatch):
    monkeypatch.setattr(memory, "EXACT", 100)
    monkeypatch.setattr(memory, "CLUSTER_SIZE", 32)
    centres = unit(rng.normal(size=(40, 16)).astype(np.float32))
    near = rng.integers(0, 40, 3000)
    noise = 0.15 * rng.normal(size=(3000, 16)).astype(np.float32)
    vectors = unit(centres[near] + noise)
    lists = LabelLists.from_pairs(np.arange(3000), near, 3000, 40)
    built = Memory.build(vectors, lists, neighbours=10, probes=4, power=1.0)
    queries = vectors[:200]
    _, found = built.nearest(queries)
    keys = built.keys.reshape(-1, 16).astype(np.float32)
    exact = np.argsort(-(queries @ keys.T), axis=1)
    shares = [
        np.isin(a, b[:10]).mean() for a, b in zip(found, exact, strict=True)
    ]
    assert np.mean(shares) > 0.8
    row, label, score = built.label_scores(queries)
    best = np.zeros((200, 40))
    best[row, label] = score
    assert (best.argmax(axis=1) == near[:200]).mean() > 0.9
    np.testing.assert_allclose(best.sum(axis=1), 1, rtol=1e-5)


def test_keys_without_labels(rng):
    vectors, _, queries = random_case(rng)
    lists = LabelLists.from_pairs([], [], 60, 9)
    row, label, score = Memory.build(vectors, lists).label_scores(queries)
    assert len(row) == len(label) == len(score) == 0


@pytest.mark.parametrize("rows", [0, 59])
def test_wrong_sizes(rng, rows):
    vectors, lists, _ = random_case(rng)
    with pytest.raises(ValueError, match="Received: "):
        Memory.build(vectors[:rows], lists if rows else lists.take([]))


def test_more_neighbours_than_a_cluster_has(rng, monkeypatch):
    monkeypatch.setattr(memory, "EXACT", 59)
    vectors, lists, _ = random_case(rng)
    with pytest.raises(ValueError, match=r"480 among.*Received: 481"):
        Memory.build(vectors, lists, neighbours=481)
    monkeypatch.setattr(memory, "EXACT", 60)
    Memory.build(vectors, lists, neighbours=481)
