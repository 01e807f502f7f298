"""Training queries as a memory: what was relevant to queries like this one."""

import dataclasses

import numpy as np

from tfxc.batching import balanced_clusters
from tfxc.data.label_lists import LabelLists

CLUSTER_SIZE = 512
EXACT = 16_384  # keys up to which all are compared
MOST_NEIGHBOURS = 480  # no cluster of more keys than that has fewer
BLOCK = 2048  # queries that are looked up together


@dataclasses.dataclass(frozen=True)
class Memory:
    """Labels of the training queries that are nearest to a query.

    A label that a title names in other words than its own is often found by
    way of a training query that uses the same words. With x the unit vectors
    of queries, N(q) the nearest training queries and y their labels:

    ```
    m(q, l) = (sum over i in N(q) of  w_i y_il) ^ power
    w       = softmax over i in N(q) of  (x_q . x_i / temperature)
    ```

    With a power below 1, that a label was ever given to a query like this one
    counts for much, and how often for little: labels that one of a hundred
    neighbours has rise above the many that none has.

    A query whose vector is zero is like no other: all its w are 0.

    The keys stand in balanced clusters of about 512, and a query is compared
    with those of the `probes` clusters whose centroids are nearest. Up to
    16,384 keys make one cluster: they are all compared.

    Args:
        keys: `[clusters, size, d]`, float16; unit vectors, cluster by cluster,
            with zeros where a cluster has fewer.
        sizes: `[clusters]`, int32; keys of each cluster.
        centroids: `[clusters, d]`, float32; unit vectors.
        relevant: `LabelLists` of all places of keys, `clusters * size` rows.
        neighbours: Nearest training queries to ask.
        temperature: Positive float; smaller ones trust the nearest more.
        power: Positive float, at most 1.
        probes: Clusters to look into.

    Reference:
        [Chalkidis et al., 2025](https://arxiv.org/abs/2502.10615) (RAE-XMC)
    """

    keys: np.ndarray
    sizes: np.ndarray
    centroids: np.ndarray
    relevant: LabelLists
    neighbours: int = 400
    temperature: float = 0.04
    power: float = 0.3
    probes: int = 64

    @classmethod
    def build(cls, vectors, relevant, seed=0, **settings):
        """Clusters the vectors of training queries.

        Args:
            vectors: `[n, d]`, float; unit vectors.
            relevant: `LabelLists` of `n` rows.
            seed: Of the clustering.
            **settings: `neighbours`, `temperature`, `power`, `probes`.

        Returns:
            A `Memory`.

        Raises:
            ValueError: if the sizes disagree, there are no vectors, or more
                neighbours are asked for than each of several clusters has.

        Example:

        >>> x = np.eye(4)
        >>> lists = tfxc.data.LabelLists.from_pairs(range(4), range(4), 4, 4)
        >>> memory = tfxc.search.Memory.build(x, lists, neighbours=2)
        >>> row, label, score = memory.label_scores(x[:1])
        >>> int(label[0]), round(float(score[0]), 3)
        (0, 1.0)
        """
        if len(vectors) != len(relevant) or not len(vectors):
            raise ValueError(
                "`vectors` and `relevant` must have as many rows, at least "
                f"one. Received: {len(vectors)} and {len(relevant)}"
            )
        neighbours = settings.get("neighbours", cls.neighbours)
        if neighbours > MOST_NEIGHBOURS and len(vectors) > EXACT:
            raise ValueError(
                f"`neighbours` must be at most {MOST_NEIGHBOURS} among more "
                f"than {EXACT:,} vectors. Received: {neighbours}"
            )
        size = len(vectors) if len(vectors) <= EXACT else CLUSTER_SIZE
        clusters = balanced_clusters(vectors, size, seed)
        sizes = clusters.sizes().astype(np.int32)
        shape = len(clusters), int(sizes.max()), np.shape(vectors)[1]
        keys = np.zeros(shape, np.float16)
        centroids = np.empty((shape[0], shape[2]), np.float32)
        place = np.empty(len(vectors), np.int64)
        for number, count in enumerate(sizes):
            rows = clusters[number]
            keys[number, :count] = vectors[rows]
            centroids[number] = keys[number].sum(axis=0, dtype=np.float32)
            place[rows] = number * shape[1] + np.arange(count)
        norms = np.linalg.norm(centroids, axis=1, keepdims=True)
        centroids /= np.maximum(norms, 1e-12)
        owner = np.repeat(place, relevant.row_counts())
        lists = LabelLists.from_pairs(
            owner, relevant.ids, shape[0] * shape[1], relevant.num_columns
        )
        return cls(keys, sizes, centroids, lists, **settings)

    def nearest(self, queries):
        """The places of the nearest keys of each query, in no order.

        Args:
            queries: `[b, d]`, float32.

        Returns:
            `(scores [b, m] float32, keys [b, m] int64)` with m at most
            `neighbours`.
        """
        probes = min(self.probes, len(self.centroids))
        best = -(queries @ self.centroids.T)  # [b, clusters]
        probed = np.argpartition(best, probes - 1, axis=1)[:, :probes]
        kept = min(self.neighbours, int(self.sizes.min()))
        shape = (len(queries), probes, kept)
        scores, places = np.empty(shape, np.float32), np.empty(shape, np.int64)
        order = np.argsort(probed, axis=None, kind="stable")
        counts = np.bincount(probed.ravel(), minlength=len(self.sizes))
        for cluster, chosen in enumerate(np.split(order, np.cumsum(counts))):
            if not len(chosen):
                continue
            row, slot = np.divmod(chosen, probes)
            keys = self.keys[cluster, : self.sizes[cluster]]
            found = queries[row] @ np.asarray(keys, np.float32).T
            scores[row, slot], place = highest(found, kept)
            places[row, slot] = place + cluster * self.keys.shape[1]
        scores = scores.reshape(len(queries), -1)
        scores, place = highest(scores, min(self.neighbours, scores.shape[1]))
        places = places.reshape(len(queries), -1)
        return scores, np.take_along_axis(places, place, axis=1)

    def label_scores(self, queries):
        """What the memory says about a block of queries.

        Args:
            queries: `[b, d]`, float32; some thousand at most.

        Returns:
            `(row, label, score)`, `[pairs]` each, by row and then by label:
            m(q, l) wherever it is not 0.
        """
        scores, keys = self.nearest(queries)
        weights = np.exp(
            (scores - scores.max(axis=1, keepdims=True)) / self.temperature
        )
        weights /= weights.sum(axis=1, keepdims=True)  # [b, m]
        # A text without known tokens is like no other.
        weights *= np.any(queries, axis=1, keepdims=True)
        lists = self.relevant.take(keys.ravel())
        counts = lists.row_counts()
        row = np.repeat(np.arange(len(counts)) // keys.shape[1], counts)
        weight = np.repeat(weights.ravel(), counts)
        row, label, weight = summed(
            row, lists.ids, weight, self.relevant.num_columns
        )
        kept = weight > 0
        return row[kept], label[kept], weight[kept] ** self.power


def highest(scores, count):
    """The `count` highest scores of each row, and their places."""
    if count == scores.shape[1]:
        return scores, np.broadcast_to(np.arange(count), scores.shape)
    split = scores.shape[1] - count
    places = np.argpartition(scores, split, axis=1)[:, split:]
    return np.take_along_axis(scores, places, axis=1), places


def summed(row, label, weight, num_labels):
    """Adds up the weights of equal pairs: sorted `(row, label, sum)`."""
    if not len(row):
        return row, label, weight
    key = row * np.int64(num_labels) + label
    order = np.argsort(key, kind="stable")
    key, weight = key[order], weight[order]
    first = np.flatnonzero(np.diff(key, prepend=-1))
    row, label = np.divmod(key[first], num_labels)
    return row, label, np.add.reduceat(weight, first)
