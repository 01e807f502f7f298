"""Samplers that follow the encoder while it trains."""

import keras
import numpy as np

from tfxc.data.arrays import read_arrays, write_arrays


class RefreshNegatives(keras.callbacks.Callback):
    """Refreshes a sampler every few steps, after a warm-up.

    Hard negatives of an encoder that knows nothing yet are often labels that
    should be right, so the first steps draw all labels alike: they sample at
    inverse temperature 0. Each epoch begins with refresh number 0, which looks
    at no earlier one: so a run that was stopped goes on alike.

    Args:
        sampler: `tfxc.negatives.Sampler`.
        refresh: Function of the number of the refresh within its epoch, from
            0; updates the sampler. A `ValueError`, of vectors that are not
            finite, is told, and the old state stays.
        interval: Steps between two refreshes.
        warmup: Steps before the first, of all epochs together.
        inverse_temperature: What the sampler's is after the warm-up.
    """

    def __init__(
        self, sampler, refresh, interval, warmup=0, inverse_temperature=20.0
    ):
        super().__init__()
        self.sampler = sampler
        self.refresh = refresh
        self.interval = interval
        self.warmup = warmup
        self.inverse_temperature = inverse_temperature

    def on_train_batch_begin(self, step, logs=None):
        done = int(self.model.optimizer.iterations)
        cold = done < self.warmup
        heat = getattr(self.sampler, "inverse_temperature", None)
        if heat is not None:
            heat.assign(0.0 if cold else self.inverse_temperature)
        first = done == self.warmup
        if cold or (step % self.interval and not first):
            return
        try:
            self.refresh(0 if first else step // self.interval)
        except ValueError as error:
            print(f"negatives were not refreshed, the old ones stay: {error}")


class RefreshNearest(keras.callbacks.Callback):
    """Finds the nearest wrong labels of the queries that come next.

    Every few steps the index takes over where the labels are, and a thread
    looks up the queries of the steps after the next refresh, by the vectors
    that they had when they were last seen, while training goes on. What it has
    found is put in place at the next refresh, no earlier: so which step sees
    what does not depend on the time that a search takes.

    Args:
        sampler: `tfxc.negatives.NearestNegatives`.
        index: `tfxc.negatives.LabelIndex`.
        label_vectors: Function without arguments: `[L, d]`.
        mining: `NegativeMining`; the batches and the vectors of its queries.
        interval: Steps between two refreshes.
    """

    def __init__(self, sampler, index, label_vectors, mining, interval):
        super().__init__()
        self.sampler = sampler
        self.index = index
        self.label_vectors = label_vectors
        self.mining = mining
        self.interval = interval

    def on_train_batch_begin(self, step, logs=None):
        if step % self.interval:
            return
        try:
            self.sampler.finish()
            if step:
                self.index.move(self.label_vectors())
            else:  # as a run would that begins here
                self.bank = self._bank()
                self.index.build(self.label_vectors())
                self._look_up(0)
                self.sampler.finish()
            self._look_up(step + self.interval)
        except Exception as error:  # of the thread, too: training goes on
            print(f"negatives were not refreshed, the old ones stay: {error}")

    def on_train_end(self, logs=None):
        self.sampler.found = None  # of steps that do not come

    def _bank(self):
        """Query vectors as of the beginning of the epoch.

        Those of `mining` change while it goes on, and a run that was stopped
        must find what it found before.
        """
        file = self.mining.folder / "queries"
        if file.exists():
            arrays, meta = read_arrays(file)
            if meta["epoch"] == self.mining.epoch:
                return arrays["bank"]
        bank = {"bank": self.mining.bank}
        write_arrays(file, bank, {"epoch": self.mining.epoch})
        return read_arrays(file)[0]["bank"]

    def _look_up(self, first):
        """Starts the search for the queries of some steps."""
        batches = self.mining.batches[first : first + self.interval]
        if not batches:
            return
        rows = np.concatenate(batches)
        seen = self.bank[self.mining.place[rows]].any(axis=1)
        rows = rows[seen]  # others keep the labels they began with
        if not len(rows):
            return
        places = self.mining.place[rows]
        self.sampler.start(
            self.index,
            np.asarray(self.bank[places], np.float32),
            self.mining.relevant.take(places),
            rows,
        )
