"""How much each score counts, decided on rows that no model was trained on."""

import dataclasses
import itertools

import numpy as np

from tfxc.errors import InputError
from tfxc.search.fused import best
from tfxc.search.memory import BLOCK
from tfxc.search.score_tree import ScoreTree

CLASSIFIER_WEIGHTS = (0.0, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
MEMORY_WEIGHTS = (0.0, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.6, 0.8)
TREE_WEIGHTS = (0.0, 0.1, 0.2, 0.4, 0.8, 1.6)
DEPTH = 5  # of the ranking that is judged
LEAST_ROWS = 20


def fit_fusion(search, queries, relevant, weights, tree=True, seed=0):
    """Chooses the weights of a `FusedSearch`, and whether to use a tree.

    On one half of the rows each combination of weights is tried, and the tree
    is fitted; the other half says how much the tree should count. What does
    not help gets weight 0. Combinations are judged by nDCG@5.

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
    halves = np.array_split(order, 2)
    one, other = (
        Judged(search, queries[half], relevant.take(half)) for half in halves
    )
    grid = itertools.product(
        CLASSIFIER_WEIGHTS if search.classifier is not None else (0.0,),
        MEMORY_WEIGHTS if search.memory is not None else (0.0,),
    )
    chosen = max(grid, key=lambda pair: one.ndcg(*pair) + other.ndcg(*pair))
    search = dataclasses.replace(
        search, classifier_weight=chosen[0], memory_weight=chosen[1]
    )
    if not tree:
        return search.trimmed()
    fitted = ScoreTree.fit(one.features, one.ids, one.hits, weights, seed)
    bonus = fitted(other.features, other.ids)
    weight = max(TREE_WEIGHTS, key=lambda w: other.ndcg(*chosen, w * bonus))
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
        self.has_classifier = search.classifier is not None

    @staticmethod
    def _block(search, queries):
        """The labels that either encoder or classifier puts first."""
        even = dataclasses.replace(search, classifier_weight=1.0)
        table = even.candidates(queries, even.vectors())
        return table.ids, *search.features(queries, table)

    def ndcg(self, classifier, memory, bonus=0.0):
        """nDCG@5 with some weights, in percent."""
        scores = self.features[0] + memory * self.features[2] + bonus
        if self.has_classifier:
            scores = scores + classifier * self.features[1]
        scores = np.where(self.ids >= 0, scores, -np.inf)
        places = np.broadcast_to(np.arange(scores.shape[1]), scores.shape)
        _, first = best(places, scores, DEPTH)
        discount = 1 / np.log2(np.arange(DEPTH) + 2.0)
        gains = np.take_along_axis(self.hits, first, axis=1) @ discount
        ideal = np.cumsum(discount)[np.minimum(self.counts, DEPTH) - 1]
        return 100 * float(np.mean(gains / ideal))


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
