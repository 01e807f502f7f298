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

    Labels come as if each query brought them along at independent rates: the
    one positive that it draws, and as many of its others as there is room for.
    What room is left then is for labels at random, see
    `tfxc.data.in_batch_candidates`. Of frequent labels that is right within a
    fifth in the tests. No label is less likely than a label with a query.

    Args:
        relevant: `tfxc.data.LabelLists` of the training queries.
        batch_size: Queries of a batch, all as likely.
        num_candidates: Candidates of a batch, at least `batch_size`.

    Returns:
        `[L]`, float64, in (0, 1]; sums to `num_candidates`, or L if that is
        less, but for labels without queries.

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

    found = probability(1.0)
    if missing(1.0) >= 0:
        left = max(len(found) - found.sum(), 1e-9)
        found += (1 - found) * min(missing(1.0) / left, 1.0)
    elif missing(0.0) > 0:
        found = probability(optimize.brentq(missing, 0.0, 1.0))
    else:
        found = probability(0.0)
    return np.maximum(found, found[found > 0].min(initial=1.0))
