"""Lists of the nearest wrong labels, found while training goes on."""

import numpy as np

from tfxc.data.arrays import read_arrays, write_arrays
from tfxc.training.mining import damaged
from tfxc.training.refreshes import Refreshes


class RefreshNearest(Refreshes):
    """Finds the nearest wrong labels of the queries that come next.

    Every few steps the index takes over where the labels are, and a thread
    looks up the queries of the steps after the next refresh, by the vectors
    that they had when they were last seen, or have now if they never were,
    while training goes on. What it has found is put in place at the next
    refresh, no earlier: so which step sees what does not depend on the time
    that a search takes. At the end of the warm-up, and at the beginning of an
    epoch, the index is built anew, and the steps until the next refresh are
    looked up at once: so a run that was stopped goes on alike.

    If a search or a refresh dies, training goes on with the lists that it has,
    and the next refresh builds the index anew.

    Args:
        sampler: `tfxc.negatives.NearestNegatives`.
        index: `tfxc.negatives.LabelIndex`.
        label_vectors: Function without arguments: `[L, d]`.
        query_vectors: Function of rows `[n]`: `[n, d]`; encodes queries that
            were never seen, those of the first epoch.
        mining: `NegativeMining`; the batches and the vectors of its queries.
        interval: Steps between two refreshes.
        warmup: Steps before the first, of all epochs together; in these the
            lists stay as they are.
        rebuild: Whether the thread builds the index anew before each search;
            else labels that have moved are put in place.

    Attributes:
        report: See `Refreshes`; "moved_labels" of the index, and how often it
            was "rebalanced". Labels are at most 2 * interval - 1 "stale_steps"
            behind unless a refresh fails, and queries at most two epochs.
    """

    def __init__(
        self,
        sampler,
        index,
        label_vectors,
        query_vectors,
        mining,
        interval,
        warmup=0,
        rebuild=False,
    ):
        super().__init__()
        self.sampler = sampler
        self.index = index
        self.label_vectors = label_vectors
        self.query_vectors = query_vectors
        self.mining = mining
        self.interval = interval
        self.warmup = warmup
        self.rebuild = rebuild
        self.bank = None  # query vectors, from the end of the warm-up on
        self.asked_of = None  # step whose label vectors the thread looks at
        self.new_vectors = None  # of which it builds the index

    def on_epoch_begin(self, epoch, logs=None):
        super().on_epoch_begin(epoch)
        self.count(moved_labels=0, rebalanced=0)
        if self.steps_done() + len(self.mining.batches) > self.warmup:
            with self.timed():
                self.bank = self._bank()

    def on_train_batch_begin(self, step, logs=None):
        done = self.steps_done()
        if done < self.warmup:
            return
        first = step == 0 or done == self.warmup
        if first or step % self.interval == 0:
            with self.attempt():
                self._take_over()  # or say what has stopped the thread
            with self.attempt():
                self._refresh(step, first)
                self.count(refreshes=1)
        self.note_age(done)

    def on_train_end(self, logs=None):
        self.sampler.found = None  # of steps that do not come

    def _refresh(self, step, first):
        """Brings the index up to date, and looks up what comes."""
        vectors = self.label_vectors()
        self.new_vectors = None  # of a refresh that had nothing to look up
        if self.rebuild and not first:
            self.new_vectors = vectors  # for the thread
        elif first or self.failing:
            self.index.build(vectors)
        else:
            self.index.move(vectors)
            report = self.index.report
            self.count(
                moved_labels=report["moved"], rebalanced=report["rebalanced"]
            )
        self.failing = False
        following = step - step % self.interval + self.interval
        if first:  # as a run would that begins here
            self._look_up(step, following)
            self._take_over()
        self._look_up(following, following + self.interval)

    def _take_over(self):
        """Puts in place what the thread has found, if there is one."""
        if self.sampler.finish():
            self.vectors_of = self.asked_of

    def _bank(self):
        """Query vectors as of the beginning of the epoch.

        Those of `mining` change while it goes on, and a run that was stopped
        must find what it found before.
        """
        file = self.mining.folder / "queries"
        if file.exists():
            try:
                arrays, meta = read_arrays(file)
            except (OSError, ValueError, KeyError) as error:
                raise damaged(file, error) from error
            if meta["epoch"] == self.mining.epoch:
                return arrays["bank"]
        bank = {"bank": self.mining.bank}
        write_arrays(file, bank, {"epoch": self.mining.epoch})
        return read_arrays(file)[0]["bank"]

    def _look_up(self, start, end):
        """Starts the search for the queries of some steps."""
        batches = self.mining.batches[start:end]
        if not batches:
            return
        rows = np.concatenate(batches)
        places = self.mining.place[rows]
        vectors = np.asarray(self.bank[places], np.float32)
        unseen = ~vectors.any(axis=1)
        if unseen.any():
            vectors[unseen] = self.query_vectors(rows[unseen])
        self.asked_of = self.steps_done()
        self.sampler.start(
            self.index,
            vectors,
            self.mining.relevant.take(places),
            rows,
            self.new_vectors,
        )
        self.new_vectors = None
