"""Cluster-aware batches that follow the encoder while it trains."""

import pathlib
import time

import keras
import numpy as np

from tfxc.batching import (
    ClusteredBatches,
    Clusters,
    ShuffledBatches,
    balanced_clusters,
    mining_guarantee,
)
from tfxc.data.arrays import read_arrays, write_arrays
from tfxc.errors import InputError


class NegativeMining(keras.callbacks.Callback):
    """Negative-mining-aware mini-batches: Algorithm 1 of NGAME.

    After each step the vectors of its queries go into an embedding bank on
    disk, so that the bank costs no extra pass; it is stale by at most one
    epoch. When the curriculum says so, the bank is clustered at the start of
    an epoch, and that very epoch is made of the new clusters.

    The bank is a float16 file of `[rows, d]`, written in place. The clusters
    are written before the first step of the epoch that rebuilt them. A run
    that was stopped anywhere finds either its clusters, or a bank that no step
    of the interrupted epoch has touched.

    Args:
        folder: Folder for the bank and the clusters.
        rows: `[n]`, int; the ids of the rows to train on.
        dim: Dimension of the vectors.
        batch_size: Rows of a batch at most.
        curriculum: `tfxc.batching.Curriculum`.
        seed: Seed of clusters and order.
        relevant: `LabelLists` of all rows; to measure what the clusters miss.
        label_vectors: Function that returns `[labels, d]` label vectors.
        lengths: `[n]`, int; of `rows`; rows of similar length make a batch.
            `None` where all are the same.
        start: `[rows, d]`, float; what a new bank holds; zeros if left out.
        fixed: Whether the vectors do not change in training.

    Reference:
        [Dahiya et al., 2023](https://arxiv.org/abs/2207.04452), Algorithm 1.
    """

    def __init__(
        self,
        folder,
        rows,
        dim,
        batch_size,
        curriculum,
        seed,
        relevant,
        label_vectors,
        lengths=None,
        start=None,
        fixed=False,
    ):
        super().__init__()
        self.fixed = fixed
        self.lengths = lengths
        self.folder = pathlib.Path(folder)
        self.curriculum = curriculum
        self.seed = seed
        self.relevant = relevant.take(rows)
        self.label_vectors = label_vectors
        self.rows = rows
        self.batch_size = batch_size
        self.place = np.full(rows.max(initial=-1) + 1, -1)  # in the bank
        self.place[rows] = np.arange(len(rows))
        self.bank = open_bank(self.folder / "bank.npy", len(rows), dim, start)
        self.epoch, self.batches, self.report = 0, [], {}

    def current(self):
        """`(epoch, batches)` of the epoch under way, for the data pipeline."""
        return self.epoch, self.batches

    def begin_epoch(self, epoch):
        """Decides the batches of an epoch; call it before its `fit`."""
        start = time.perf_counter()
        self.epoch = epoch
        size = self.curriculum.size_at(epoch)
        self.report = {"cluster_size": size}
        if size == 1:
            plan = ShuffledBatches(
                self.rows, self.batch_size, self.seed, self.lengths
            )
            self.batches = plan.plan(epoch)
        else:
            clusters, guarantee = self._clusters(epoch)
            self.batches = self._plan(clusters).plan(epoch)
            self.report.update(guarantee)
        self.report["plan_seconds"] = time.perf_counter() - start

    def _plan(self, clusters):
        return ClusteredBatches(
            self.rows, self.batch_size, self.seed, clusters, self.lengths
        )

    def on_train_batch_end(self, step, logs=None):
        if self.fixed:
            return
        rows = self.batches[step]
        vectors = np.asarray(self.model.query_vectors)[: len(rows)]
        self.bank[self.place[rows]] = vectors

    def _clusters(self, epoch):
        """Those written, or new ones if due, and what their batches miss."""
        file = self.folder / "clusters"
        radius = None
        if file.exists():
            try:
                arrays, meta = read_arrays(file)
            except (OSError, ValueError, KeyError) as error:
                raise damaged(file, error) from error
            due = self.curriculum.refresh_at(epoch)
            if meta["epoch"] == epoch or not due:
                clusters = Clusters(arrays["order"], arrays["splits"])
                return clusters, meta["guarantee"]
            radius = meta["guarantee"]["radius"]
        size = self.curriculum.size_at(epoch)
        clusters = balanced_clusters(self.bank, size, (self.seed, epoch))
        guarantee = self._guarantee(clusters, epoch, radius)
        write_arrays(
            file,
            {"order": clusters.order, "splits": clusters.splits},
            {"epoch": epoch, "guarantee": guarantee},
        )
        return clusters, guarantee

    def _guarantee(self, clusters, epoch, radius):
        """What Theorem 1 speaks of, and the share of hard negatives missed.

        The radius stays what it was at first, the median distance of relevant
        pairs, so that epochs can be compared.
        """
        batches = self._plan(clusters).plan(epoch)
        figures = mining_guarantee(
            self.bank,
            self.label_vectors(),
            self.relevant,
            [self.place[rows] for rows in batches],
            radius,
            seed=self.seed,
        )
        shown = {name: figures[name] for name in ("radius", "e1", "e2", "hard")}
        missed = figures["missed"] / max(figures["hard"], 1e-12)
        return {**shown, "missed_share": missed}


def open_bank(path, rows, dim, start=None):
    """A writable memory map of `[rows, dim]` float16; `start` when new."""
    if path.exists():
        try:
            bank = np.load(path, mmap_mode="r+", allow_pickle=False)
        except (EOFError, ValueError) as error:
            raise damaged(path, error) from error
        if bank.shape != (rows, dim):
            raise damaged(path, f"{bank.shape} and not {(rows, dim)} vectors")
        return bank
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_suffix(".new")
    bank = np.lib.format.open_memmap(new, "w+", np.float16, (rows, dim))
    if start is not None:
        bank[:] = start
        bank.flush()
    new.rename(path)
    return bank


def damaged(path, error):
    """The `InputError` of a file that this program once wrote."""
    return InputError(
        f"{path}: expected what an earlier start of the run wrote there; the "
        f"run has to start anew, in another --output. Received: {error}"
    )
