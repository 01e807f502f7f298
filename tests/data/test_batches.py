"""Invariants of what a training step sees:

- relevance equals loops over (query, candidate) pairs: 1 for what was drawn,
  1 or -1 for what else is known, never 0; -1 beyond the rows in use;
- candidates are distinct and hold a positive of each query; other positives
  come before labels at random, and every place is used where labels suffice;
- draws are fair, and a function of (seed, epoch, step): frozen examples;
- bags are those of the rows and candidates, padded to static shapes;
- tokens of queries are hidden at random, of labels never, by step and seed;
- the plan is asked when an iteration begins, so an epoch uses its own.
"""

import numpy as np
import pytest
import tensorflow as tf

from tfxc.data import (
    Bags,
    LabelLists,
    hide_tokens,
    in_batch_candidates,
    training_batches,
)


def random_lists(rng, rows, columns, most=4):
    lists = [
        rng.choice(columns, rng.integers(1, most + 1), replace=False)
        for _ in range(rows)
    ]
    row = np.repeat(np.arange(rows), [len(ids) for ids in lists])
    return LabelLists.from_pairs(row, np.concatenate(lists), rows, columns)


@pytest.mark.parametrize("shape", [(20, 20), (25, 30), (25, 200), (25, 60)])
@pytest.mark.parametrize("every_positive", [True, False])
def test_relevance_equals_loops(shape, every_positive):
    rng = np.random.default_rng(1)
    others = 0
    for _ in range(20):
        relevant = random_lists(rng, 20, 60)
        candidates, relevance = in_batch_candidates(
            relevant, shape, rng, every_positive
        )
        assert relevance.shape == shape and relevance.dtype == np.int8
        assert np.array_equal(candidates, np.unique(candidates))
        assert candidates.min() >= 0 and candidates.max() < 60
        used = relevance[:20, : len(candidates)]
        assert (relevance[20:] == -1).all()
        assert (relevance[:, len(candidates) :] == -1).all()
        for row in range(20):
            known = np.isin(candidates, relevant[row])
            assert (used[row][~known] == 0).all()
            others += known.sum() - 1
            if every_positive:
                assert (used[row][known] == 1).all() and known.any()
            else:
                assert set(used[row][known]) <= {1, -1}
                assert (used[row] == 1).sum() == 1
    assert others > 100, "no query had two candidates that are known"


def test_the_room_is_filled_with_positives_first():
    rng = np.random.default_rng(1)
    for _ in range(50):
        relevant = random_lists(rng, 6, 40)
        positives = set(relevant.ids.tolist())
        for room in (6, 8, 15, 30, 39, 40):
            candidates, _ = in_batch_candidates(relevant, (6, room), rng)
            found = set(candidates.tolist())
            if room < len(positives):
                assert found <= positives
            else:
                assert found >= positives
            if 6 < room <= len(positives):
                assert len(found) == room
            assert len(found) <= room


def test_all_labels_fit():
    relevant = random_lists(np.random.default_rng(0), 6, 10)
    rng = np.random.default_rng(0)
    sizes = [
        len(in_batch_candidates(relevant, (6, 200), rng)[0]) for _ in range(5)
    ]
    assert sizes == [10] * 5


def test_draws_are_fair():
    """Each of a query's positives is drawn equally often."""
    relevant = LabelLists(np.array([0, 3, 7, 9]), np.array([0, 4]), 10)
    rng = np.random.default_rng(0)
    drawn = [
        in_batch_candidates(relevant, (1, 1), rng)[0][0] for _ in range(4000)
    ]
    counts = np.bincount(drawn, minlength=10)
    assert counts.sum() == counts[[0, 3, 7, 9]].sum()
    assert abs(counts[[0, 3, 7, 9]] - 1000).max() < 5 * 750**0.5


def test_frozen_example():
    """A change here changes every run: do not adapt these numbers lightly."""
    relevant = LabelLists(
        np.array([1, 4, 4, 0, 2, 5]), np.array([0, 2, 3, 6]), 12
    )
    rng = np.random.default_rng((0, 1, 2))
    candidates, relevance = in_batch_candidates(relevant, (4, 7), rng, False)
    assert candidates.tolist() == [0, 1, 2, 3, 4, 5, 10]
    assert relevance.tolist() == [
        [0, -1, 0, 0, 1, 0, 0],
        [0, 0, 0, 0, 1, 0, 0],
        [-1, 0, -1, 0, 0, 1, 0],
        [-1] * 7,
    ]


