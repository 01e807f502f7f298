"""Invariants of negative mining, without a model:

- after a step the bank holds the vectors of its rows, on disk too, and of no
  other rows; a bank of another shape is refused and left as it is;
- the epoch that rebuilds the clusters is the first to use them, and they are
  on disk before its first step;
- a run that was stopped within an epoch finds the batches of that epoch, and
  its figures, whatever its steps have done to the bank;
- between refreshes the clusters stay; random epochs need none;
- the figures are those of `mining_guarantee`, on the rows in training.
"""

import types

import numpy as np
import pytest

from tfxc.batching import (
    ClusteredBatches,
    Clusters,
    Curriculum,
    ShuffledBatches,
    mining_guarantee,
)
from tfxc.data import LabelLists, read_arrays
from tfxc.errors import InputError
from tfxc.training import NegativeMining

ROWS = np.array([0, 2, 3, 5, 7, 8, 11, 12, 13, 17, 18, 19, 20])
BATCH, DIM, LABELS = 4, 16, 6
CURRICULUM = Curriculum(
    start_epoch=1,
    initial_size=2,
    maximum_size=4,
    growth_epochs=(5,),
    refresh_interval=3,
)


def random_relevant():
    ids = np.random.default_rng(1).integers(0, LABELS, 22)
    return LabelLists.from_pairs(np.arange(22), ids, 22, LABELS)


class Mining:
    """A `NegativeMining` with a model of nothing but vectors."""

    def __init__(self, folder, seed=0, rows=ROWS, dim=DIM):
        self.asked = 0
        self.labels = np.random.default_rng(2).normal(size=(LABELS, dim))
        self.labels /= np.linalg.norm(self.labels, axis=1, keepdims=True)
        self.relevant = random_relevant()
        self.mining = NegativeMining(
            folder,
            rows,
            dim,
            BATCH,
            CURRICULUM,
            seed,
            self.relevant,
            self.label_vectors,
        )
        self.model = types.SimpleNamespace(query_vectors=None)
        self.mining.set_model(self.model)

    def label_vectors(self):
        self.asked += 1
        return self.labels

    def train(self, epoch, vectors, steps=None):
        """Steps of an epoch in which row r has the vector `vectors[r]`."""
        self.mining.begin_epoch(epoch)
        batches = self.mining.batches
        for step, rows in enumerate(batches[:steps]):
            padded = np.full((BATCH, DIM), 77.0, np.float32)
            padded[: len(rows)] = vectors[rows]
            self.model.query_vectors = padded
            self.mining.on_train_batch_end(step, {"loss": 1.0})
        return listed(batches)


def listed(batches):
    return [batch.tolist() for batch in batches]


def random_vectors(seed=0):
    vectors = np.random.default_rng(seed).normal(size=(22, DIM))
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def pairs_of(batches):
    """Rows that stand together, two by two."""
    return {
        frozenset(batch[i : i + 2])
        for batch in batches
        for i in range(0, len(batch), 2)
    }


def test_the_bank_holds_the_vectors_of_each_step(tmp_path):
    mining, vectors = Mining(tmp_path), random_vectors()
    mining.train(0, vectors, steps=2)
    seen = np.concatenate(mining.mining.batches[:2])
    bank = np.load(tmp_path / "bank.npy")
    assert bank.shape == (13, DIM) and bank.dtype == np.float16
    known = np.isin(ROWS, seen)
    assert known.sum() == 8
    np.testing.assert_array_equal(
        bank[known], vectors[ROWS[known]].astype(np.float16)
    )
    assert not bank[~known].any()
    mining.train(0, vectors)  # the last batch is short: 13 = 3 * 4 + 1
    np.testing.assert_array_equal(
        np.load(tmp_path / "bank.npy"), vectors[ROWS].astype(np.float16)
    )


def test_the_bank_is_kept(tmp_path):
    Mining(tmp_path).train(0, random_vectors())
    bank = np.array(Mining(tmp_path).mining.bank)
    np.testing.assert_array_equal(
        bank, random_vectors()[ROWS].astype(np.float16)
    )


@pytest.mark.parametrize("change", [{"rows": ROWS[:-1]}, {"dim": 8}])
def test_a_bank_of_other_rows_or_another_encoder(tmp_path, change):
    """It is another run's, which can still go on."""
    Mining(tmp_path).train(0, random_vectors())
    before = (tmp_path / "bank.npy").read_bytes()
    with pytest.raises(InputError, match=r"bank\.npy: .*Received: \(13, 16\)"):
        Mining(tmp_path, **change)
    assert (tmp_path / "bank.npy").read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["bank.npy"]


def test_random_epochs_need_no_clusters(tmp_path):
    mining = Mining(tmp_path, seed=5)
    mining.mining.begin_epoch(0)
    epoch, batches = mining.mining.current()
    assert epoch == 0
    expected = ShuffledBatches(ROWS, BATCH, 5).plan(0)
    assert listed(batches) == listed(expected)
    assert not (tmp_path / "clusters").exists() and mining.asked == 0
    assert mining.mining.report["cluster_size"] == 1
    assert set(mining.mining.report) == {"cluster_size", "plan_seconds"}


