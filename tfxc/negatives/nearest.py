"""The nearest wrong labels of each training query, as they were a while ago."""

import concurrent.futures
import math

import keras
import numpy as np
from keras import ops

from tfxc.negatives.checks import check_number
from tfxc.negatives.sampler import Sampler, set_rows

QUERIES = 4096  # that are searched for at once


@keras.saving.register_keras_serializable(package="tfxc")
class NearestNegatives(Sampler):
    """Draws from a list of the nearest wrong labels of each training query.

    The lists come from an index over label vectors, and from the vectors that
    queries had when they were last seen. They are found between steps, or in a
    thread beside them, see `start` and `finish`; a step gathers. Draws are
    alike within a list, and nothing outside is ever drawn: they are hard, but
    no estimate of a softmax over all labels, unless `MixedNegatives` adds
    others.

    Args:
        num_rows: Number of training queries.
        num_labels: See `Sampler`.
        size: Labels in each list.
        seed: See `Sampler`.

    Relations:
        `sample` and `log_prob` need `rows`, `[b]` int: which training queries
        the `queries` are.

    Reference:
        [Xiong et al., 2021](https://arxiv.org/abs/2007.00808) (ANCE)
    """

    def __init__(self, num_rows, num_labels, size=32, seed=0, **kwargs):
        super().__init__(num_labels, seed, **kwargs)
        check_number("size", size, 1, num_labels)
        self.num_rows = num_rows
        self.size = size
        rng = np.random.default_rng(seed)
        start = rng.integers(0, num_labels, (num_rows, size), np.int32)
        self.lists = self.variable("lists", start)
        self.pool = concurrent.futures.ThreadPoolExecutor(1)
        self.found = None

    def refresh(self, label_vectors):
        """Not from vectors of labels alone: see `start` and `finish`."""
        raise NotImplementedError(
            "`NearestNegatives` needs the vectors of queries, too: refresh it "
            "by `start` and `finish`, and give `diagnose` a function that does"
        )

    def sample(self, queries, num, seed=None, rows=None, **batch):
        places = keras.random.randint(
            (queries.shape[0], num), 0, self.size, "int32", self.draws(seed)
        )
        mine = ops.take(self.lists, ops.maximum(rows, 0), axis=0)
        ids = ops.take_along_axis(mine, places, axis=1)
        return ids, self._log_share(mine, ids)

    def log_prob(self, queries, ids, rows=None, **batch):
        mine = ops.take(self.lists, ops.maximum(rows, 0), axis=0)
        shape = (queries.shape[0], ids.shape[-1])
        return self._log_share(mine, ops.broadcast_to(ids, shape))

    def _log_share(self, mine, ids):
        """Log of how much of a list each label is: `[b, n]`."""
        same = ops.equal(ids[:, :, None], mine[:, None])
        count = ops.sum(ops.cast(same, "float32"), axis=-1)
        return ops.where(count > 0, ops.log(count), -float("inf")) - math.log(
            self.size
        )

    def start(
        self, index, query_vectors, relevant, rows=None, label_vectors=None
    ):
        """Begins to find new lists in a thread; `finish` puts them in place.

        Args:
            index: `LabelIndex`; not to be moved before `finish`.
            query_vectors: `[n, d]`, float; copied first.
            relevant: `tfxc.data.LabelLists` of those queries.
            rows: `[n]`, int; which training queries they are; all if left out.
            label_vectors: `[L, d]`, float; of which the thread builds the index
                anew before it searches; it stays as it is if left out.
        """
        rows = np.arange(self.num_rows) if rows is None else rows
        query_vectors = np.array(query_vectors)

        def search():
            if label_vectors is not None:
                index.build(label_vectors)
            return nearest_wrong(index, query_vectors, relevant, self.size)

        self.found = rows, self.pool.submit(search)

    def get_config(self):
        config = super().get_config()
        return {**config, "num_rows": self.num_rows, "size": self.size}

    def finish(self):
        """Waits for the thread, and draws from its lists from now on.

        A query for which it found nothing keeps its list.

        Returns:
            Whether a thread had been started.

        Raises:
            Whatever stopped the thread; the old lists then stay.
        """
        if self.found is None:
            return False
        (rows, found), self.found = self.found, None
        lists = found.result()
        some = lists[:, 0] >= 0
        set_rows(self.lists, rows[some], lists[some])
        return True


def nearest_wrong(index, query_vectors, relevant, size):
    """The nearest labels of each query that are not right: `[q, size]`, int32.

    Where an index finds fewer, those found repeat; -1 where it finds none.
    """
    most = int(relevant.row_counts().max(initial=0))
    asked = min(size + most, relevant.num_columns)
    lists = np.empty((len(query_vectors), size), np.int32)
    for start in range(0, len(lists), QUERIES):
        rows = np.arange(start, min(start + QUERIES, len(lists)))
        ids = index.top_k(query_vectors[rows], asked)
        known = relevant.take(rows)
        width = np.int64(relevant.num_columns)
        owner = np.repeat(np.arange(len(rows)), known.row_counts())
        keys = np.arange(len(rows))[:, None] * width + ids
        wrong = ~np.isin(keys, owner * width + known.ids) & (ids >= 0)
        # Wrong ones first, each time in the order of their scores.
        order = np.argsort(~wrong, axis=1, kind="stable")
        ids = np.take_along_axis(ids, order, axis=1)
        count = np.maximum(wrong.sum(axis=1), 1)[:, None]
        places = np.arange(size)[None] % np.minimum(count, size)
        found = np.take_along_axis(ids, places, axis=1)
        lists[rows] = np.where(wrong.any(axis=1)[:, None], found, -1)
    return lists
