"""Invariants of the callback that looks up the nearest wrong labels:

- lists are in place for the steps that they are of, whatever time the search
  takes, and an epoch that begins again finds what it found before;
- in the warm-up lists stay as they began; queries that were not seen are
  encoded;
- a search that dies and vectors that are not finite are told, and training goes
  on with the old lists and the old index; the next refresh builds it anew;
- each epoch tells what its refreshes did, and how stale its lists were.
"""

import threading
import types

import numpy as np
import pytest
from refresh_cases import Steps, unit

import tfxc
from tfxc.data import LabelLists
from tfxc.negatives import LabelIndex, NearestNegatives
from tfxc.training import RefreshNearest

LABELS, ROWS = 30, 40


class Epoch:
    """Ten batches of an epoch, a sampler, an index and what they become."""

    def __init__(self, rng, folder, rebalance=3.0):
        rows = np.arange(ROWS) + 3  # of which training has none below
        relevant = LabelLists.from_pairs(
            np.arange(ROWS), rng.integers(0, LABELS, ROWS), ROWS, LABELS
        )
        place = np.full(ROWS + 3, -1)
        place[rows] = np.arange(ROWS)
        self.mining = types.SimpleNamespace(
            batches=np.split(rng.permutation(rows), 10),
            place=place,
            folder=folder,
            epoch=0,
            bank=unit(rng, ROWS).astype(np.float16),
            relevant=relevant,
        )
        self.bank = self.mining.bank.copy()
        self.sampler = NearestNegatives(ROWS + 3, LABELS, 5)
        self.begun = self.sampler.lists.numpy()
        self.versions = [unit(rng, LABELS) for _ in range(5)]
        self.index = LabelIndex(self.versions[0], rebalance=rebalance)
        self.vectors = iter(self.versions[1:])

    def callback(self, warmup=0, rebuild=False):
        return RefreshNearest(
            *(self.sampler, self.index, lambda: next(self.vectors)),
            *(self.encoded, self.mining, 3, warmup, rebuild),
        )

    def encoded(self, rows):
        """Other vectors than those of the bank."""
        return -self.bank[self.mining.place[rows]]

    def lists(self, step):
        """Those of the queries of a step."""
        lists = self.sampler.lists.numpy()
        return lists[self.mining.batches[step]].tolist()

    def nearest(self, step, version):
        """What they should be, by the label vectors of a version."""
        return [
            nearest(self.versions[version], self.bank[place], right)
            for place in self.mining.place[self.mining.batches[step]]
            for right in [self.mining.relevant[place]]
        ]

    def as_begun(self, step):
        return self.begun[self.mining.batches[step]].tolist()


def nearest(label_vectors, query, right):
    order = np.argsort(-(label_vectors @ query.astype(np.float32)))
    return [label for label in order if label not in right][:5]


def told(callback):
    """The report, without the times."""
    report = dict(callback.report)
    waited = report.pop("refresh_seconds")
    assert waited > 0 or not report["refreshes"]
    return report


@pytest.fixture
def epoch(rng, tmp_path):
    return Epoch(rng, tmp_path, rebalance=1.5)


