"""A `FusedSearch` as a TensorFlow graph, for models that serve."""

import dataclasses
import typing

import numpy as np
import tensorflow as tf

from tfxc.data.label_lists import LabelLists
from tfxc.search.fused import SHORTLIST, FusedSearch
from tfxc.search.layer_search import found_by
from tfxc.search.memory import Memory
from tfxc.search.score_tree import MAX_DEPTH, ScoreTree


class FusedFind(tf.Module):
    """What `FusedSearch` finds, query by query.

    All that is large is a variable. The keys of the memory stand in clusters of
    one size, padded, so that looking into a cluster copies one block.

    Args:
        search: `FusedSearch`.
        vectors: `[L, d]`, float32 variable; what `search.vectors()` returns.
        find: Function `(query_vectors, k) -> (scores, ids)`; finds the labels
            by these vectors.

    Call arguments:
        query_vectors: `[b, d]`, float32 tensor.
        k: In `[1, L]`; may be a tensor.

    Returns:
        `(scores [b, k] float32, ids [b, k] int32)`, best first.
    """

    def __init__(self, search, vectors, find):
        super().__init__()
        self._search = search
        self.vectors = vectors
        self._find = find
        if search.memory is not None:
            self.add_memory(search.memory)
        if search.popularity is not None:
            self.popularity = constant(search.popularity)
        if search.tree is not None:
            alone = search.vectors() is search.label_vectors
            encoded = vectors if alone else constant(search.label_vectors)
            self.parts = [encoded]
            if search.classifier is not None:
                self.parts.append(constant(search.classifier))
            self.tree = [constant(part) for part in vars(search.tree).values()]

    def add_memory(self, memory):
        """Puts the memory into variables, labels padded to one number a key."""
        counts = memory.relevant.row_counts()
        row = np.repeat(np.arange(len(counts)), counts)
        column = np.arange(len(row)) - memory.relevant.splits[row]
        labels = np.full((len(counts), counts.max(initial=1)), -1, np.int32)
        labels[row, column] = memory.relevant.ids
        self.keys = constant(memory.keys)
        self.key_labels = constant(labels.reshape(*memory.keys.shape[:2], -1))
        self.sizes = constant(memory.sizes)
        self.centroids = constant(memory.centroids)

    def __call__(self, query_vectors, k):
        num_labels = tf.shape(self.vectors)[0]
        size = tf.minimum(tf.maximum(k, SHORTLIST), num_labels)
        products, ids = self._find(query_vectors, size)
        # ScaNN's results have no static rank, and no rows cannot be mapped.
        num_queries = tf.shape(query_vectors)[0]
        missing = [[0, tf.cast(num_queries == 0, tf.int32)], [0, 0]]
        inputs = [
            tf.pad(tf.ensure_shape(table, [None, None]), missing)
            for table in (query_vectors, products, ids)
        ]
        scores, ids = tf.map_fn(
            lambda row: self._rank(*row, k),
            tuple(inputs),
            fn_output_signature=(
                tf.TensorSpec([None], tf.float32),
                tf.TensorSpec([None], tf.int32),
            ),
        )
        return scores[:num_queries], ids[:num_queries]

    def _rank(self, query, products, ids, k):
        """The best labels of one query: `([k], [k])`."""
        memory = tf.zeros_like(products)
        if self._search.memory is not None:
            labels, weights = self._remember(query)
            same = ids[:, None] == labels  # [n, m]
            memory = tf.reduce_sum(tf.where(same, weights, 0.0), axis=1)
            new = ~tf.reduce_any(same, axis=0)
            labels, weights = labels[new], weights[new]
            vectors = tf.gather(self.vectors, labels)
            ids = tf.concat([ids, labels], axis=0)
            memory = tf.concat([memory, weights], axis=0)
            product = tf.linalg.matvec(vectors, query)
            products = tf.concat([products, product], axis=0)
        scores = products + self._search.memory_weight * memory
        if self._search.popularity is not None:
            popularity = tf.gather(self.popularity, ids)
            scores += self._search.popularity_weight * popularity
        if self._search.tree is not None:
            scores += self._search.tree_weight * self._ask(query, ids, memory)
        order = tf.argsort(ids)  # of equal scores the lower id comes first
        scores, place = tf.math.top_k(tf.gather(scores, order), k)
        return scores, tf.gather(tf.gather(ids, order), place)

    def _remember(self, query):
        """What the memory says of one query: labels and m, `[m]` each."""
        memory = self._search.memory
        probes = min(memory.probes, len(memory.centroids))
        near = tf.linalg.matvec(self.centroids, query)
        clusters = tf.math.top_k(near, probes)[1]
        keys = tf.cast(tf.gather(self.keys, clusters), tf.float32)
        scores = tf.linalg.matvec(keys, query)  # [probes, size]
        used = (
            tf.range(scores.shape[1]) < tf.gather(self.sizes, clusters)[:, None]
        )
        scores = tf.reshape(tf.where(used, scores, -2.0), [-1])
        kept = min(memory.neighbours, probes * int(self.keys.shape[1]))
        scores, place = tf.math.top_k(scores, kept)
        weights = tf.nn.softmax(scores / memory.temperature)  # [kept]
        weights *= tf.cast(tf.reduce_any(query != 0), tf.float32)
        labels = tf.reshape(
            tf.gather(self.key_labels, clusters), [-1, self.key_labels.shape[2]]
        )
        labels = tf.gather(labels, place)  # [kept, labels of a key]
        weights = tf.broadcast_to(weights[:, None], tf.shape(labels))
        real = (labels >= 0) & (weights > 0)
        weights = tf.boolean_mask(weights, real)
        labels, where = tf.unique(tf.boolean_mask(labels, real))
        weights = tf.math.unsorted_segment_sum(weights, where, tf.size(labels))
        return labels, weights**memory.power

    def _ask(self, query, ids, memory):
        """What the tree says: `[n]`."""
        feature, threshold, children, value, weights = self.tree
        scores = [
            tf.linalg.matvec(tf.gather(part, ids), query) for part in self.parts
        ]
        table = tf.stack(
            [scores[0], scores[-1], memory, tf.gather(weights, ids)], axis=1
        )
        node = tf.zeros_like(ids)
        for _ in range(MAX_DEPTH):
            asked = tf.maximum(tf.gather(feature, node), 0)
            seen = tf.gather(table, asked, batch_dims=1)
            right = tf.cast(seen > tf.gather(threshold, node), tf.int32)
            node = tf.gather_nd(children, tf.stack([node, right], axis=1))
        return tf.gather(value, node)


