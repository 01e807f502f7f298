"""Invariants of the callbacks that refresh samplers:

- in the warm-up draws are uniform, and nothing is refreshed; then refreshes
  come at fixed steps, numbered anew in each epoch;
- vectors that are not finite are told, and training goes on;
- lists of nearest labels are in place for the steps that they are of, whatever
  time the search takes; a search that dies leaves the old ones.
"""

import types

import numpy as np
import pytest

from tfxc.data import LabelLists
from tfxc.negatives import ClusterTreeSampler, LabelIndex, NearestNegatives
from tfxc.training import RefreshNearest, RefreshNegatives

LABELS, ROWS, DIM = 30, 40, 4


def unit(rng, rows):
    array = rng.normal(size=(rows, DIM))
    array /= np.linalg.norm(array, axis=1, keepdims=True)
    return array.astype(np.float32)


def model_at(step):
    return types.SimpleNamespace(
        optimizer=types.SimpleNamespace(iterations=step)
    )


def test_refreshes(rng, capsys):
    sampler = ClusterTreeSampler(unit(rng, LABELS), 9.0, 2, 4, 4)
    seen = []

    def refresh(number):
        seen.append(number)
        if number == 2:
            raise ValueError("label vectors must be finite. Received: NaN")

    callback = RefreshNegatives(sampler, refresh, 3, 4, 9.0)
    heats = []
    for epoch in range(2):
        for step in range(8):
            callback.set_model(model_at(8 * epoch + step))
            callback.on_train_batch_begin(step)
            heats.append(float(sampler.inverse_temperature))
    assert heats == [0.0] * 4 + [9.0] * 12
    assert seen == [0, 2, 0, 1, 2]
    told = capsys.readouterr().out
    assert told.count("the old ones stay: label vectors must be finite") == 2


@pytest.fixture
def problem(rng, tmp_path):
    vectors = unit(rng, LABELS)
    rows = np.arange(ROWS) + 3  # of which training has none below
    relevant = LabelLists.from_pairs(
        np.arange(ROWS), rng.integers(0, LABELS, ROWS), ROWS, LABELS
    )
    place = np.full(ROWS + 3, -1)
    place[rows] = np.arange(ROWS)
    mining = types.SimpleNamespace(
        batches=np.split(rng.permutation(rows), 10),
        place=place,
        folder=tmp_path,
        epoch=0,
        bank=unit(rng, ROWS).astype(np.float16),
        relevant=relevant,
    )
    sampler = NearestNegatives(ROWS + 3, LABELS, 5)
    return vectors, mining, sampler


def nearest(vectors, mining, row):
    place = mining.place[row]
    order = np.argsort(-(vectors @ mining.bank[place].astype(np.float32)))
    right = mining.relevant.take([place]).ids
    return [label for label in order if label not in right][:5]


def test_nearest_labels_of_the_queries_that_come(rng, problem):
    vectors, mining, sampler = problem
    versions = [unit(rng, LABELS) for _ in range(4)]
    given = iter(versions)
    callback = RefreshNearest(
        sampler, LabelIndex(vectors), lambda: next(given), mining, interval=3
    )
    for step, batch in enumerate(mining.batches):
        callback.on_train_batch_begin(step)
        # The first lists are fresh; later ones are from a refresh before.
        version = versions[max(step // 3 - 1, 0)]
        for row in batch:
            found = sampler.lists[int(row)].numpy().tolist()
            assert found == nearest(version, mining, row), step
    callback.on_train_end()
    assert not sampler.finish()


def test_an_epoch_that_begins_again(problem):
    """The vectors of its first start count, whatever it has changed since."""
    vectors, mining, sampler = problem
    lists = []
    for epoch in (4, 4, 5):
        mining.epoch = epoch
        callback = RefreshNearest(
            sampler, LabelIndex(vectors), lambda: vectors, mining, 3
        )
        callback.on_train_batch_begin(0)
        callback.on_train_batch_begin(3)
        lists.append(sampler.lists.numpy())
        callback.on_train_end()
        mining.bank[:] = np.roll(mining.bank, 1, axis=0)
    np.testing.assert_array_equal(lists[0], lists[1])
    assert (lists[0] != lists[2]).mean() > 0.3


def test_queries_that_were_not_seen_keep_their_lists(problem):
    vectors, mining, sampler = problem
    before = sampler.lists.numpy()
    unseen = mining.batches[1][:2]
    mining.bank[mining.place[unseen]] = 0
    callback = RefreshNearest(
        sampler, LabelIndex(vectors), lambda: vectors, mining, 3
    )
    callback.on_train_batch_begin(0)
    for row in mining.batches[1]:
        found = sampler.lists[int(row)].numpy().tolist()
        if row in unseen:
            assert found == before[row].tolist()
        else:
            assert found == nearest(vectors, mining, row)


def test_a_search_that_dies(problem, capsys, monkeypatch):
    vectors, mining, sampler = problem
    index = LabelIndex(vectors)
    callback = RefreshNearest(sampler, index, lambda: vectors, mining, 3)
    callback.on_train_batch_begin(0)
    before = sampler.lists.numpy()

    def broken(*_):
        raise OSError("no room")

    sampler.finish()
    kept = sampler.lists.numpy()
    monkeypatch.setattr(index, "top_k", broken)
    callback.on_train_batch_begin(3)
    callback.on_train_batch_begin(6)
    assert "the old ones stay: no room" in capsys.readouterr().out
    np.testing.assert_array_equal(sampler.lists, kept)
    assert before.shape == kept.shape
    monkeypatch.undo()
    callback.on_train_batch_begin(6)
    callback.on_train_batch_begin(9)
    for row in mining.batches[9]:
        found = sampler.lists[int(row)].numpy().tolist()
        assert found == nearest(vectors, mining, row)
