"""Samplers that follow the encoder while it trains."""

from tfxc.negatives.checks import NotFiniteError
from tfxc.training.refreshes import Refreshes


class RefreshNegatives(Refreshes):
    """Refreshes a sampler every few steps, after a warm-up.

    Each epoch begins with refresh number 0, which looks at no earlier one: so
    a run that was stopped goes on alike. So does what follows a failed one.

    Args:
        refresh: Function of the number of the refresh within its epoch, from
            0; updates the sampler, and returns a dictionary of numbers for the
            report, see `Refreshes.count`. That vectors are not finite is told,
            and the old state stays until the next refresh.
        interval: Steps between two refreshes.
        warmup: Steps before the first, of all epochs together, see `WarmUp`.

    Attributes:
        report: See `Refreshes`.
    """

    def __init__(self, refresh, interval, warmup=0):
        super().__init__()
        self.refresh = refresh
        self.interval = interval
        self.warmup = warmup

    def on_train_batch_begin(self, step, logs=None):
        done = self.steps_done()
        if done < self.warmup:
            return
        first = done == self.warmup
        if first or step % self.interval == 0:
            with self.attempt(NotFiniteError):
                anew = first or self.failing
                number = 0 if anew else step // self.interval
                self.count(refreshes=1, **self.refresh(number))
                self.vectors_of = done
                self.failing = False
        self.note_age(done)
