"""Invariants of the tree of clusters:

- a partition holds every label once, and refines the level above;
- with everything opened, Q is the softmax; the more is opened, the nearer,
  and the more sketches show, or the more labels are scored exactly;
- what sketches do not show is measured;
- no P / Q exceeds the bound, which is finite;
- a Metropolis-Hastings chain has the softmax for its law, and draws near it;
- a refresh keeps all shapes, and the old state where vectors are not finite;
- the law of a label takes no comparison with each group;
- out of memory and in memory, labels are split into the same kind of groups.
"""

import math
import re

import numpy as np
import pytest
import tensorflow as tf
from sampler_cases import (
    BETA,
    LABELS,
    SKETCHED,
    label_vectors,
    queries,
    softmax,
    tree,
)

from tfxc.negatives import (
    ClusterTreeSampler,
    Nystrom,
    balanced_partition,
    nested_partition,
    partition_law,
)
from tfxc.negatives.sampler import fill
from tfxc.negatives.tree_arrays import Sketches, main_directions


@pytest.mark.parametrize("labels", [1, 3, 60, 257])
@pytest.mark.parametrize(("branching", "leaf"), [(4, 4), (2, 1), (16, 8)])
def test_partitions_are_nested(labels, branching, leaf):
    vectors = label_vectors(labels=labels)
    found = balanced_partition(vectors, branching, leaf)
    assert sorted(found.order) == list(range(labels))
    np.testing.assert_array_equal(
        found.order[found.place_of()], np.arange(labels)
    )
    for splits in found.levels:
        assert splits[0] == 0 and splits[-1] == labels
        assert (np.diff(splits) > 0).all()
    for one, other in zip(found.levels, found.levels[1:], strict=False):
        assert set(one) <= set(other)
    assert np.diff(found.levels[-1]).max() <= max(leaf, 2)
    for level in range(len(found.levels) - 1):
        children = found.children(level)
        assert np.diff(children).max() <= branching
        np.testing.assert_array_equal(
            found.levels[level + 1][children], found.levels[level]
        )