class Batches:
    """Batches of a small problem, with the plan of any epoch."""

    def __init__(self, rows=10, labels=30, candidates=9, seed=5, **options):
        rng = np.random.default_rng(0)
        self.relevant = random_lists(rng, rows, labels)
        self.queries = Bags(
            rng.integers(1, 99, (rows, 5)).astype(np.int32),
            rng.random((rows, 5)).astype(np.float16),
        )
        self.labels = Bags(
            rng.integers(1, 99, (labels, 3)).astype(np.int32),
            rng.random((labels, 3)).astype(np.float16),
        )
        self.epoch, self.order = 0, np.split(rng.permutation(rows), [4, 8])
        self.dataset = training_batches(
            lambda: (self.epoch, self.order),
            self.queries,
            self.labels,
            self.relevant,
            batch_size=4,
            num_candidates=candidates,
            seed=seed,
            **options,
        )

    def listed(self):
        return list(self.dataset.as_numpy_iterator())


def same(one, other):
    one, other = tf.nest.flatten(one), tf.nest.flatten(other)
    return len(one) == len(other) and all(map(np.array_equal, one, other))


def test_batches_gather_rows_and_candidates():
    batches = Batches()
    listed = batches.listed()
    assert len(listed) == 3
    for step, (rows, batch) in enumerate(
        zip(batches.order, listed, strict=True)
    ):
        rng = np.random.default_rng((5, 0, step))
        candidates, relevance = in_batch_candidates(
            batches.relevant.take(rows), (4, 9), rng
        )
        np.testing.assert_array_equal(batch["relevance"], relevance)
        for name, bags, ids in (
            ("query", batches.queries, rows),
            ("candidates", batches.labels, candidates),
        ):
            for part, array in bags.take(ids).items():
                padded = batch[name][part]
                np.testing.assert_array_equal(padded[: len(ids)], array)
                assert not padded[len(ids) :].any()
    assert (listed[-1]["relevance"][2:] == -1).all(), "the last one is short"


def test_shapes_are_static():
    shapes = tf.nest.map_structure(
        lambda spec: (*spec.shape.as_list(), spec.dtype.name),
        Batches().dataset.element_spec,
    )
    assert shapes == {
        "query": {"ids": (4, 5, "int32"), "weights": (4, 5, "float16")},
        "candidates": {"ids": (9, 3, "int32"), "weights": (9, 3, "float16")},
        "relevance": (4, 9, "int8"),
    }


def test_batches_are_a_function_of_seed_epoch_and_step():
    batches = Batches()
    first = batches.listed()
    assert same(first, batches.listed())
    assert same(first, Batches().listed())
    assert not same(first, Batches(seed=6).listed())
    batches.epoch = 1
    second = batches.listed()
    assert not same(first, second)
    twice = batches.order[0]
    batches.order = [twice, twice]
    one, two = batches.listed()
    assert same(one["query"], two["query"])
    assert not same(one["relevance"], two["relevance"])
    batches.order = [twice]
    assert same(batches.listed(), [one]), "a step depends on later ones"


def test_hidden_tokens():
    plain, hidden = Batches().listed(), Batches(token_dropout=0.4).listed()
    shares = []
    for whole, part in zip(plain, hidden, strict=True):
        assert same(whole["candidates"], part["candidates"])
        assert same(whole["relevance"], part["relevance"])
        assert same(whole["query"]["ids"], part["query"]["ids"])
        one, other = whole["query"]["weights"], part["query"]["weights"]
        assert other.dtype == one.dtype
        assert ((other == one) | (other == 0)).all()
        shares.append((other[one > 0] == 0).mean())
    assert 0.2 < np.mean(shares) < 0.6 and len(set(shares)) > 1
    assert same(hidden, Batches(token_dropout=0.4).listed())
    assert not same(hidden, Batches(seed=6, token_dropout=0.4).listed())


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_share_of_hidden_tokens(rng, share):
    bags = {"ids": np.ones((200, 50), int), "weights": np.ones((200, 50))}
    kept = hide_tokens(bags, share, rng)["weights"]
    assert set(np.unique(kept)) == {0, 1}
    assert kept.mean() == pytest.approx(1 - share, abs=0.02)
    assert bags["weights"].all(), "what was given has changed"


def test_iterations_do_not_disturb_each_other():
    """Each keeps the plan that it began with."""
    batches = Batches()
    first, expected = batches.dataset.as_numpy_iterator(), batches.listed()
    assert same(next(first), expected[0])
    batches.epoch, batches.order = 1, batches.order[:1]
    assert not same(batches.listed(), expected[:1])
    assert same(list(first), expected[1:])


def test_fewer_candidates_than_queries():
    with pytest.raises(ValueError, match=r"batch_size=4, .*Received: 3"):
        Batches(candidates=3)


def test_an_epoch_uses_the_plan_of_its_beginning():
    batches = Batches()
    first = batches.listed()
    batches.epoch, batches.order = 3, batches.order[::-1]
    assert len(batches.listed()[0]["relevance"]) == 4
    assert not same(batches.listed()[0], first[0])
    np.testing.assert_array_equal(
        batches.listed()[0]["query"]["ids"][:2],
        batches.queries.ids[batches.order[0]],
    )
