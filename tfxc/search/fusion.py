"""How much each score counts, decided on rows that no model was trained on."""

import dataclasses

import numpy as np

from tfxc.errors import InputError
from tfxc.search.memory import BLOCK
from tfxc.search.score_tree import ScoreTree

# What each weight may be; 0 first, so that it wins where nothing helps.
WEIGHTS = {
    "classifier": (0.0, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0),
    "memory": (0.0, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.6, 0.8, 1.2, 1.6),
    "popularity": (0.0, 0.005, 0.01, 0.015, 0.02, 0.03, 0.05),
}
ROUNDS = 3
TREE_WEIGHTS = (0.0, 0.1, 0.2, 0.4, 0.8, 1.6)
DEPTH, RECALL_DEPTH = 5, 100  # of the rankings that are judged
LEAST_ROWS = 20


def fit_fusion(search, queries, relevant, weights, tree=True, seed=0):
    """Chooses the weights of a `FusedSearch`, and whether to use a tree.

    The weights are tried one after the other, three times around. With a tree,
    it is fitted to one half of the rows, and the other half says how much it
    should count. What does not help gets weight 0. Judged is the mean of
    nDCG@5, for whoever looks at the first few, and R@100, for whoever ranks the
    found labels again.

    Args:
        search: `FusedSearch` with its parts; its weights do not matter.
        queries: `[n, d]`, float; vectors of rows that were held out of the
            training of encoder, classifier and memory. Of rows that a model has
            learnt by heart, its scores would be trusted too much.
        relevant: `LabelLists` of the `n` rows.
        weights: `[L]`, float; inverse propensity of each label.
        tree: Whether to consider a tree.
        seed: Of the halves.

    Returns:
        A `FusedSearch` with the weights, without what weighs nothing.

    Raises:
        InputError: if there are fewer than 20 rows.

    Reference:
        [Dahiya et al., 2023](https://arxiv.org/abs/2207.04452), score fusion
    """
    if len(queries) < LEAST_ROWS:
        raise InputError(
            f"fusion: expected {LEAST_ROWS} held-out rows to fit the weights "
            "on; raise --validation-rows, or set --fusion none. "
            f"Received: {len(queries)}"
        )
    order = np.random.default_rng(seed).permutation(len(queries))
    one, other = (
        Judged(search, queries[half], relevant.take(half))
        for half in np.array_split(order, 2)
    )
    chosen = dict.fromkeys(WEIGHTS, 0.0)
    for _ in range(ROUNDS):
        for name in WEIGHTS:
            if getattr(search, name) is not None:
                chosen[name] = max(
                    WEIGHTS[name],
                    key=lambda w, n=name: (
                        one.quality(**{**chosen, n: w})
                        + other.quality(**{**chosen, n: w})
                    ),
                )
    search = dataclasses.replace(
        search, **{f"{name}_weight": chosen[name] for name in WEIGHTS}
    )
    if not tree:
        return search.trimmed()
    fitted = ScoreTree.fit(one.features, one.ids, one.hits, weights, seed)
    bonus = fitted(other.features, other.ids)
    weight = max(
        TREE_WEIGHTS, key=lambda w: other.quality(**chosen, bonus=w * bonus)
    )
    search = dataclasses.replace(search, tree=fitted, tree_weight=weight)
    return search.trimmed()


class Judged:
    """Candidates of some queries with all their scores.

    Args:
        search: `FusedSearch`.
        queries: `[n, d]`, float.
        relevant: `LabelLists` of `n` rows.
    """

    def __init__(self, search, queries, relevant):
        tables = [
            self._block(search, np.asarray(queries[i : i + BLOCK], np.float32))
            for i in range(0, len(queries), BLOCK)
        ]
        width = max(table[0].shape[1] for table in tables)
        self.ids, *self.features = (
            np.concatenate([widened(part, width, i) for part in column])
            for i, column in enumerate(zip(*tables, strict=True))
        )
        self.hits = is_relevant(self.ids, relevant)
        self.counts = np.maximum(relevant.row_counts(), 1)
        self.popularity = 0.0
        if search.popularity is not None:
            self.popularity = search.popularity[np.maximum(self.ids, 0)]

    @staticmethod
    def _block(search, queries):
        """The labels that either encoder or classifier puts first."""
        even = dataclasses.replace(search, classifier_weight=1.0)
        table = even.candidates(queries, even.vectors())
        return table.ids, *search.features(queries, table)

    def quality(self, classifier=0.0, memory=0.0, popularity=0.0, bonus=0.0):
        """The mean of nDCG@5 and R@100 with some weights, in percent."""
        encoder, of_classifier, remembered = self.features
        scores = encoder + memory * remembered + popularity * self.popularity
        scores = scores + classifier * of_classifier + bonus
        gains = self._best_hits(np.where(self.ids >= 0, scores, -np.inf))
        discount = 1 / np.log2(np.arange(DEPTH) + 2.0)
        ideal = np.cumsum(discount)[np.minimum(self.counts, DEPTH) - 1]
        ndcg = np.mean(gains[:, :DEPTH] @ discount[: gains.shape[1]] / ideal)
        recall = np.mean(gains.sum(axis=1) / self.counts)
        return 100 * float(ndcg + recall) / 2

    def _best_hits(self, scores):
        """Which of the best 100 labels of each row are hits, best first."""
        depth = min(RECALL_DEPTH, scores.shape[1])
        places = np.argpartition(-scores, depth - 1, axis=1)[:, :depth]
        first = np.argsort(
            -np.take_along_axis(scores, places, axis=1), axis=1, kind="stable"
        )
        places = np.take_along_axis(places, first, axis=1)
        return np.take_along_axis(self.hits, places, axis=1)


def widened(table, width, column):
    """Appends places of no label; ids (column 0) are -1 there."""
    missing = ((0, 0), (0, width - table.shape[1]))
    return np.pad(table, missing, constant_values=0 if column else -1)


def is_relevant(ids, relevant):
    """Which of the labels `[n, m]` are relevant to their row: bool."""
    width = np.int64(relevant.num_columns)
    owner = np.repeat(np.arange(len(relevant)), relevant.row_counts())
    keys = np.arange(len(ids))[:, None] * width + ids
    return np.isin(keys, owner * width + relevant.ids) & (ids >= 0)
