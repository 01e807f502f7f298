"""The correct ones among predictions."""

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True)
class Hits:
    """Predictions that are relevant, in the order of rows and places.

    There are at most as many as there are relevant labels, so whatever is made
    of them costs little, however many predictions were looked through.

    Args:
        row: `[hits]`, int64; row of each.
        place: `[hits]`, int64; its place in the ranking, from 0.
        label: `[hits]`, int; its label.
    """

    row: np.ndarray
    place: np.ndarray
    label: np.ndarray

    def first(self, k):
        """Those among the first `k` predictions of their row."""
        inside = self.place < k
        return Hits(self.row[inside], self.place[inside], self.label[inside])


def find_hits(ids, relevant):
    """Finds the predictions that are relevant.

    Args:
        ids: `[q, n]`, int; predicted labels, best first; negative for none.
        relevant: `LabelLists` of `q` rows.

    Returns:
        `Hits`.

    Raises:
        ValueError: if shapes disagree, a label is out of range, or a relevant
            label is predicted twice in a row.
    """
    highest = ids.max(initial=-1)
    if highest >= relevant.num_columns:
        raise ValueError(
            f"`ids` must be below {relevant.num_columns}. Received: {highest}"
        )
    # A (row, label) pair as one number; those of `relevant` are sorted.
    truth = relevant_rows(relevant) * relevant.num_columns + relevant.ids
    row, place = np.nonzero(ids >= 0)
    label = ids[row, place]
    pairs = row * relevant.num_columns + label
    found = np.searchsorted(truth, pairs)
    hit = np.append(truth, -1)[found] == pairs
    hits = Hits(row[hit], place[hit], label[hit])
    if len(np.unique(pairs[hit])) < len(hits.row):
        raise ValueError(
            "`ids` must not repeat a label within a row. "
            f"Received: {len(hits.row)} hits of "
            f"{len(np.unique(pairs[hit]))} pairs"
        )
    return hits


def relevant_rows(relevant):
    """The row of each entry of a `LabelLists`: `[entries]`, int64."""
    return np.repeat(np.arange(len(relevant)), relevant.row_counts())
