"""How much each score counts, decided on rows that no model was trained on."""

import dataclasses

import numpy as np

from tfxc.errors import InputError
from tfxc.search.fused import place_in_row
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


def fit_fusion(
    search, queries, relevant, weights, tree=True, seed=0, filtered=None
):
    """Chooses the weights of a `FusedSearch`, and whether to use a tree.

    The weights are tried one after the other, up to three times around. With a
    tree, it is fitted to one half of the rows, and the other half says how much
    it should count. What does not help gets weight 0. Judged is the mean of
    nDCG@5, for whoever looks at the first few, PSnDCG@5, so that rare labels
    are not given up for that, and R@100, for whoever ranks what was found. In
    that PSnDCG@5, all gains of all rows are added before they are divided by
    what they could be, so that rows count by that.

    Args:
        search: `FusedSearch` with its parts; its weights do not matter.
        queries: `[n, d]`, float; vectors of rows that were held out of the
            training of encoder, classifier and memory. Of rows that a model has
            learnt by heart, its scores would be trusted too much.
        relevant: `LabelLists` of the `n` rows.
        weights: `[L]`, float; inverse propensity of each label.
        tree: Whether to consider a tree.
        seed: Of the halves.
        filtered: `LabelLists` of the `n` rows: labels that they shall not get.

    Returns:
        A `FusedSearch` with the weights, without what weighs nothing.

    Raises:
        InputError: if there are fewer than 20 rows.

    Reference:
        [Dahiya et al., 2023](https://arxiv.org/abs/2207.04452), score fusion
    """
    check_held_out(len(queries))
    order = np.random.default_rng(seed).permutation(len(queries))
    one, other = (
        Judged(
            *(search, queries[half], relevant.take(half), weights),
            filtered and filtered.take(half),
        )
        for half in np.array_split(order, 2)
    )
    chosen = dict.fromkeys(WEIGHTS, 0.0)
    for _ in range(ROUNDS):
        before = dict(chosen)
        for name in WEIGHTS:
            if getattr(search, name) is not None:
                chosen[name] = max(
                    WEIGHTS[name],
                    key=lambda w, n=name: (
                        one.quality(**{**chosen, n: w})
                        + other.quality(**{**chosen, n: w})
                    ),
                )
        if chosen == before:
            break
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


def check_held_out(num_queries):
    """Raises `InputError` if so few held-out queries cannot weigh scores."""
    if num_queries < LEAST_ROWS:
        raise InputError(
            f"--fusion: expected at least {LEAST_ROWS} held-out queries to "
            "weigh the scores on; raise --validation-rows (a tenth of the "
            "training queries at most), or set --fusion none. "
            f"Received: {num_queries}"
        )


class Judged:
    """Candidates of some queries with all their scores.

    Args:
        search: `FusedSearch`.
        queries: `[n, d]`, float.
        relevant: `LabelLists` of `n` rows.
        weights: `[L]`, float; inverse propensity of each label.
        filtered: `LabelLists` of `n` rows, or `None`.
    """

    def __init__(self, search, queries, relevant, weights, filtered=None):
        tables = []
        for start in range(0, len(queries), BLOCK):
            block = np.asarray(queries[start : start + BLOCK], np.float32)
            rows = np.arange(start, start + len(block))
            hidden = filtered and filtered.take(rows)
            tables.append(self._block(search, block, hidden))
        width = max(table[0].shape[1] for table in tables)
        self.ids, *self.features = (
            np.concatenate([widened(part, width, i) for part in column])
            for i, column in enumerate(zip(*tables, strict=True))
        )
        self.hits = is_relevant(self.ids, relevant)
        self.weights = weights[np.maximum(self.ids, 0)]
        self.counts = np.maximum(relevant.row_counts(), 1)
        self.ideal = best_gains(relevant, np.ones_like(weights))
        self.ideal_weighted = best_gains(relevant, weights)
        self.popularity = 0.0
        if search.popularity is not None:
            self.popularity = search.popularity[np.maximum(self.ids, 0)]

    @staticmethod
    def _block(search, queries, filtered):
        """The labels that encoder and classifier together put first."""
        even = dataclasses.replace(search, classifier_weight=1.0)
        table = even.candidates(queries, even.vectors(), filtered=filtered)
        return table.ids, *search.features(queries, table)

    def quality(self, classifier=0.0, memory=0.0, popularity=0.0, bonus=0.0):
        """The mean of nDCG@5, PSnDCG@5 and R@100, in percent."""
        encoder, of_classifier, remembered = self.features
        scores = encoder + memory * remembered + popularity * self.popularity
        scores = scores + classifier * of_classifier + bonus
        places = first_places(np.where(self.ids >= 0, scores, -np.inf))
        hits, weights = (
            np.take_along_axis(table, places, axis=1)
            for table in (self.hits, self.weights)
        )
        discount = discounts(places.shape[1])
        gains, weighted = hits @ discount, (hits * weights) @ discount
        return (100 / 3) * float(
            np.mean(gains / self.ideal)
            + weighted.sum() / self.ideal_weighted.sum()
            + np.mean(hits.sum(axis=1) / self.counts)
        )


def first_places(scores):
    """Where the best 100 scores of each row are, best first."""
    depth = min(RECALL_DEPTH, scores.shape[1])
    places = np.argpartition(-scores, depth - 1, axis=1)[:, :depth]
    found = np.take_along_axis(scores, places, axis=1)
    order = np.argsort(-found, axis=1, kind="stable")
    return np.take_along_axis(places, order, axis=1)


def discounts(size):
    """What a hit at each place counts in nDCG@5: `[size]`."""
    place = np.arange(size)
    return np.where(place < DEPTH, 1 / np.log2(place + 2.0), 0.0)


def best_gains(relevant, weights):
    """The weighted DCG@5 of a perfect ranking of each row: `[n]`."""
    counts = relevant.row_counts()
    row = np.repeat(np.arange(len(counts)), counts)
    gain = weights[relevant.ids]
    gain = gain[np.lexsort((-gain, row))]
    place = place_in_row(row, len(counts))
    gain = gain * discounts(max(counts.max(initial=1), DEPTH))[place]
    return np.maximum(np.bincount(row, gain, len(counts)), 1e-12)


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
