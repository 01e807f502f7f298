"""The candidates of the batch itself, as negatives."""

import keras
import numpy as np
from keras import ops

from tfxc.negatives.sampler import Sampler


@keras.saving.register_keras_serializable(package="tfxc")
class InBatch(Sampler):
    """Draws among the labels that other queries of the batch brought along.

    They cost no encoding, but frequent labels are in most batches: without
    log Q a model learns to rank them too low. A batch of random queries, each
    with one of its labels, has label y in a place with probability

    ```
    Q(y) = mean over training queries x of [y is right for x] / (labels of x)
    ```

    Args:
        frequency: `[L]`, float; Q, up to a factor, see `drawn_frequency`.
        seed: See `Sampler`.

    Relations:
        `sample` needs `candidates`, `[c]` int: a label for each query, with
        repeats; `[c]` distinct ones have another law, for which no closed form
        is known.

    Reference:
        [Yi et al., 2019](https://doi.org/10.1145/3298689.3346996)
    """

    def __init__(self, frequency, seed=0, **kwargs):
        frequency = np.asarray(frequency, np.float64)
        super().__init__(len(frequency), seed, **kwargs)
        if not (frequency >= 0).all() or not frequency.sum() > 0:
            raise ValueError(
                "`frequency` must not be negative, and somewhere above zero. "
                f"Received: {frequency}"
            )
        self.frequency = frequency
        with np.errstate(divide="ignore"):
            log_p = np.log(frequency / frequency.sum())
        self.log_p = self.variable("log_p", log_p.astype(np.float32))

    def sample(self, queries, num, seed=None, candidates=None, **batch):
        shape = (queries.shape[0], num)
        places = keras.random.randint(
            shape, 0, candidates.shape[0], "int32", self.draws(seed)
        )
        ids = ops.take(ops.cast(candidates, "int32"), places)
        return ids, ops.take(self.log_p, ids)

    def log_prob(self, queries, ids, **batch):
        found = ops.take(self.log_p, ids)
        return ops.broadcast_to(found, (queries.shape[0], ids.shape[-1]))

    def get_config(self):
        config = super().get_config()
        del config["num_labels"]
        return {**config, "frequency": self.frequency.tolist()}


def drawn_frequency(relevant):
    """How often each label is drawn where each query draws one of its own.

    Args:
        relevant: `tfxc.data.LabelLists` of the training queries.

    Returns:
        `[L]`, float64; sums to 1.

    Example:

    >>> lists = tfxc.data.LabelLists.from_pairs([0, 0, 1], [0, 1, 1], 2, 3)
    >>> tfxc.negatives.drawn_frequency(lists)
    array([0.25, 0.75, 0.  ])
    """
    counts = relevant.row_counts()
    share = np.repeat(1 / np.maximum(counts, 1), counts)
    total = np.bincount(relevant.ids, share, relevant.num_columns)
    return total / max(np.count_nonzero(counts), 1)