def test_labels_are_not_compared_with_all_groups():
    """XLA's `searchsorted` does, and holds an array of both."""
    splits = np.arange(0, 7 * 1013 + 1, 7, dtype=np.int32)
    place = tf.random.uniform([509], 0, 7 * 1013, tf.int32, seed=0)
    found = tf.function(partition_law.group_of, jit_compile=True)
    np.testing.assert_array_equal(found(splits, place), place // 7)
    program = found.experimental_get_compiler_ir(splits, place)("hlo")
    sizes = re.findall(r"\[([\d,]+)\]", program)
    assert "1,509" in sizes  # what is compared is among them
    most = max(math.prod(map(int, size.split(","))) for size in sizes)
    assert most <= 2 * len(splits)


@pytest.mark.parametrize("rows", [7, 10_000])
def test_means_and_radii(monkeypatch, rows):
    monkeypatch.setattr(nested_partition, "ROWS", rows)
    vectors = label_vectors()
    found = balanced_partition(vectors, 2, 4)
    summaries = found.summaries(vectors.astype(np.float16))
    assert len(summaries) == len(found.levels) > 2
    for splits, (means, radii) in zip(found.levels, summaries, strict=True):
        for group in range(len(splits) - 1):
            mine = vectors[found.order[splits[group] : splits[group + 1]]]
            np.testing.assert_allclose(means[group], mine.mean(0), atol=1e-3)
            far = np.linalg.norm(mine - mine.mean(0), axis=1).max()
            assert far - 2e-3 <= radii[group] <= 2 * far + 2e-3
            if splits is found.levels[-1]:
                np.testing.assert_allclose(radii[group], far, atol=2e-3)


def test_large_variables_are_filled_in_chunks():
    layer = tree()
    array = np.random.default_rng(0).normal(size=(100, 3))
    weight = layer.add_weight(shape=(100, 3), trainable=False, name="new")
    fill(weight, array, chunk_bytes=7 * 24)
    np.testing.assert_allclose(weight, array, rtol=1e-6)


def test_large_groups_are_split_as_well(monkeypatch):
    """By a sample and in chunks, where they would not fit."""
    vectors = label_vectors(labels=600)
    spreads = []
    for in_memory in (2**20, 100):
        monkeypatch.setattr(nested_partition, "IN_MEMORY", in_memory)
        monkeypatch.setattr(nested_partition, "SAMPLE", 80)
        monkeypatch.setattr(nested_partition, "ROWS", 64)
        found = balanced_partition(vectors, 8, 8)
        assert sorted(found.order) == list(range(600))
        _, radii = found.summaries(vectors)[-1]
        spreads.append(radii.mean())
    assert 0.5 < spreads[1] / spreads[0] < 1.3


@pytest.mark.parametrize("options", [{}, SKETCHED])
def test_every_label_is_in_one_group(options):
    sampler, x = tree(**options), queries()
    found = sampler.partition(x)
    used = np.isfinite(found.logits)
    for row in range(len(x)):
        seen = [
            place
            for start, size, kept in zip(
                found.starts[row].numpy(),
                found.sizes[row].numpy(),
                used[row],
                strict=True,
            )
            if kept
            for place in range(start, start + size)
        ]
        assert sorted(seen) == list(range(LABELS))


@pytest.mark.parametrize("jit", [False, True])
@pytest.mark.parametrize("shared", [False, True])
def test_draws_and_law_agree(shared, jit):
    """For hundreds of queries, whatever is rounded where."""
    sampler = tree(label_vectors(labels=300), **SKETCHED, leaf_size=16)
    x = queries(rows=300)
    q = np.exp(sampler.law(x))
    np.testing.assert_allclose(q.sum(axis=1), 1, rtol=1e-4)

    def draw():
        ids, log_q = sampler.sample(x, 30, seed=1)
        given = ids[:, 0] if shared else ids
        return ids, log_q, sampler.log_prob(x, given)

    ids, log_q, again = (tf.function(draw, jit_compile=True) if jit else draw)()
    expected = np.log(np.take_along_axis(q, ids.numpy(), axis=1))
    np.testing.assert_allclose(log_q, expected, atol=1e-3)
    if shared:
        expected = np.log(q[:, ids.numpy()[:, 0]])
    np.testing.assert_allclose(again, expected, atol=1e-3)


@pytest.mark.parametrize(
    "options",
    [
        {"opened": 64},
        {"leaf_size": 64},
        {"branching": 64},
        {"sketch": 6, "exact": 1},
        {"sketch": 1, "exact": LABELS - 1},
    ],
)
def test_everything_opened_is_exact(options):
    sampler, x = tree(**{"opened": 64, **options}), queries()
    q = np.exp(sampler.log_prob(x, np.arange(LABELS)))
    exact = softmax(x, label_vectors())
    np.testing.assert_allclose(q, exact, rtol=0.02, atol=1e-5)


@pytest.mark.parametrize(
    ("option", "values", "others"),
    [
        ("opened", (1, 2, 4, 8), {}),
        ("sketch", (1, 2, 4, 6), {"opened": 8, "exact": 1}),
        ("exact", (1, 5, 10, 20), {"opened": 8, "sketch": 1}),
    ],
)
def test_more_is_nearer_and_within_the_bound(option, values, others):
    x = queries(rows=20)
    exact = softmax(x, label_vectors().astype(np.float16))  # as it keeps them
    distances = []
    for value in values:
        sampler = tree(**{**others, option: value})
        q = np.exp(np.asarray(sampler.log_prob(x, np.arange(LABELS)), float))
        distances.append(np.abs(q - exact).sum(axis=1).mean() / 2)
        worst = np.log(exact / q).max(axis=1)
        bound = sampler.bound(x).numpy()
        assert np.isfinite(bound).all() and (worst <= bound + 1e-4).all()
        assert worst.max() > 0.02
    assert distances == sorted(distances, reverse=True)
    assert distances[0] > 2 * distances[-1]


def test_places_beyond_int32(monkeypatch):
    """As they are told in an array of more than 2^31 numbers."""
    x, ids = queries(rows=4), np.arange(LABELS)
    sampler = tree(opened=2, sketch=2, exact=5)
    expected = np.asarray(sampler.log_prob(x, ids))
    monkeypatch.setattr(partition_law, "LARGEST", 0)
    np.testing.assert_array_equal(sampler.log_prob(x, ids), expected)


@pytest.mark.parametrize("rebuild", [False, True])
def test_bound_after_drift(rng, rebuild):
    """By radii that were measured again, and never above e^(2 beta r)."""
    sampler, x, vectors = tree(opened=2), queries(rows=20), label_vectors()
    for _ in range(3):
        vectors = vectors + 0.3 * rng.normal(size=vectors.shape)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        sampler.refresh(vectors.astype(np.float32), rebuild=rebuild)
        kept = np.float32(vectors.astype(np.float16))
        worst = (np.log(softmax(x, kept)) - sampler.law(x)).max(axis=1)
        bound = sampler.bound(x).numpy()
        assert (worst <= bound + 1e-4).all() and worst.max() > 0.02
        splits, radii = sampler.tree.levels, []
        for start, end in zip(splits[0], splits[0][1:], strict=False):
            mine = kept[sampler.tree.order[start:end]]
            far = np.linalg.norm(mine - mine.mean(axis=0), axis=1)
            radii.append(far.max())
        top = np.asarray(sampler.parts["radii_0"])
        assert (np.array(radii) <= top + 1e-3).all()
        # Groups of the first level, as they are or opened, make the law.
        assert worst.max() <= 2 * BETA * top.max() + 1e-4


def test_bound_of_codes():
    x, nystrom = queries(rows=20), Nystrom(label_vectors()[::40])
    codes = nystrom.codes(label_vectors())
    sampler = ClusterTreeSampler(
        *(codes, BETA, 3, 4, 8),
        **{"sketch": 2, "exact": 5},
        projection=nystrom.basis,
    )
    exact = softmax(x @ nystrom.basis, codes.astype(np.float16))
    worst = (np.log(exact) - sampler.law(x)).max(axis=1)
    assert (worst <= sampler.bound(x).numpy() + 1e-4).all()
    assert worst.max() > 0.02


def test_bound_of_groups_of_equal_labels():
    """Their means are what is kept, in half precision, not what was given."""
    vectors = np.repeat(label_vectors(labels=16), 2, axis=0)
    sampler = ClusterTreeSampler(vectors, 8.0, 1, 16, 2, exact=2)
    assert np.asarray(sampler.parts["radii_0"]).max() == 0
    x = queries(rows=20)
    kept = vectors.astype(np.float16).astype(np.float32)
    scores = 8.0 * x @ kept.T
    log_p = scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))
    worst = (log_p - sampler.law(x)).max(axis=1)
    np.testing.assert_allclose(worst, 0, atol=1e-4)
    np.testing.assert_allclose(sampler.bound(x), 0, atol=1e-4)


