"""Ranking metrics over blocks of predictions."""

import collections

import numpy as np

from tfxc.metrics.group_sums import GroupSums, percent
from tfxc.metrics.groups import LabelGroups
from tfxc.metrics.hits import find_hits, relevant_rows


class RankingMetrics:
    """Adds up P, nDCG, PSP, PSnDCG, recall and coverage, block by block.

    The conventions are those of the Extreme Classification Repository's code;
    `w` is the inverse propensity of a label:

    ```
    P@k         mean over rows of the hits among the first k / k
    nDCG@k      mean over rows of DCG@k / the DCG@k of a perfect ranking
    PSP@k       sum over rows of the w of hits among the first k / the same of
                the k relevant labels of largest w
    PSnDCG@k    as PSP@k, each w discounted as in DCG and divided by what
                nDCG@k of its row divides by
    R@k         mean over rows of the share of relevant labels among the first k
    coverage@k  of the labels that are relevant in some row, the share that is
                a hit among the first k in some row
    ```

    A row without relevant labels is part of the test set, and counts 0 in P
    and nDCG; R, which has no value there, leaves it out.

    Args:
        num_labels: Number of labels.
        inverse_propensities: `[num_labels]`, float, see `inverse_propensity`;
            `None` leaves out PSP and PSnDCG.
        ks: Cut-offs of all metrics but recall.
        recall_ks: Cut-offs of recall.
        groups: `LabelGroups`; results are then also given by group, see
            `GroupSums`.

    Example:

    >>> lists = tfxc.data.LabelLists
    >>> relevant = lists.from_pairs([0, 0, 1], [4, 7, 0], 2, 9)
    >>> metrics = tfxc.metrics.RankingMetrics(9, ks=(1, 2), recall_ks=(2,))
    >>> metrics.update([[4, 3], [0, -1]], relevant)
    >>> metrics.result()["P@1"], metrics.result()["R@2"]
    (100.0, 75.0)

    Reference:
        [Jain et al., 2016](https://doi.org/10.1145/2939672.2939756)
    """

    def __init__(
        self,
        num_labels,
        inverse_propensities=None,
        ks=(1, 3, 5),
        recall_ks=(10, 100),
        groups=None,
    ):
        for name, value in (
            ("inverse_propensities", inverse_propensities),
            ("groups", groups and groups.of_label),
        ):
            if value is not None and len(value) != num_labels:
                raise ValueError(
                    f"`{name}` must have one entry for each of the "
                    f"{num_labels} labels. Received: {len(value)}"
                )
        self.num_labels = num_labels
        self.weights = inverse_propensities  # [L]
        self.ks = tuple(ks)
        self.depth = max(*self.ks, *recall_ks, 1)
        self.sums = collections.defaultdict(float)
        everything = LabelGroups(np.zeros(num_labels, np.int8), ("all",))
        self.overall = GroupSums(everything, self.ks, tuple(recall_ks))
        self.by_group = None
        if groups is not None:
            self.by_group = GroupSums(groups, self.ks, tuple(recall_ks))

    def update(self, ids, relevant):
        """Adds the predictions of some rows.

        Args:
            ids: `[q, n]`, int; predicted labels without repeats, best first;
                -1 for none. `n` is at least the largest cut-off.
            relevant: `LabelLists` of the relevant labels of those `q` rows.

        Raises:
            ValueError: if shapes disagree, an id is out of range, or a relevant
                label is predicted twice in a row.
        """
        ids = np.asarray(ids)
        self._check(ids, relevant)
        hits = find_hits(ids[:, : self.depth], relevant)
        self.overall.add(hits, relevant)
        if self.by_group is not None:
            self.by_group.add(hits, relevant)
        counts = relevant.row_counts()
        self._add_gains("", hits.row, hits.place, hits.label, counts)
        if self.weights is not None:
            row, place, label = _best_ranking(relevant, self.weights)
            self._add_gains("best ", row, place, label, counts)

    def result(self):
        """The metrics of all rows so far.

        Returns:
            `{"P@1": percent, ...}`; with groups, also `"groups": {group:
            {"labels": n, "pairs": n, "P@1": percent, ...}}`, where pairs are
            the relevant ones. NaN where nothing was counted.
        """
        values = self.overall.result()["all"]
        for k in self.ks:
            gains = self.sums[f"nDCG@{k}"]
            values[f"nDCG@{k}"] = percent(gains, self.overall.num_rows)
            for key in (f"PSP@{k}", f"PSnDCG@{k}"):
                values[key] = percent(self.sums[key], self.sums[f"best {key}"])
        ranked = ["P", "nDCG"]
        if self.weights is not None:
            ranked += ["PSP", "PSnDCG"]
        names = [f"{name}@{k}" for name in ranked for k in self.ks]
        names += [f"R@{k}" for k in self.overall.recall_ks]
        names += [f"coverage@{k}" for k in self.ks]
        result = {name: values[name] for name in names}
        if self.by_group is not None:
            result["groups"] = self.by_group.result()
        return result

    def _check(self, ids, relevant):
        shape = (len(relevant), relevant.num_columns)
        if ids.ndim != 2 or shape != (len(ids), self.num_labels):
            raise ValueError(
                "`ids` must be [q, n] and `relevant` have q rows and "
                f"{self.num_labels} columns. Received: {ids.shape} and {shape}"
            )
        if ids.shape[1] < self.depth:
            raise ValueError(
                "`ids` must have as many columns as the largest cut-off, "
                f"{self.depth}; pad with -1. Received: {ids.shape[1]}"
            )

    def _add_gains(self, prefix, row, place, label, counts):
        """Adds DCG and propensity-scored sums of hits, [hits] each."""
        for k in self.ks:
            first = place < k
            gains = _discount(place[first]) / _ideal(counts[row[first]], k)
            self.sums[f"{prefix}nDCG@{k}"] += gains.sum()
            if self.weights is not None:
                weights = self.weights[label[first]]
                self.sums[f"{prefix}PSP@{k}"] += weights.sum()
                self.sums[f"{prefix}PSnDCG@{k}"] += (weights * gains).sum()


def _best_ranking(relevant, weights):
    """The relevant labels of each row by falling weight: row, place, label."""
    row = relevant_rows(relevant)
    order = np.lexsort((-weights[relevant.ids], row))  # leaves `row` as it is
    place = np.arange(len(row)) - relevant.splits[row]
    return row, place, relevant.ids[order]


def _discount(place):
    return 1 / np.log2(place + 2.0)


def _ideal(counts, k):
    """DCG@k of perfect rankings of rows with `counts` >= 1 relevant labels."""
    return np.cumsum(_discount(np.arange(k)))[np.minimum(counts, k) - 1]
