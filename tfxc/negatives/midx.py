"""Negatives by an inverted multi-index: two codebooks, no tree."""

import math
import warnings
from typing import NamedTuple

import keras
import numpy as np
from keras import ops
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits

from tfxc.negatives.categorical import categorical
from tfxc.negatives.checks import (
    check_finite_number,
    check_shape,
    finite_chunks,
    finite_rows,
)
from tfxc.negatives.sampler import Sampler, made_of_vectors

SAMPLE, PASSES = 16_384, 12  # of k-means


class Midx(Sampler):
    """Draws labels by two codebooks, as if each were the sum of its two words.

    With words k1, k2 of label y, from K of each book, and N the number of
    labels with both,

    ```
    Q(y | x) = e^(beta x . c1[k1] + beta x . c2[k2]) / Z
    Z        = sum over k1, k2 of N[k1, k2] e^(...)
    ```

    A draw takes k1, then k2 given k1, then one of the labels with both, which
    stand in a row. All it needs of the labels are 2 K vectors, a K x K table
    and an order: static shapes, and the exact probability in closed form. The
    second book codes what the first leaves over (residual quantisation).

    Args:
        label_vectors: `[L, d]`, float; may be memory-mapped.
        inverse_temperature: beta; a variable, at 0 of which draws are uniform.
        words: K, words of each book.
        seed: See `Sampler`; of the books, too.

    Reference:
        [Chen et al., 2025](https://arxiv.org/abs/2501.08563)
    """

    def __init__(
        self,
        label_vectors,
        inverse_temperature=20.0,
        words=64,
        seed=0,
        **kwargs,
    ):
        super().__init__(len(label_vectors), seed, **kwargs)
        most = min(self.num_labels, SAMPLE)
        if not 1 <= words <= most:
            raise ValueError(
                f"`words` must be in [1, {most}], the labels that books are "
                "learnt from. "
                f"Received: {words}"
            )
        check_finite_number("inverse_temperature", inverse_temperature)
        self.inverse_temperature = self.variable(
            "inverse_temperature", np.float32(inverse_temperature)
        )
        self.words = words
        self.dim = label_vectors.shape[1]
        arrays = self._index(label_vectors)
        self.parts = {n: self.variable(n, a) for n, a in arrays.items()}

    def refresh(self, label_vectors):
        """Learns new books; the old ones stay if a vector is not finite."""
        check_shape(label_vectors, (self.num_labels, self.dim))
        for name, array in self._index(label_vectors).items():
            self.parts[name].assign(array)

    def get_config(self):
        raise made_of_vectors(self)

    def _index(self, label_vectors):
        """The arrays of the index."""
        books = Books.of(label_vectors, self.words, self.seed)
        cell = np.concatenate(
            [books.cells(rows) for _, rows in finite_chunks(label_vectors)]
        )
        order = np.argsort(cell, kind="stable").astype(np.int32)
        splits = np.searchsorted(cell[order], np.arange(self.words**2 + 1))
        return {
            "first": books.first.cluster_centers_,
            "second": books.second.cluster_centers_,
            "order": order,
            "cell": cell.astype(np.int32),
            "splits": splits.astype(np.int32),
        }

    def _scores(self, queries):
        """`(s1 [b, K], s2 [b, K], log_n [K, K])`."""
        scaled = ops.cast(queries, "float32") * self.inverse_temperature
        s1, s2 = (
            ops.matmul(scaled, ops.transpose(self.parts[name]))
            for name in ("first", "second")
        )
        splits = self.parts["splits"]
        counts = ops.cast(splits[1:] - splits[:-1], "float32")
        log_n = ops.where(counts > 0, ops.log(counts), -math.inf)
        return s1, s2, ops.reshape(log_n, (self.words, self.words))

    def _log_inner(self, s2, log_n):
        """Log of the sum over k2 of N e^s2, for each k1: `[b, K]`."""
        top = ops.max(s2, axis=1, keepdims=True)
        sums = ops.matmul(ops.exp(s2 - top), ops.transpose(ops.exp(log_n)))
        return ops.where(sums > 0, ops.log(sums), -math.inf) + top

    def sample(self, queries, num, seed=None, **batch):
        s1, s2, log_n = self._scores(queries)
        inner = self._log_inner(s2, log_n)  # [b, K]
        outer = s1 + inner
        one = categorical(outer, num, self.draws(seed))
        of_two = s2[:, None] + ops.take(log_n, one, axis=0)  # [b, num, K]
        rows = queries.shape[0] * num
        of_two = ops.reshape(of_two, (rows, self.words))
        two = categorical(of_two, 1, self.draws(seed, 1))
        two = ops.reshape(two, (queries.shape[0], num))
        cell = one * self.words + two
        start = ops.take(self.parts["splits"], cell)
        size = ops.take(self.parts["splits"], cell + 1) - start
        share = keras.random.uniform(ops.shape(cell), seed=self.draws(seed, 2))
        inside = ops.cast(share * ops.cast(size, "float32"), "int32")
        ids = ops.take(
            self.parts["order"], start + ops.minimum(inside, size - 1)
        )
        log_z = ops.logsumexp(outer, axis=1, keepdims=True)
        log_q = (
            ops.take_along_axis(s1, one, axis=1)
            + ops.take_along_axis(s2, two, axis=1)
            - log_z
        )
        return ids, log_q

    def log_prob(self, queries, ids, **batch):
        s1, s2, log_n = self._scores(queries)
        log_z = ops.logsumexp(
            s1 + self._log_inner(s2, log_n), axis=1, keepdims=True
        )
        cell = ops.broadcast_to(
            ops.take(self.parts["cell"], ids),
            (queries.shape[0], ids.shape[-1]),
        )
        return (
            ops.take_along_axis(s1, cell // self.words, axis=1)
            + ops.take_along_axis(s2, cell % self.words, axis=1)
            - log_z
        )


class Books(NamedTuple):
    """Two codebooks, of which the second codes what the first leaves over.

    Args:
        first: `sklearn.cluster.KMeans`; of vectors.
        second: The same, of what is left of them.
    """

    first: KMeans
    second: KMeans

    @classmethod
    def of(cls, label_vectors, words, seed):
        """Learns the books from some of the labels."""
        count = len(label_vectors)
        rng = np.random.default_rng(seed)
        chosen = rng.choice(count, min(count, SAMPLE), replace=False)
        rows = finite_rows(label_vectors, np.sort(chosen))
        options = {"init": "random", "n_init": 1, "max_iter": PASSES}
        options["random_state"] = seed
        # More threads would add up in another order each time; and labels may
        # have fewer vectors than there are words.
        with (
            threadpool_limits(1, user_api="openmp"),
            warnings.catch_warnings(
                action="ignore", category=ConvergenceWarning
            ),
        ):
            first = KMeans(words, **options).fit(rows)
            rows = rows - first.cluster_centers_[first.labels_]
            return cls(first, KMeans(words, **options).fit(rows))

    def cells(self, rows):
        """The words of some vectors `[n, d]`, as one number: `[n]`, int64."""
        one = self.first.predict(rows).astype(np.int64)
        left = rows - self.first.cluster_centers_[one]
        return one * len(self.second.cluster_centers_) + self.second.predict(
            left
        )
