"""A cache of encoded labels to draw negatives from."""

import math

import numpy as np
from keras import ops

from tfxc.negatives.categorical import categorical
from tfxc.negatives.checks import (
    check_finite,
    check_finite_number,
    check_shape,
    finite_rows,
)
from tfxc.negatives.sampler import Sampler, made_of_vectors


class NegativeCache(Sampler):
    """Draws from the softmax over a cache of labels, some of them stale.

    A part of the labels, with the vectors they had when they were last encoded.
    Draws follow the model's softmax over that part; what was drawn
    is encoded anyway, by whoever trains on it, and `update` takes the fresh
    vectors back. The oldest entries make room for labels from outside.

    If the cache is a random part of the labels, `n` of L, the softmax over it
    is as likely to give y as one over all labels would be, but for the labels
    outside. `stands_for_all` counts them as those inside,

    ```
    Q(y | x) = (n / L) e^(beta x . y) / sum over the cache of e^(beta x . y')
    ```

    Beside a sampler of all labels, in `MixedNegatives`, that is not wanted:
    there Q is the softmax over the cache, and new labels come from the other.

    Args:
        ids: `[n]`, int; distinct labels to begin with.
        vectors: `[n, d]`, float; their vectors: the cache is never empty.
        num_labels: L.
        inverse_temperature: beta; a variable, at 0 of which all of the cache
            is drawn alike.
        stands_for_all: See above.
        seed: See `Sampler`.

    Reference:
        [Lindgren et al., 2021](https://papers.nips.cc/paper/2021/hash/2175f8c5cd9604f6b1e576b252d4c86e-Abstract.html)
    """

    def __init__(
        self,
        ids,
        vectors,
        num_labels,
        inverse_temperature=20.0,
        stands_for_all=True,
        seed=0,
        **kwargs,
    ):
        super().__init__(num_labels, seed, **kwargs)
        self.share = len(ids) / num_labels if stands_for_all else 1.0
        ids, vectors = np.asarray(ids), np.asarray(vectors, np.float32)
        if len(np.unique(ids)) != len(ids) or len(ids) != len(vectors):
            raise ValueError(
                "`ids` must be distinct, with a vector each. "
                f"Received: {len(np.unique(ids))} of {len(ids)} and "
                f"{len(vectors)} vectors"
            )
        if len(ids) and not 0 <= ids.min() <= ids.max() < num_labels:
            raise ValueError(
                f"`ids` must be in [0, {num_labels - 1}]. "
                f"Received: {ids.min()} to {ids.max()}"
            )
        check_finite(vectors)
        check_finite_number("inverse_temperature", inverse_temperature)
        self.inverse_temperature = self.variable(
            "inverse_temperature", np.float32(inverse_temperature)
        )
        self.ids = self.variable("ids", ids.astype(np.int32))
        self.vectors = self.variable("vectors", vectors)
        self.ages = self.variable("ages", np.zeros(len(ids), np.int32))
        where = np.full(num_labels + 1, -1, np.int32)  # one for no label
        where[ids] = np.arange(len(ids))
        self.where = self.variable("where", where)

    @property
    def near_softmax(self):
        return self.ids.shape[0] == self.num_labels

    def refresh(self, label_vectors):
        """Takes over new vectors `[L, d]` of the labels that it holds."""
        check_shape(label_vectors, (self.num_labels, self.vectors.shape[1]))
        held = ops.convert_to_numpy(self.ids)
        self.vectors.assign(finite_rows(label_vectors, held))
        self.ages.assign(ops.zeros_like(self.ages))

    def get_config(self):
        raise made_of_vectors(self)

    def _scores(self, queries):
        """Of the cache `[b, n]`, and what to add for log Q `[b, 1]`."""
        scaled = ops.cast(queries, "float32") * self.inverse_temperature
        scores = ops.matmul(scaled, ops.transpose(self.vectors))
        log_z = ops.logsumexp(scores, axis=1, keepdims=True)
        return scores, math.log(self.share) - log_z

    def sample(self, queries, num, seed=None, **batch):
        scores, shift = self._scores(queries)
        places = categorical(scores, num, self.draws(seed))
        log_q = ops.take_along_axis(scores, places, axis=1) + shift
        return ops.take(self.ids, places), log_q

    def log_prob(self, queries, ids, **batch):
        """See `Sampler`; -inf for labels that are not in the cache."""
        scores, shift = self._scores(queries)
        places = ops.broadcast_to(
            ops.take(self.where, ids), (queries.shape[0], ids.shape[-1])
        )
        found = ops.take_along_axis(scores, ops.maximum(places, 0), axis=1)
        return ops.where(places >= 0, found + shift, -float("inf"))

    def update(self, ids, vectors):
        """Takes fresh vectors back; labels from outside replace the oldest.

        Compiled with the training step; all shapes are static.

        Args:
            ids: `[m]`, int; labels that were just encoded, m at most the size
                of the cache. Of repeated ones, the last counts.
            vectors: `[m, d]`, float; what is not finite is left out.
        """
        ids = ops.cast(ids, "int32")
        vectors = ops.cast(vectors, "float32")
        count = ids.shape[0]
        if count > self.ids.shape[0]:
            raise ValueError(
                f"`ids` must be at most {self.ids.shape[0]}, what the cache "
                f"holds. Received: {count}"
            )
        later = ops.arange(count)[None, :] > ops.arange(count)[:, None]
        finite = ops.all(ops.isfinite(vectors), axis=1)
        same = ops.logical_and(ids[:, None] == ids[None, :], finite[None])
        repeated = ops.any(ops.logical_and(same, later), axis=1)
        kept = ops.logical_and(finite, ops.logical_not(repeated))
        places = ops.take(self.where, ids)
        inside = ops.scatter_update(
            ops.zeros_like(self.ages),
            ops.maximum(places, 0)[:, None],
            ops.cast(ops.logical_and(places >= 0, kept), "int32"),
            reduction="max",
        )
        # What is updated now is no room for others.
        ages = ops.where(inside > 0, -1, self.ages + 1)
        oldest = ops.top_k(ages, count)[1]
        new = ops.logical_and(places < 0, kept)
        rank = ops.cumsum(ops.cast(new, "int32")) - 1
        room = ops.take(oldest, ops.maximum(rank, 0))
        places = ops.where(new, room, places)
        # Places out of range are left out: what is not kept.
        size = self.ids.shape[0]
        old_ids = self.ids.value
        mine = ops.where(kept, places, size)[:, None]

        def written(array, values):
            padded = ops.concatenate([array, array[:1]], axis=0)
            return ops.scatter_update(padded, mine, values)[:size]

        new_ids = written(old_ids, ids)
        gone = ops.where(new_ids != old_ids, old_ids, self.num_labels)
        minus = ops.full((size,), -1, "int32")
        where = ops.scatter_update(self.where.value, gone[:, None], minus)
        where = ops.scatter_update(
            where, new_ids[:, None], ops.arange(size, dtype="int32")
        )
        self.where.assign(where)
        self.ids.assign(new_ids)
        self.vectors.assign(written(self.vectors.value, vectors))
        self.ages.assign(
            written(self.ages.value + 1, ops.zeros((count,), "int32"))
        )