def test_new_clusters_are_used_at_once_and_on_disk_first(tmp_path):
    """Rows are planted in pairs, others for the second refresh."""
    rows = np.arange(3, 19)  # a power of two: no split has to part a pair
    mining = Mining(tmp_path, rows=rows)
    for refresh, shift in ((1, 0), (4, 1)):
        order = np.roll(rows, shift)
        planted = {frozenset(pair) for pair in order.reshape(8, 2).tolist()}
        vectors = random_vectors()
        vectors[order[1::2]] = vectors[order[::2]] + 1e-3
        before = mining.train(refresh - 1, vectors)
        assert len(planted & pairs_of(before)) <= 4
        mining.mining.begin_epoch(refresh)
        batches = listed(mining.mining.batches)
        assert planted == pairs_of(batches)
        arrays, meta = read_arrays(tmp_path / "clusters")
        assert meta["epoch"] == refresh
        clusters = Clusters(arrays["order"], arrays["splits"])
        plan = ClusteredBatches(rows, BATCH, 0, clusters)
        assert listed(plan.plan(refresh)) == batches


def test_clusters_stay_until_the_next_refresh(tmp_path):
    mining = Mining(tmp_path)
    mining.train(0, random_vectors(0))
    written = []
    for epoch in range(1, 7):
        mining.train(epoch, random_vectors(epoch))
        arrays, meta = read_arrays(tmp_path / "clusters")
        written.append(meta["epoch"])
        sizes = np.diff(arrays["splits"])
        assert sizes.max() <= mining.mining.report["cluster_size"]
    assert written == [1, 1, 1, 4, 5, 5]
    assert mining.asked == 3
    assert CURRICULUM.size_at(4) == 2 and CURRICULUM.size_at(5) == 4


@pytest.mark.parametrize("epoch", [0, 1, 2, 4, 5])
@pytest.mark.parametrize("steps", [0, 2, None])
def test_an_epoch_that_was_stopped_is_found_again(tmp_path, epoch, steps):
    mining = Mining(tmp_path)
    for earlier in range(epoch):
        mining.train(earlier, random_vectors(earlier))
    batches = mining.train(epoch, random_vectors(epoch), steps)
    report = mining.mining.report
    again = Mining(tmp_path)
    again.mining.begin_epoch(epoch)
    assert listed(again.mining.batches) == batches
    for figure in report.keys() - {"plan_seconds"}:
        assert again.mining.report[figure] == report[figure]
    assert again.asked == 0, "the figures would be those of other vectors"


def test_figures_are_those_of_the_guarantee(tmp_path):
    mining, vectors = Mining(tmp_path, seed=3), random_vectors()
    mining.train(0, vectors)
    mining.mining.begin_epoch(1)
    report = mining.mining.report
    expected = mining_guarantee(
        vectors[ROWS].astype(np.float16),
        mining.labels,
        mining.relevant.take(ROWS),
        [np.searchsorted(ROWS, rows) for rows in mining.mining.batches],
        seed=3,
    )
    for name in ("radius", "e1", "e2", "hard"):
        assert report[name] == expected[name]
    assert report["missed_share"] == expected["missed"] / expected["hard"]
    assert 0 < report["missed_share"] <= 1
    assert report["cluster_size"] == 2 and report["plan_seconds"] > 0


def test_the_radius_of_the_figures_stays(tmp_path):
    """Else e1 would be one half at every refresh, whatever was learnt."""
    mining = Mining(tmp_path)
    reports = {}
    for epoch in range(6):
        mining.train(epoch, random_vectors(epoch))
        reports[epoch] = mining.mining.report
    assert len({reports[epoch]["radius"] for epoch in (1, 4, 5)}) == 1
    assert len({reports[epoch]["e1"] for epoch in (1, 4, 5)}) > 1


@pytest.mark.parametrize("name", ["bank.npy", "clusters/manifest.json"])
def test_damaged_files_are_named(tmp_path, name):
    mining = Mining(tmp_path)
    for epoch in range(2):
        mining.train(epoch, random_vectors(epoch))
    (tmp_path / name).write_bytes(b"")
    with pytest.raises(InputError, match=name.split("/")[0]):
        Mining(tmp_path).mining.begin_epoch(1)


def test_the_seed_matters(tmp_path):
    batches = []
    for folder, seed in (("a", 0), ("b", 0), ("c", 1)):
        mining = Mining(tmp_path / folder, seed=seed)
        mining.train(0, random_vectors())
        batches.append(mining.train(1, random_vectors()))
    assert batches[0] == batches[1] != batches[2]


def test_every_row_once_in_each_epoch(tmp_path):
    mining = Mining(tmp_path)
    for epoch in range(7):
        batches = mining.train(epoch, random_vectors(epoch))
        assert sorted(np.concatenate(batches)) == ROWS.tolist()
        assert max(map(len, batches)) <= BATCH
