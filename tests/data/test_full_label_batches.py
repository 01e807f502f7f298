"""Invariants of the batches for a loss on all labels:

- an epoch holds every row of its plan once, with all its labels and no other,
  then -1, as wide as the longest list of all rows;
- what the encoder reads is that of the rows, in the order of the plan;
- a short batch is filled with empty queries without labels: shapes are static,
  but for the length of sequences;
- each iteration keeps the plan that it began with;
- tokens are hidden at random, by step and seed.
"""

import numpy as np
import pytest
import tensorflow as tf

from tfxc.batching import ShuffledBatches
from tfxc.data import (
    Bags,
    LabelLists,
    Sequences,
    Vectors,
    full_label_batches,
)

ROWS, LABELS, SIZE, PAD = 14, 9, 4, 99
LISTS = [[7], [], [0, 3, 8], [2, 1], [5, 4, 6, 0, 8], [3], [8, 0], [1], [], [6]]
LISTS += [[2, 5, 7], [4], [0], [3, 6]]
LABELLED = np.array([row for row in range(ROWS) if LISTS[row]])


def lists():
    row = np.repeat(np.arange(ROWS), [len(ids) for ids in LISTS])
    return LabelLists.from_pairs(row, np.concatenate(LISTS), ROWS, LABELS)


def queries(kind):
    """No value of a row is that of padding."""
    rng = np.random.default_rng(0)
    ids = rng.integers(1, PAD, (ROWS, 12)).astype(np.int32)
    if kind is Sequences:
        return Sequences(ids, pad_id=PAD)
    weights = rng.uniform(0.1, 1, ids.shape).astype(np.float16)
    return Bags(ids, weights) if kind is Bags else Vectors(weights)


class Batches:
    """Batches of some rows, with the plan of any epoch."""

    def __init__(
        self, rows=LABELLED, kind=Bags, relevant=None, size=SIZE, **options
    ):
        self.epoch = 0
        self.shuffled = ShuffledBatches(rows, size, seed=1)
        relevant = relevant or lists()
        self.dataset = full_label_batches(
            lambda: (self.epoch, self.order),
            queries(kind),
            relevant,
            size,
            **options,
        )

    @property
    def order(self):
        return self.shuffled.plan(self.epoch)

    def listed(self):
        return list(self.dataset.as_numpy_iterator())


@pytest.mark.parametrize("epoch", [0, 3])
def test_every_query_once_with_all_its_labels(epoch):
    batches = Batches()
    batches.epoch = epoch
    seen = []
    for rows, batch in zip(batches.order, batches.listed(), strict=True):
        seen += rows.tolist()
        assert batch["positives"].dtype == np.int32
        padding = [-1] * (SIZE - len(rows))
        assert batch["rows"].tolist() == [*rows, *padding]
        for place in range(SIZE):
            labels = LISTS[rows[place]] if place < len(rows) else []
            expected = sorted(labels) + [-1] * (5 - len(labels))
            assert batch["positives"][place].tolist() == expected
    assert sorted(seen) == LABELLED.tolist() != seen


@pytest.mark.parametrize("kind", [Bags, Sequences, Vectors])
def test_queries_are_those_of_the_rows(kind):
    batches, table = Batches(kind=kind), queries(kind)
    empty = PAD if kind is Sequences else 0
    assert [len(rows) for rows in batches.order] == [4, 4, 4]
    batches.shuffled = ShuffledBatches(LABELLED[:-2], SIZE, seed=1)
    short = 0
    for rows, batch in zip(batches.order, batches.listed(), strict=True):
        assert batch["query"].keys() == table.fields.keys()
        for name, array in table.take(rows).items():
            found = batch["query"][name]
            assert len(found) == SIZE and found.dtype == array.dtype
            np.testing.assert_array_equal(found[: len(rows)], array)
            assert not (array == empty).any()
            assert (found[len(rows) :] == empty).all()
        assert (batch["positives"][len(rows) :] == -1).all()
        assert (batch["positives"][: len(rows), 0] >= 0).all()
        short += SIZE - len(rows)
    assert short == 2, "no batch was short"


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (Bags, {"ids": (SIZE, 12), "weights": (SIZE, 12)}),
        (Vectors, {"vectors": (SIZE, 12)}),
        (Sequences, {"token_ids": (SIZE, None)}),
    ],
)
def test_shapes_are_static(kind, expected):
    shapes = tf.nest.map_structure(
        lambda spec: tuple(spec.shape), Batches(kind=kind).dataset.element_spec
    )
    assert shapes == {
        "query": expected,
        "positives": (SIZE, 5),
        "rows": (SIZE,),
    }


def test_one_label_of_each_query():
    """Each of its labels as often, by step and seed."""

    def drawn(seed):
        return Batches(
            *(np.tile(LABELLED, 400), Bags, None, 1000),
            every_positive=False,
            seed=seed,
        )

    batches = drawn(seed=1)
    listed, again, other = batches.listed(), batches.listed(), drawn(2).listed()
    seen = {row: [] for row in LABELLED.tolist()}
    for rows, batch, same in zip(batches.order, listed, again, strict=True):
        assert batch["positives"].shape == (1000, 1)
        assert (batch["positives"][len(rows) :] == -1).all()
        np.testing.assert_array_equal(batch["positives"], same["positives"])
        for row, [label] in zip(rows, batch["positives"], strict=False):
            seen[row].append(label)
    assert not np.array_equal(listed[0]["positives"], other[0]["positives"])
    for row, labels in seen.items():
        ids, counts = np.unique(labels, return_counts=True)
        assert ids.tolist() == sorted(LISTS[row])
        expected = 400 / len(ids)
        assert (abs(counts - expected) < 5 * expected**0.5).all()


def test_rows_without_labels():
    none = LabelLists.from_pairs([], [], ROWS, LABELS)
    for batch in Batches(rows=ROWS, relevant=none).listed():
        np.testing.assert_array_equal(batch["positives"], [[-1]] * SIZE)
    [*_, last] = Batches(rows=np.array([1, 8])).listed()
    np.testing.assert_array_equal(last["positives"], [[-1] * 5] * SIZE)


def test_an_iteration_keeps_the_plan_it_began_with():
    batches = Batches()
    first, expected = batches.dataset.as_numpy_iterator(), batches.listed()
    found = [next(first)]
    batches.epoch = 1
    other = batches.listed()
    found += list(first)
    assert len(found) == len(other) == 3
    positives = [
        np.stack([batch["positives"] for batch in epoch])
        for epoch in (found, expected, other)
    ]
    np.testing.assert_array_equal(positives[0], positives[1])
    assert not np.array_equal(positives[0], positives[2])


def test_hidden_tokens_by_step_and_seed():
    def hidden(**options):
        weights = [
            batch["query"]["weights"] for batch in Batches(**options).listed()
        ]
        return np.stack(weights) == 0

    some = hidden(token_dropout=0.4)
    assert not hidden().any() and 0.2 < some.mean() < 0.6
    assert (some[0] != some[1]).any()
    np.testing.assert_array_equal(some, hidden(token_dropout=0.4))
    assert (some != hidden(token_dropout=0.4, seed=1)).any()