def test_what_sketches_do_not_show():
    vectors = label_vectors()
    found = balanced_partition(vectors, 4, 8)
    means, _ = found.summaries(vectors)[-1]
    directions = main_directions(vectors, found, means, 2)
    np.testing.assert_allclose(directions.T @ directions, np.eye(2), atol=1e-5)
    sketches = Sketches(vectors, found, means, directions)
    owner = np.repeat(np.arange(len(means)), np.diff(found.levels[-1]))
    gaps = vectors[found.order] - means[owner]
    # No two directions show more of all labels.
    _, values, _ = np.linalg.svd(gaps)
    shown = np.square(sketches[:]).sum()
    assert shown == pytest.approx(np.square(values[:2]).sum(), rel=0.2)
    rest = np.linalg.norm(gaps - gaps @ directions @ directions.T, axis=1)
    farthest = [rest[owner == leaf].max() for leaf in range(len(means))]
    np.testing.assert_allclose(sketches.unseen(), farthest, atol=2e-3)


def transitions(sampler, x):
    """`(Q [L], moves [L, L], P [L])` of an independent chain, for one query."""
    exact = softmax(x, label_vectors())[0]
    q = np.exp(np.asarray(sampler.log_prob(x, np.arange(LABELS)), float))[0]
    ratio = (exact / q)[None, :] / (exact / q)[:, None]
    moves = q[None, :] * np.minimum(1, ratio)
    np.fill_diagonal(moves, 0)
    np.fill_diagonal(moves, 1 - moves.sum(axis=1))
    return q, moves, exact


