"""P, recall and coverage by group of labels."""

import collections
import functools

import numpy as np

from tfxc.metrics.hits import relevant_rows


class GroupSums:
    """Adds up P, recall and coverage by group of labels.

    ```
    P@k         the hits in the group among the first k / k, mean over rows:
                the P@k of all groups sum to that of all labels
    R@k         of a row's relevant labels in the group, the share among the
                first k; mean over the rows that have such labels
    coverage@k  of the group's labels that are relevant in some row, the share
                that is a hit among the first k in some row
    ```

    Args:
        groups: `LabelGroups`.
        ks: Cut-offs of P and coverage.
        recall_ks: Cut-offs of recall.
    """

    def __init__(self, groups, ks, recall_ks):
        self.groups = groups
        self.ks = ks
        self.recall_ks = recall_ks
        self.num_rows = 0
        zeros = functools.partial(np.zeros, len(groups.names))
        self.sums = collections.defaultdict(zeros)  # by metric, [groups] each
        # Of each label: its relevant rows, and its best place (or the largest).
        num_labels = len(groups.of_label)
        self.pairs = np.zeros(num_labels, np.int64)
        self.best_place = np.full(num_labels, np.iinfo(np.int32).max, np.int32)

    def add(self, hits, relevant):
        """Adds the rows of `relevant`, where `hits` are the correct ones."""
        self.num_rows += len(relevant)
        self.pairs += relevant.counts()
        np.minimum.at(self.best_place, hits.label, hits.place.astype(np.int32))

        of_label, size = self.groups.of_label, len(self.groups.names)
        cells = relevant_rows(relevant) * size + of_label[relevant.ids]
        counts = np.bincount(cells, minlength=len(relevant) * size)
        counts = counts.reshape(-1, size)  # [q, groups]
        self.sums["rows"] += np.count_nonzero(counts, axis=0)
        for k in self.ks:
            group = of_label[hits.first(k).label]
            self.sums[f"P@{k}"] += np.bincount(group, minlength=size) / k
        for k in self.recall_ks:
            first = hits.first(k)
            group = of_label[first.label]
            shares = 1 / counts[first.row, group]
            self.sums[f"R@{k}"] += np.bincount(group, shares, minlength=size)

    def result(self):
        """`{group: {"labels": n, "pairs": n, "P@1": percent, ...}}`."""
        return {
            name: self._result(number)
            for number, name in enumerate(self.groups.names)
        }

    def _result(self, group):
        labels = np.flatnonzero(self.groups.of_label == group)
        relevant = labels[self.pairs[labels] > 0]
        result = {
            "labels": len(labels),
            "pairs": int(self.pairs[labels].sum()),
        }
        for k in self.ks:
            hits = self.sums[f"P@{k}"][group]
            result[f"P@{k}"] = percent(hits, self.num_rows)
        for k in self.recall_ks:
            shares, rows = self.sums[f"R@{k}"][group], self.sums["rows"][group]
            result[f"R@{k}"] = percent(shares, rows)
        for k in self.ks:
            covered = np.count_nonzero(self.best_place[relevant] < k)
            result[f"coverage@{k}"] = percent(covered, len(relevant))
        return result


def percent(part, whole):
    """`part / whole` in percent; NaN where there is no whole."""
    return 100 * float(part) / float(whole) if whole else float("nan")
