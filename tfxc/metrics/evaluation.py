"""All metrics of a split from one pass over its queries."""

import dataclasses
import math

import numpy as np

from tfxc.metrics.groups import frequency_groups, rows_with_group
from tfxc.metrics.propensity import inverse_propensity
from tfxc.metrics.ranking import RankingMetrics

KS = (1, 3, 5)
RECALL_KS = (10, 100)
BLOCK = 8192  # queries; bounds the memory where vectors are made on the way


@dataclasses.dataclass(frozen=True)
class Sample:
    """The best labels of some queries, to be looked at.

    Args:
        rows: `[n]`, int64; sorted rows of the split.
        ids: `[n, 5]`, int32; best label first, -1 for none.
        scores: `[n, 5]`, float32.
    """

    rows: np.ndarray
    ids: np.ndarray
    scores: np.ndarray


def evaluate_split(
    query_vectors,
    search,
    split,
    label_counts,
    num_train_rows,
    a=0.55,
    b=1.5,
    sample_size=200,
    seed=0,
):
    """Exact top 100 of each query, and every metric that tfxc reports.

    Memory is one block of vectors and scores. Filtered labels are taken out
    before the top 100 are.

    Args:
        query_vectors: `[q, d]` array, or any object whose slices are such
            arrays, so that queries can be encoded block by block.
        search: What has `top_k(queries, k, filtered)` over `L` labels, as
            `tfxc.search.ExactSearch`.
        split: `tfxc.data.Split` of `q` queries.
        label_counts: `[L]`, int; training rows that have each label.
        num_train_rows: Number of training rows.
        a: Constant of the propensity, see `inverse_propensity`.
        b: Constant of the propensity.
        sample_size: Number of queries to return the best labels of.
        seed: Chooses them.

    Returns:
        `(metrics, sample)`. `metrics` holds percentages as "P@1", "nDCG@1",
        "PSP@1", "PSnDCG@1" (also at 3 and 5), "R@10", "R@100"; then
        "propensity_A", "propensity_B", "num_queries", "num_labels"; "groups",
        see `RankingMetrics.result`; and, if there are queries with a label
        unseen in training, "zero_shot": the same of these queries. `None`
        where a value does not exist. `sample` is a `Sample`.

    Raises:
        ValueError: if shapes disagree.
    """
    num_labels = len(label_counts)
    weights = inverse_propensity(label_counts, num_train_rows, a, b)
    groups = frequency_groups(label_counts)
    overall = RankingMetrics(num_labels, weights, KS, RECALL_KS, groups)
    zero_shot = RankingMetrics(num_labels, weights, KS, RECALL_KS)
    taken = sample_rows(len(split), sample_size, seed)
    best = []
    for start in range(0, len(split), BLOCK):
        rows = np.arange(start, min(start + BLOCK, len(split)))
        vectors = query_vectors[start : start + len(rows)]
        filtered = split.filtered.take(rows)
        found = search.top_k(vectors, RECALL_KS[-1], filtered)
        _, scores, ids = zip(*found, strict=True)
        scores, ids = np.concatenate(scores), np.concatenate(ids)
        relevant = split.relevant.take(rows)
        overall.update(ids, relevant)
        unseen = rows_with_group(relevant, groups, "unseen")
        zero_shot.update(ids[unseen], relevant.take(unseen))
        inside = np.isin(rows, taken)
        best.append((ids[inside, : KS[-1]], scores[inside, : KS[-1]]))
    return (
        _metrics(overall, zero_shot, num_labels, a, b),
        Sample(taken, *_joined(best)),
    )


def sample_rows(num_rows, size, seed):
    """At most `size` of the rows, sorted: a function of the arguments."""
    order = np.random.default_rng(seed).permutation(num_rows)
    return np.sort(order[:size])


def _joined(best):
    none = np.empty((0, KS[-1]), np.int32), np.empty((0, KS[-1]), np.float32)
    return [np.concatenate(part) for part in zip(none, *best, strict=True)]


def _metrics(overall, zero_shot, num_labels, a, b):
    counted = overall.result()
    groups = counted.pop("groups")
    metrics = {
        **_in_order(counted),
        "propensity_A": a,
        "propensity_B": b,
        "num_queries": overall.overall.num_rows,
        "num_labels": num_labels,
        "groups": groups,
    }
    if zero_shot.overall.num_rows:
        metrics["zero_shot"] = {
            **_in_order(zero_shot.result()),
            "num_queries": zero_shot.overall.num_rows,
        }
    return _without_nan(metrics)


def _in_order(counted):
    names = [
        f"{name}@{k}" for name in ("P", "nDCG", "PSP", "PSnDCG") for k in KS
    ]
    names += [f"R@{k}" for k in RECALL_KS]
    return {name: counted[name] for name in names}


def _without_nan(value):
    """JSON has no NaN: what does not exist becomes `None`."""
    if isinstance(value, dict):
        return {name: _without_nan(part) for name, part in value.items()}
    if isinstance(value, float) and math.isnan(value):
        return None
    return value