def test_nearest_labels_of_the_queries_that_come(epoch):
    callback = epoch.callback()
    steps = Steps(callback)
    steps.begin_epoch()
    for step in range(10):
        steps.begin(step, 100 + step)
        # The first lists are fresh; later ones are from a refresh before.
        version = 1 + max(step // 3 - 1, 0)
        assert epoch.lists(step) == epoch.nearest(step, version), step
    callback.on_train_end()
    assert not epoch.sampler.finish()
    assert told(callback) == {
        "refreshes": 4,
        "failed_refreshes": 0,
        "stale_steps": 5,  # steps 5 and 8, by vectors of steps 0 and 3
        "moved_labels": 3 * LABELS,
        "rebalanced": 1,
    }


def test_an_index_that_the_thread_builds(epoch, monkeypatch):
    callback = epoch.callback(rebuild=True)
    threads = []
    build = epoch.index.build

    def watched(vectors):
        threads.append(threading.current_thread() is threading.main_thread())
        build(vectors)

    monkeypatch.setattr(epoch.index, "build", watched)
    steps = Steps(callback)
    steps.begin_epoch()
    for step in range(10):
        steps.begin(step)
        version = 1 + max(step // 3 - 1, 0)
        assert epoch.lists(step) == epoch.nearest(step, version), step
    callback.on_train_end()
    # Of the refresh at step 9, no queries are left to look up.
    assert threads == [True, False, False]
    assert told(callback)["moved_labels"] == 0


def test_vectors_of_an_epoch_before_build_no_index(epoch):
    """Its last refresh has no queries left to look up."""
    steps = Steps(epoch.callback(rebuild=True))
    steps.begin_epoch()
    steps.begin(0)
    steps.begin(9)
    epoch.mining.epoch = 1
    steps.begin_epoch()
    steps.begin(0, 10)
    assert epoch.lists(2) == epoch.nearest(2, 3)


def test_an_epoch_that_begins_again(epoch):
    """The vectors of its first start count, whatever it has changed since."""
    lists = []
    for number in (4, 4, 5):
        epoch.mining.epoch = number
        epoch.vectors = iter(epoch.versions)
        callback = epoch.callback()
        steps = Steps(callback)
        steps.begin_epoch()
        epoch.mining.bank[:] = np.roll(epoch.mining.bank, 1, axis=0)
        steps.begin(0)
        steps.begin(3)
        lists.append(epoch.sampler.lists.numpy())
        callback.on_train_end()
    np.testing.assert_array_equal(lists[0], lists[1])
    assert (lists[0] != lists[2]).mean() > 0.3


def test_queries_that_were_not_seen_are_encoded(epoch):
    unseen = epoch.mining.place[epoch.mining.batches[1][:2]]
    epoch.mining.bank[unseen] = 0
    steps = Steps(epoch.callback())
    steps.begin_epoch()
    steps.begin(0)
    epoch.bank[unseen] *= -1
    assert epoch.lists(1) == epoch.nearest(1, 1)


def test_warm_up_that_ends_within_an_epoch(epoch):
    callback = epoch.callback(warmup=4)
    steps = Steps(callback)
    steps.begin_epoch()
    for step in range(10):
        steps.begin(step)
        epoch.mining.bank[:] = 9  # the epoch is of what was there before it
        if step < 4:
            assert callback.report["refreshes"] == 0
            np.testing.assert_array_equal(epoch.sampler.lists, epoch.begun)
        else:  # of steps 4, 4 again, and 6
            version = 1 if step < 9 else 2
            assert epoch.lists(step) == epoch.nearest(step, version), step
    assert callback.report["refreshes"] == 3
    assert callback.report["stale_steps"] == 4


def test_an_epoch_of_warm_up(epoch):
    callback = epoch.callback(warmup=10)
    steps = Steps(callback)
    steps.begin_epoch()
    for step in range(10):
        steps.begin(step)
    np.testing.assert_array_equal(epoch.sampler.lists, epoch.begun)
    assert set(told(callback).values()) == {0}
    epoch.mining.epoch = 1
    steps.begin_epoch()
    steps.begin(0, 10)
    assert epoch.lists(2) == epoch.nearest(2, 1)


def test_a_search_that_dies(epoch, capsys, monkeypatch):
    """In the thread, after step 3; step 6 builds an index and tries again."""
    callback = epoch.callback()
    steps = Steps(callback)
    steps.begin_epoch()
    steps.begin(0)
    assert epoch.sampler.found[1].result() is not None  # it is done by now
    built = []
    build = epoch.index.build
    monkeypatch.setattr(
        epoch.index, "build", lambda vectors: built.append(1) or build(vectors)
    )
    monkeypatch.setattr(epoch.index, "top_k", lambda *_: 1 / 0)
    steps.begin(3)
    assert isinstance(epoch.sampler.found[1].exception(), ZeroDivisionError)
    monkeypatch.delattr(epoch.index, "top_k")
    assert capsys.readouterr().out == "" and not built
    kept = epoch.sampler.lists.numpy()
    steps.begin(6)
    output = capsys.readouterr().out
    assert "negatives were not refreshed, the old ones stay: division" in output
    np.testing.assert_array_equal(epoch.sampler.lists, kept)
    assert built == [1]
    steps.begin(9)
    assert epoch.lists(9) == epoch.nearest(9, 3)
    assert built == [1], "an index that works is moved"
    assert capsys.readouterr().out == ""
    report = told(callback)
    assert (report["refreshes"], report["failed_refreshes"]) == (4, 1)
    assert report["moved_labels"] == 2 * LABELS


def test_an_index_that_dies_in_the_thread(epoch, capsys, monkeypatch):
    """Built from step 3 on; the next thread, of step 6, builds it."""
    callback = epoch.callback(rebuild=True)
    steps = Steps(callback)
    steps.begin_epoch()
    steps.begin(0)
    assert epoch.sampler.found[1].result() is not None  # it is done by now
    monkeypatch.setattr(epoch.index, "build", lambda _: 1 / 0)
    steps.begin(3)
    assert isinstance(epoch.sampler.found[1].exception(), ZeroDivisionError)
    monkeypatch.delattr(epoch.index, "build")
    kept = epoch.sampler.lists.numpy()
    assert capsys.readouterr().out == ""
    steps.begin(6)
    output = capsys.readouterr().out
    assert "negatives were not refreshed, the old ones stay: division" in output
    np.testing.assert_array_equal(epoch.sampler.lists, kept)
    steps.begin(9)
    assert epoch.lists(9) == epoch.nearest(9, 3)
    assert told(callback)["failed_refreshes"] == 1


def test_vectors_that_are_not_finite(epoch, capsys):
    """At step 3; the refresh is refused, and that of step 6 works."""
    spoilt = epoch.versions[2].copy()
    spoilt[7, 1] = np.nan
    good = epoch.versions
    epoch.vectors = iter([good[1], spoilt, good[3], good[4]])
    callback = epoch.callback()
    steps = Steps(callback)
    steps.begin_epoch()
    steps.begin(0)
    steps.begin(3)
    output = capsys.readouterr().out
    assert "the old ones stay: vectors of labels must be finite" in output
    assert output.strip().endswith("Received: NaN or infinity in row 7")
    np.testing.assert_array_equal(epoch.index.vectors, good[1])
    found = epoch.index.top_k(good[1][:3], 1)[:, 0]
    assert found.tolist() == [0, 1, 2]
    assert epoch.lists(5) == epoch.nearest(5, 1), "looked up before"
    steps.begin(6)
    assert epoch.lists(6) == epoch.as_begun(6)
    np.testing.assert_array_equal(epoch.index.vectors, good[3])
    steps.begin(9)
    assert epoch.lists(9) == epoch.nearest(9, 3)
    assert capsys.readouterr().out == ""
    report = told(callback)
    assert (report["refreshes"], report["failed_refreshes"]) == (3, 1)


def test_vectors_that_an_earlier_start_spoilt(epoch):
    folder = epoch.mining.folder / "queries"
    folder.mkdir()
    (folder / "manifest.json").write_text("{")
    with pytest.raises(tfxc.InputError, match=f"{folder}: expected what an ea"):
        Steps(epoch.callback()).begin_epoch()


@pytest.mark.parametrize(("warmup", "written"), [(9, True), (10, False)])
def test_an_epoch_of_warm_up_writes_no_vectors(epoch, warmup, written):
    steps = Steps(epoch.callback(warmup=warmup))  # an epoch has ten
    steps.begin_epoch()
    assert any(epoch.mining.folder.iterdir()) == written
