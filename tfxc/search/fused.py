"""Search by several scores at once: vectors, a memory, frequency, a tree."""

import dataclasses

import numpy as np

from tfxc.search.exact import exact_top_k
from tfxc.search.memory import BLOCK, Memory
from tfxc.search.score_tree import ScoreTree

SHORTLIST = 200  # labels by their vectors, before the others have their say


@dataclasses.dataclass(frozen=True)
class FusedSearch:
    """Labels by an encoder, a classifier and a memory of training queries.

    ```
    s(q, l)     = x_q . v_l + memory_weight m(q, l)
                  + popularity_weight log(1 + n_l)
    v_l         = z_l + classifier_weight w_l
    score(q, l) = s(q, l) + tree_weight tree(x_q . z_l, x_q . w_l, m, 1 / p_l)
    ```

    The scores of encoder and classifier are inner products with the same query
    vector, so their weighted sum needs one search, among the v. Ranked are the
    200 labels that it puts first (or k, if that is more), and all that the
    memory names. Negatives that come from other queries of the batch are mostly
    frequent labels, so an encoder that was trained on them finds frequent
    labels less often than they occur; n, the number of training queries of each
    label, makes up for that.

    Args:
        label_vectors: `[L, d]`, float32; z, the encoded labels.
        classifier: `[L, d]`, float32; w, or `None`.
        classifier_weight: Float.
        memory: `Memory`, or `None`.
        memory_weight: Float.
        popularity: `[L]`, float32; log(1 + n), or `None`.
        popularity_weight: Float.
        tree: `ScoreTree`, or `None`.
        tree_weight: Float.

    Example:

    >>> search = tfxc.search.FusedSearch(np.eye(3, dtype=np.float32))
    >>> [(start, scores, ids)] = search.top_k([[1.0, 3.0, 2.0]], k=2)
    >>> ids.tolist()
    [[1, 2]]

    Reference:
        [Dahiya et al., 2023](https://arxiv.org/abs/2207.04452), score fusion
    """

    label_vectors: np.ndarray
    classifier: np.ndarray | None = None
    classifier_weight: float = 0.0
    memory: Memory | None = None
    memory_weight: float = 0.0
    popularity: np.ndarray | None = None
    popularity_weight: float = 0.0
    tree: ScoreTree | None = None
    tree_weight: float = 0.0

    def trimmed(self):
        """The same search without the parts that weigh nothing."""
        kept = {
            "classifier": self.classifier_weight or self.tree_weight,
            "memory": self.memory_weight or self.tree_weight,
            "popularity": self.popularity_weight,
            "tree": self.tree_weight,
        }
        nothing = {name: None for name, weight in kept.items() if not weight}
        return dataclasses.replace(self, **nothing)

    @property
    def needs_ranking(self):
        """Whether products with `vectors()` are not all there is."""
        parts = (self.memory, self.popularity, self.tree)
        return any(part is not None for part in parts)

    @property
    def combines(self):
        """Whether there is more than the encoder's scores."""
        return self.needs_ranking or self.classifier is not None

    def vectors(self):
        """v: what the first search goes through; `[L, d]`, float32."""
        if self.classifier is None or self.classifier_weight == 0:
            return self.label_vectors
        weighted = np.float32(self.classifier_weight) * self.classifier
        return self.label_vectors + weighted

    def top_k(self, queries, k, filtered=None):
        """Iterates over blocks of queries; see `exact_top_k`."""
        vectors = self.vectors()
        if not self.needs_ranking:
            yield from exact_top_k(queries, vectors, k, filtered)
            return
        for start in range(0, len(queries), BLOCK):
            block = np.asarray(queries[start : start + BLOCK], np.float32)
            rows = np.arange(start, start + len(block))
            hidden = None if filtered is None else filtered.take(rows)
            table = self.candidates(block, vectors, k, hidden)
            yield start, *best(table.ids, self.scores(block, table), k)

    def candidates(self, queries, vectors, k=SHORTLIST, filtered=None):
        """The labels that a block of queries is to rank: a `Candidates`."""
        size = min(max(k, SHORTLIST), len(vectors))
        found = exact_top_k(queries, vectors, size, filtered)
        _, scores, ids = zip(*found, strict=True)
        table = Candidates(
            np.concatenate(ids),
            np.concatenate(scores),
            np.zeros((len(queries), size), np.float32),
        )
        if self.memory is None:
            return table
        row, label, weight = self.memory.label_scores(queries)
        if filtered is not None:
            row, label, weight = without(filtered, row, label, weight)
        return table.with_pairs(
            row, label, pair_products(queries, vectors, row, label), weight
        )

    def scores(self, queries, table):
        """The final score of each candidate: `[b, n]`, float32."""
        scores = table.products + self.memory_weight * table.memory
        if self.popularity is not None:
            popularity = self.popularity[np.maximum(table.ids, 0)]
            scores = scores + self.popularity_weight * popularity
        if self.tree is None or self.tree_weight == 0:
            return scores
        features = self.features(queries, table)
        return scores + self.tree_weight * self.tree(features, table.ids)

    def features(self, queries, table):
        """What the tree reads: `(x.z, x.w, m)`, `[b, n]` each."""
        encoder = table_products(queries, self.label_vectors, table.ids)
        classifier = encoder
        if self.classifier is not None:
            classifier = table_products(queries, self.classifier, table.ids)
        return encoder, classifier, table.memory


