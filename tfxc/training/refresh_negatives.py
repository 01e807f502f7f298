"""Samplers that follow the encoder while it trains."""

import keras


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
        cold = int(self.model.optimizer.iterations) < self.warmup
        heat = getattr(self.sampler, "inverse_temperature", None)
        if heat is not None:
            heat.assign(0.0 if cold else self.inverse_temperature)
        if step % self.interval or cold:
            return
        try:
            self.refresh(step // self.interval)
        except ValueError as error:
            print(f"negatives were not refreshed, the old ones stay: {error}")
