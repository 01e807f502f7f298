"""Refreshes of a sampler that tell what they do."""

import contextlib
import time

import keras


class Refreshes(keras.callbacks.Callback):
    """What `RefreshNegatives` and `RefreshNearest` share.

    Attributes:
        report: Of the epoch under way, for `history.csv`. "refreshes" and
            "failed_refreshes"; "refresh_seconds", in which training waited for
            them; "stale_steps", the most steps between the label vectors that
            a draw looked at and the draw; and what a subclass counts.
        failing: Whether the last try to refresh failed.
        vectors_of: Step whose label vectors draws look at; `None` while they
            look at none.
    """

    def __init__(self):
        super().__init__()
        self.report = {}
        self.failing = False
        self.vectors_of = None

    def on_epoch_begin(self, epoch, logs=None):
        self.report = {
            "refreshes": 0,
            "failed_refreshes": 0,
            "refresh_seconds": 0.0,
            "stale_steps": 0,
        }

    def steps_done(self):
        """Training steps before this one, of all epochs."""
        return int(self.model.optimizer.iterations)

    @contextlib.contextmanager
    def timed(self):
        """Training waits for what stands below."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.report["refresh_seconds"] += time.perf_counter() - start

    @contextlib.contextmanager
    def attempt(self, errors=Exception):
        """A refresh; an error in it is told, and the old state stays."""
        try:
            with self.timed():
                yield
        except errors as error:
            self.failing = True
            self.report["failed_refreshes"] += 1
            print(f"negatives were not refreshed, the old ones stay: {error}")

    def count(self, **figures):
        """Adds whole numbers to the report; of others the last one stays."""
        for name, figure in figures.items():
            if isinstance(figure, int):
                self.report[name] = self.report.get(name, 0) + figure
            elif figure == figure:  # NaN is none
                self.report[name] = float(figure)

    def note_age(self, done):
        """How stale the draws of a step are, with so many steps before it."""
        if self.vectors_of is not None:
            age = done - self.vectors_of
            self.report["stale_steps"] = max(self.report["stale_steps"], age)