def constant(array):
    """A variable that does not change; constants would swell the graph."""
    return tf.Variable(np.ascontiguousarray(array), trainable=False)


def settings(search):
    """The numbers of a search that are no arrays; for `restored_search`."""
    memory = search.memory
    return {
        "classifier_weight": search.classifier_weight,
        "memory_weight": search.memory_weight,
        "popularity_weight": search.popularity_weight,
        "tree_weight": search.tree_weight,
        "memory": memory
        and {
            "neighbours": memory.neighbours,
            "temperature": memory.temperature,
            "power": memory.power,
            "probes": memory.probes,
        },
    }


def restored_search(model, fusion):
    """The search of a SavedModel, for many queries.

    Args:
        model: What `load_saved_model` returns.
        fusion: What `settings` returned; `None` for label vectors alone.

    Returns:
        `FusedSearch`; or `RankSearch`, of a `tfxc.search.LayerSearch`.
    """
    if hasattr(model, "rank"):
        return RankSearch(model)
    vectors = model.label_vectors.numpy()
    if fusion is None:
        return FusedSearch(vectors)
    parts = {"label_vectors": vectors}
    if fusion["tree_weight"]:
        tree = [part.numpy() for part in model.fused.tree]
        parts["tree"] = ScoreTree(*tree)
        parts["tree_weight"] = fusion["tree_weight"]
        names = ("label_vectors", "classifier")
        for name, part in zip(names, model.fused.parts, strict=False):
            parts[name] = part.numpy()
        parts["classifier_weight"] = fusion["classifier_weight"]
    if fusion["memory"]:
        parts["memory"] = restored_memory(model.fused, len(vectors), fusion)
        parts["memory_weight"] = fusion["memory_weight"]
    if fusion["popularity_weight"]:
        parts["popularity"] = model.fused.popularity.numpy()
        parts["popularity_weight"] = fusion["popularity_weight"]
    return FusedSearch(**parts)


@dataclasses.dataclass(frozen=True)
class RankSearch:
    """Search by the function `rank` of a SavedModel.

    Args:
        model: What `load_saved_model` returns.
    """

    model: typing.Any

    def top_k(self, queries, k, filtered=None):
        """Iterates over blocks of queries; see `tfxc.search.exact_top_k`."""
        num_labels = len(self.model.label_counts.numpy())
        return found_by(self.model.rank, num_labels, queries, k, filtered)


def restored_memory(fused, num_labels, fusion):
    """The `Memory` of a `FusedFind`."""
    labels = fused.key_labels.numpy()
    labels = labels.reshape(-1, labels.shape[2])
    row, column = np.nonzero(labels >= 0)
    relevant = LabelLists.from_pairs(
        row, labels[row, column], len(labels), num_labels
    )
    return Memory(
        fused.keys.numpy(),
        fused.sizes.numpy(),
        fused.centroids.numpy(),
        relevant,
        **fusion["memory"],
    )
