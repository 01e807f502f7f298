"""Where an adaptive softmax cuts a vocabulary: by what products cost here."""

import itertools

import numpy as np

CANDIDATES = 200  # places of a cut that are tried


def cost_of(cutoffs, frequencies, cost_model, dim, batch_size, shrink=4.0):
    """Seconds of one step's scores with some cutoffs, on average.

    The head compares all rows with the labels before the first cutoff and with
    one token for each tail. A tail sees the rows whose label is in it, in
    `dim / shrink^i` dimensions.

    Args:
        cutoffs: Increasing; the first label of each tail.
        frequencies: `[L]`, float; not increasing.
        cost_model: `CostModel`.
        dim: Dimension of the rows.
        batch_size: Rows of a batch.
        shrink: What the dimension of each tail is divided by once more.

    Returns:
        Float.
    """
    share = np.append(0, np.cumsum(frequencies)) / np.sum(frequencies)
    ends = [*cutoffs, len(frequencies)]
    total = cost_model.seconds(batch_size, dim, ends[0] + len(cutoffs))
    for tail, (start, end) in enumerate(itertools.pairwise(ends), start=1):
        rows = batch_size * (share[end] - share[start])
        total += tail_seconds(cost_model, rows, end - start, dim, tail, shrink)
    return float(total)


def tail_seconds(cost_model, rows, size, dim, tail, shrink):
    """Seconds of a tail, 1 for the first: of its projection and its scores."""
    inner = tail_dim(dim, tail, shrink)
    return cost_model.seconds(rows, dim, inner) + cost_model.seconds(
        rows, inner, size
    )


def tail_dim(dim, tail, shrink):
    """The dimension of the tail-th tail, 1 for the first; at least 1."""
    return max(int(dim // shrink**tail), 1)


def choose_cutoffs(
    frequencies,
    cost_model,
    dim,
    batch_size,
    shrink=4.0,
    most_tails=5,
    head_share=0.8,
    least_dim=16,
    candidates=CANDIDATES,
):
    """The cutoffs of least cost, by dynamic programming.

    Least cost alone would leave the head a few labels, and the rest a handful
    of dimensions: what is learnt of labels is no part of the cost. So the head
    holds the labels of a share of all rows, and no tail has too few dimensions.
    Where labels are about as frequent, half of the rows in tails cost some
    percent of the log-likelihood, a fifth of them less (README).

    With labels in the order of their frequency, tails are ranges. From the last
    tail on, the cheapest way to cover the labels from i by j tails is the best
    first tail `i..e` and the cheapest way to cover the rest by j - 1. All tails
    but the head cost what their range costs, whatever else there is.

    Args:
        frequencies: `[L]`, float; not increasing, some above zero.
        cost_model: `CostModel`, see `measure_cost`.
        dim: Dimension of the rows.
        batch_size: Rows of a batch.
        shrink: See `cost_of`.
        most_tails: Tails at most; with none, the softmax is a full one.
        head_share: Least share of the frequencies that the head holds.
        least_dim: Least dimension of a tail.
        candidates: Places of a cut that are tried, evenly in the logarithm;
            all, where there are fewer labels.

    Returns:
        Increasing list of int; empty if no cut is worth it.

    Raises:
        ValueError: if frequencies are not as said.
    """
    frequencies = np.asarray(frequencies, np.float64)
    check_frequencies(frequencies)
    rises = np.flatnonzero(np.diff(frequencies) > 0)
    if len(rises):
        raise ValueError(
            "`frequencies` must not increase. Received: "
            f"{frequencies[rises[0]]} before {frequencies[rises[0] + 1]}, of "
            f"label {rises[0] + 1}"
        )
    size = len(frequencies)
    share = np.append(0, np.cumsum(frequencies)) / frequencies.sum()
    places = np.unique(
        np.geomspace(1, size, min(candidates, size)).round().astype(int)
    )
    if size <= candidates:
        places = np.arange(1, size + 1)
    starts, ends = places[:, None], places[None]
    rows = batch_size * (share[ends] - share[starts])
    best = cost_of([], frequencies, cost_model, dim, batch_size, shrink), []
    for tails in range(1, min(most_tails, size - 1) + 1):
        if tail_dim(dim, tails, shrink) < least_dim:
            break
        # least[i]: of covering the labels from places[i] by the tails so far.
        least = np.where(places == size, 0.0, np.inf)
        chosen = []
        for tail in range(tails, 0, -1):
            costs = tail_seconds(
                cost_model, rows, ends - starts, dim, tail, shrink
            )
            costs = np.where(ends > starts, costs, np.inf) + least[None]
            chosen.append(costs.argmin(axis=1))
            least = costs.min(axis=1)
        total = least + cost_model.seconds(batch_size, dim, places + tails)
        total = np.where(share[places] >= head_share, total, np.inf)
        first = int(total.argmin())
        if total[first] < best[0]:
            path = [first]
            for step in chosen[:0:-1]:
                path.append(int(step[path[-1]]))
            best = total[first], [int(places[place]) for place in path]
    return best[1]


def check_frequencies(frequencies):
    """Raises `ValueError` unless they can be those of labels."""
    sound = frequencies.ndim == 1 and len(frequencies) > 0
    sound = sound and np.isfinite(frequencies).all() and frequencies.min() >= 0
    if not sound or not frequencies.sum() > 0:
        raise ValueError(
            "`frequencies` must be [L] and finite, none below zero and some "
            f"above. Received: {frequencies}"
        )
