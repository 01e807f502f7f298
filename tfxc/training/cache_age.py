"""How stale a cache of negatives is."""

import keras
import numpy as np


class CacheAge(keras.callbacks.Callback):
    """Tells, for `history.csv`, how stale a cache is when an epoch ends.

    Args:
        cache: `tfxc.negatives.NegativeCache`.

    Attributes:
        report: "stale_steps", since its oldest vector was encoded.
    """

    def __init__(self, cache):
        super().__init__()
        self.cache = cache
        self.report = {}

    def on_epoch_end(self, epoch, logs=None):
        self.report = {"stale_steps": int(np.max(self.cache.ages)) + 1}