@pytest.mark.parametrize("jit", [False, True])
@pytest.mark.parametrize("steps", [1, 6])
def test_chains_draw_what_their_moves_say(steps, jit):
    x, num = queries(rows=1), 40_000
    q, moves, exact = transitions(tree(opened=1), x)
    law = q @ np.linalg.matrix_power(moves, steps)
    sampler = tree(opened=1, steps=steps)
    np.testing.assert_allclose(np.exp(sampler.law(x))[0], law, atol=1e-3)

    def draw():
        return sampler.sample(x, num, seed=1)

    ids, log_q = (tf.function(draw, jit_compile=True) if jit else draw)()
    seen = np.bincount(ids[0], minlength=LABELS) / num
    assert np.abs(seen - law).sum() / 2 < 0.02
    assert np.abs(seen - q).sum() / 2 > 0.05, "the chain never moved"
    expected = np.log(exact[ids.numpy()])
    np.testing.assert_allclose(log_q, expected, atol=0.1)


def test_longer_chains_are_nearer_to_the_softmax():
    """At least as fast as the bound on P / Q says."""
    x = queries(rows=1)
    q, _, exact = transitions(tree(opened=1), x)
    gamma, distances = (exact / q).max(), []
    for steps in range(0, 30, 4):
        law = np.exp(tree(opened=1, steps=steps).law(x))[0]
        distances.append(np.abs(law - exact).sum() / 2)
        assert distances[-1] <= (1 - 1 / gamma) ** steps + 1e-3
    assert distances == sorted(distances, reverse=True)
    assert distances[-1] < 0.7 * distances[0]


def law_by_loops(sampler, x):
    """Q of every label for a query, group by group: `[L]`."""
    vectors, tree = label_vectors().astype(float), sampler.tree
    directions = sampler.parts["directions"].numpy().astype(float)
    x, score = BETA * x.astype(float), np.empty(LABELS)
    groups = range(len(tree.levels[0]) - 1)
    for level, splits in enumerate(tree.levels):
        members = {g: tree.order[splits[g] : splits[g + 1]] for g in groups}
        of_mean = {g: x @ vectors[members[g]].mean(axis=0) for g in groups}
        by_score = sorted(groups, key=of_mean.get, reverse=True)
        opened = by_score[: sampler.num_opened]
        for group in groups:
            score[members[group]] = of_mean[group]
        if level + 1 < len(tree.levels):
            first = tree.children(level)
            groups = [c for g in opened for c in range(first[g], first[g + 1])]
    for group in opened:
        gaps = vectors[members[group]] - vectors[members[group]].mean(axis=0)
        score[members[group]] += gaps @ directions @ directions.T @ x
    near = [label for group in opened for label in members[group]]
    for label in sorted(near, key=lambda y: -score[y])[: sampler.num_exact]:
        score[label] = x @ vectors[label]
    return np.exp(score) / np.exp(score).sum()


