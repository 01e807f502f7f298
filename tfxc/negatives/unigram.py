"""Labels as often as they occur, or a power of that."""

import keras
import numpy as np
from keras import ops

from tfxc.negatives.fixed_law import FixedLaw


@keras.saving.register_keras_serializable(package="tfxc")
class Unigram(FixedLaw):
    """Draws labels by their frequency to a power, with replacement.

    ```
    Q(y) = w_y / sum of all w,   w_y = (n_y + smoothing) ^ power
    ```

    By the alias method: a draw is two random numbers and two gathers, however
    many labels there are.

    Args:
        counts: `[L]`, number of training queries of each label.
        power: Float; 0 is uniform, 1 is as labels occur, 0.75 is word2vec's.
        smoothing: Float; above zero, labels that never occur are drawn too.
        seed: See `Sampler`.

    Raises:
        ValueError: if a weight is negative or not finite, or all are zero.

    Example:

    >>> sampler = tfxc.negatives.Unigram([0, 8, 27], power=1 / 3, smoothing=0)
    >>> np.exp(sampler.log_prob(np.zeros((1, 4)), np.arange(3))).round(2)
    array([[0. , 0.4, 0.6]], dtype=float32)

    Reference:
        Walker, 1977; the tables are filled as in
        [Hübschle-Schneider and Sanders, 2022](https://arxiv.org/abs/1903.00227)
    """

    def __init__(self, counts, power=0.75, smoothing=1.0, seed=0, **kwargs):
        self.counts = np.asarray(counts, np.float64)
        with np.errstate(all="ignore"):
            weights = (self.counts + smoothing) ** power
        # Counts below zero, whatever the smoothing, are no frequencies.
        super().__init__(np.where(self.counts < 0, -1, weights), seed, **kwargs)
        self.settings = {"power": power, "smoothing": smoothing}
        kept, alias = alias_tables(weights)
        self.kept = self.variable("kept", kept.astype(np.float32))
        self.alias = self.variable("alias", alias.astype(np.int32))

    def sample(self, queries, num, seed=None, **batch):
        shape = (queries.shape[0], num)
        places = keras.random.randint(
            shape, 0, self.num_labels, "int32", self.draws(seed)
        )
        share = keras.random.uniform(shape, seed=self.draws(seed, 1))
        kept = share < ops.take(self.kept, places)
        ids = ops.where(kept, places, ops.take(self.alias, places))
        return ids, ops.take(self.log_p, ids)

    def get_config(self):
        counts = self.counts.tolist()
        return {**super().get_config(), **self.settings, "counts": counts}


def alias_tables(weights):
    """Walker's tables, without a loop over labels.

    A draw takes a place at random, keeps it with probability `kept`, and else
    takes its `alias`. Light labels (below average) give the rest of their place
    to heavy ones, in order; a heavy one that has given all its excess gives
    what its own place then lacks to the next.

    Args:
        weights: `[L]`, float64.

    Returns:
        `(kept [L] float64, alias [L] int64)`.
    """
    scaled = weights * (len(weights) / weights.sum())
    light, heavy = np.flatnonzero(scaled < 1), np.flatnonzero(scaled >= 1)
    kept, alias = np.minimum(scaled, 1), np.arange(len(weights))
    if not len(light) or not len(heavy):
        return np.ones(len(weights)), alias
    lacking = np.cumsum(1 - scaled[light])  # up to and with each
    excess = np.cumsum(scaled[heavy] - 1)
    before = lacking - (1 - scaled[light])
    giver = np.searchsorted(excess, before, side="right")
    alias[light] = heavy[np.minimum(giver, len(heavy) - 1)]
    # The light label with which a heavy one runs out, if it does.
    last = np.searchsorted(lacking, excess, side="right")
    out = last < len(light)
    out[-1] = False
    kept[heavy[out]] = (1 + excess - lacking[np.minimum(last, len(light) - 1)])[
        out
    ]
    alias[heavy[out]] = heavy[1:][out[:-1]]
    return np.clip(kept, 0, 1), alias