@dataclasses.dataclass(frozen=True)
class Candidates:
    """The labels that each query of a block is to rank.

    Args:
        ids: `[b, n]`, int32; distinct in a row, -1 for none.
        products: `[b, n]`, float32; x . v, -inf for none.
        memory: `[b, n]`, float32; m.
    """

    ids: np.ndarray
    products: np.ndarray
    memory: np.ndarray

    def with_pairs(self, row, label, product, weight):
        """Enters what the memory says: `[pairs]` each, by row, then label."""
        width = np.int64(max(self.ids.max(), label.max(initial=0)) + 1)
        pairs = row * width + label
        keys = np.arange(len(self.ids))[:, None] * width + self.ids
        keys[self.ids < 0] = -1
        place = np.searchsorted(pairs, keys)
        known = np.append(pairs, -2)[place] == keys
        memory = np.where(known, np.append(weight, 0)[place], 0)
        new = np.ones(len(pairs), bool)
        new[place[known]] = False
        row, place = row[new], place_in_row(row[new], len(self.ids))
        shape = (len(self.ids), int(place.max(initial=-1)) + 1)

        def appended(table, values, nothing):
            more = np.full(shape, nothing, table.dtype)
            more[row, place] = values[new]
            return np.concatenate([table, more], axis=1)

        return Candidates(
            appended(self.ids, label, -1),
            appended(self.products, product, -np.inf),
            appended(memory.astype(np.float32), weight, 0),
        )


def place_in_row(row, num_rows):
    """The how-manieth of its row each entry is; `row` is sorted."""
    counts = np.bincount(row, minlength=num_rows)
    return np.arange(len(row)) - (np.cumsum(counts) - counts)[row]


def without(filtered, row, label, score):
    """Leaves out the pairs of a `LabelLists`."""
    owner = np.repeat(np.arange(len(filtered)), filtered.row_counts())
    width = np.int64(filtered.num_columns)
    kept = ~np.isin(row * width + label, owner * width + filtered.ids)
    return row[kept], label[kept], score[kept]


def pair_products(queries, labels, row, label):
    """Inner products of pairs: `[pairs]`, float32."""
    product = np.empty(len(row), np.float32)
    for start in range(0, len(row), BLOCK):
        part = slice(start, start + BLOCK)
        product[part] = np.vecdot(queries[row[part]], labels[label[part]])
    return product


def table_products(queries, labels, ids):
    """Inner products with the labels of a table: `[b, n]`, float32."""
    row = np.repeat(np.arange(len(ids)), ids.shape[1])
    label = np.maximum(ids, 0).ravel()
    return pair_products(queries, labels, row, label).reshape(ids.shape)


def best(ids, scores, k):
    """The best `k` of each row; of equal scores the lower id comes first."""
    missing = ((0, 0), (0, max(k - ids.shape[1], 0)))
    ids = np.pad(ids, missing, constant_values=-1)
    scores = np.pad(scores, missing, constant_values=-np.inf)
    order = np.lexsort((ids, -scores), axis=1)[:, :k]
    return (
        np.take_along_axis(scores, order, axis=1).astype(np.float32),
        np.take_along_axis(ids, order, axis=1),
    )
