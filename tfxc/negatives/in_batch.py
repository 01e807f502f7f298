"""The candidates of the batch itself, as negatives."""

import keras
import numpy as np
from keras import ops
from scipy import optimize

from tfxc.negatives.fixed_law import FixedLaw


@keras.saving.register_keras_serializable(package="tfxc")
class InBatch(FixedLaw):
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
        self.frequency = np.asarray(frequency, np.float64)
        super().__init__(self.frequency, seed, **kwargs)

    def sample(self, queries, num, seed=None, candidates=None, **batch):
        if candidates is None:
            raise ValueError(
                "`InBatch` must be given `candidates`, a label that each query "
                "of the batch has drawn. Received: None"
            )
        shape = (queries.shape[0], num)
        places = keras.random.randint(
            shape, 0, candidates.shape[0], "int32", self.draws(seed)
        )
        ids = ops.take(ops.cast(candidates, "int32"), places)
        return ids, ops.take(self.log_p, ids)

    def get_config(self):
        frequency = self.frequency.tolist()
        return {**super().get_config(), "frequency": frequency}


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


def candidate_probability(relevant, batch_size, num_candidates):
    """How likely each label is among the candidates of a random batch.

    With independent queries, each of which brings along labels with rates: one
    label that it draws, and as many of its other positives as there is room
    for. What room is left then is for labels at random, see
    `tfxc.data.in_batch_candidates`.

    Args:
        relevant: `tfxc.data.LabelLists` of the training queries.
        batch_size: Queries of a batch, drawn alike.
        num_candidates: Candidates of a batch, at least as many.

    Returns:
        `[L]`, float64; sums to `num_candidates`, or L if that is less.

    Example:

    >>> lists = tfxc.data.LabelLists.from_pairs([0, 0, 1], [0, 1, 1], 2, 3)
    >>> tfxc.negatives.candidate_probability(lists, 1, 2).round(2)
    array([0.69, 0.81, 0.49])
    """
    rows = max(np.count_nonzero(relevant.row_counts()), 1)
    drawn = batch_size * drawn_frequency(relevant)
    every = batch_size * relevant.counts() / rows

    def probability(share):
        """Where batches have room for a share of the other positives."""
        return -np.expm1(-(drawn + share * (every - drawn)))

    def missing(share):
        return num_candidates - probability(share).sum()

    if missing(1.0) < 0:
        share = optimize.brentq(missing, 0.0, 1.0) if missing(0.0) > 0 else 0.0
        return probability(share)
    found = probability(1.0)
    left = len(found) - found.sum()
    return found + (1 - found) * min(missing(1.0) / max(left, 1e-9), 1.0)