@pytest.mark.parametrize(
    "options", [{}, {"opened": 1}, {"sketch": 2, "exact": 3}]
)
def test_the_law_by_loops(options):
    sampler, x = tree(**options), queries(rows=20)
    assert len(sampler.tree.levels) > 1
    q = np.exp(sampler.law(x))
    for row in range(len(x)):
        expected = law_by_loops(sampler, x[row])
        np.testing.assert_allclose(q[row], expected, rtol=0.03, atol=1e-5)


@pytest.mark.parametrize("options", [{}, SKETCHED])
def test_refreshed_trees(options):
    sampler, x = tree(**options), queries()
    shapes = {v.name: v.shape for v in sampler.variables}
    step = tf.function(lambda: sampler.sample(x, 8), jit_compile=True)
    step()
    moved = label_vectors(seed=7)
    for rebuild in (False, True):
        sampler.refresh(moved, rebuild=rebuild)
        assert {v.name: v.shape for v in sampler.variables} == shapes
        q = np.exp(sampler.log_prob(x, np.arange(LABELS)))
        np.testing.assert_allclose(q.sum(axis=1), 1, rtol=1e-4)
    step()
    assert step.experimental_get_tracing_count() == 1
    fresh = tree(moved, **options)
    np.testing.assert_allclose(
        q, np.exp(fresh.log_prob(x, np.arange(LABELS))), atol=1e-6
    )
    before = sampler.state()
    for rebuild in (False, True):
        broken = moved.copy()
        broken[41, 2] = np.nan
        with pytest.raises(ValueError, match=r"finite\. Received: NaN"):
            sampler.refresh(broken, rebuild=rebuild)
        for name, array in sampler.state().items():
            np.testing.assert_array_equal(array, before[name])
    with pytest.raises(ValueError, match=r"Received: \(59, 6\)"):
        sampler.refresh(moved[1:])


def test_zero_inverse_temperature_is_uniform():
    sampler = tree()
    sampler.inverse_temperature.assign(0.0)
    q = np.exp(sampler.log_prob(queries(), np.arange(LABELS)))
    np.testing.assert_allclose(q, 1 / LABELS, rtol=1e-4)
    assert BETA > 1


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("opened", 0),
        ("sketch", -2),
        ("exact", 0),
        ("steps", -1),
        ("branching", 3),
        ("inverse_temperature", np.nan),
        ("projection", np.ones((6, 5), np.float32)),
    ],
)
def test_bad_arguments(option, value):
    options = {"inverse_temperature": BETA, "branching": 4, option: value}
    with pytest.raises(ValueError, match=f"`{option}` must be.* Received: "):
        ClusterTreeSampler(label_vectors(), **options)


def test_vectors_beyond_half_precision():
    vectors = label_vectors()
    vectors[5, 1] = 1e5
    with pytest.raises(ValueError, match=r"infinity in row 5"):
        tree(vectors)


def test_a_projection_that_comes_late():
    sampler = tree()
    before = sampler.state()
    with pytest.raises(ValueError, match="`projection` must be"):
        sampler.refresh(label_vectors(seed=3), np.eye(6, dtype=np.float32))
    for name, array in sampler.state().items():
        np.testing.assert_array_equal(array, before[name])


def test_products_are_those_of_the_partition():
    """Means, directions, sketches and exact scores, of full length each."""
    sampler = tree(opened=2, sketch=2, exact=5, leaf_size=8, branching=2)
    found = sampler.partition(queries())
    assert [group.shape[1] for group in found.opened] == [2, 2]
    assert found.logits.shape[1] == 4 + 2 * 2 + 2 * 8
    assert found.exact.shape[1] == 5
    # 4 means, 4 of their children, directions, 16 sketches of 2 of 6, exact.
    assert sampler.products_per_query() == 4 + 4 + 2 + 16 * 2 / 6 + 5
