"""What samplers share whose law is the same for all queries."""

import numpy as np
from keras import ops

from tfxc.negatives.sampler import Sampler


class FixedLaw(Sampler):
    """Draws label y with probability `w_y / sum of all w`, whatever the query.

    A subclass writes `sample`, by `log_p`, and its own `get_config`.

    Args:
        weights: `[L]`, float; not negative, some of them above zero.
        seed: See `Sampler`.

    Attributes:
        log_p: `[L]`, float32; log of the probability of each label.

    Raises:
        ValueError: if a weight is negative or not finite, or all are zero.
    """

    def __init__(self, weights, seed=0, **kwargs):
        weights = np.asarray(weights, np.float64)
        super().__init__(len(weights), seed, **kwargs)
        sound = np.isfinite(weights).all() and (weights >= 0).all()
        if not sound or not weights.sum() > 0:
            raise ValueError(
                "the weights of the labels must be finite and not negative, "
                f"and some of them above zero. Received: {weights}"
            )
        with np.errstate(divide="ignore"):
            log_p = np.log(weights / weights.sum())
        self.log_p = self.variable("log_p", log_p.astype(np.float32))

    def log_prob(self, queries, ids, **batch):
        found = ops.take(self.log_p, ids)
        return ops.broadcast_to(found, (queries.shape[0], ids.shape[-1]))

    def get_config(self):
        config = super().get_config()
        del config["num_labels"]
        return config
