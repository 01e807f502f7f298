"""How many hard negatives the batches of a plan miss."""

import numpy as np

from tfxc.batching.cluster_tree import BLOCK


def mining_guarantee(
    query_vectors,
    label_vectors,
    relevant,
    groups,
    radius=None,
    sample=2000,
    seed=0,
):
    """The quantities of NGAME's Theorem 1, measured on a sample.

    A label is an r-hard negative of a query if it is not relevant and within
    distance r. In-batch mining finds it if it is relevant to another query of
    the same group. With all queries `x`, and all labels `z` that are relevant
    to some query, drawn uniformly:

    ```
    e1     = P over relevant pairs   [ |x - z| > r ]
    e2     = P over pairs of queries [ |x - x'| <= 2 r, not in one group ]
    missed = P over (query, label)   [ r-hard negative, not found ]
    missed <= c1 * e1 + c2 * e2
    c1     = mean over labels of queries per label / the least of them
    c2     = max over queries / mean over queries of
             sum over the query's labels of 1 / queries per label
    ```

    as |x - x'| <= |x - z| + |z - x'|. Both factors are 1 if all labels have
    equally many queries and all queries equally many labels. On a sample the
    bound holds up to sampling noise.

    Cost: `sample^2` distances, in blocks, and a few passes over the pairs of
    `relevant`. The share of hard negatives found is `1 - missed / hard`.

    Args:
        query_vectors: `[queries, d]`, float.
        label_vectors: `[labels, d]`, float.
        relevant: `LabelLists` of the queries.
        groups: Batches of row ids, as a plan gives them, or the group of each
            query `[queries]`, int, such as `clusters.of_rows()`. Queries in no
            batch, or in group -1, are left out everywhere.
        radius: r; by default the median distance of the sampled relevant
            pairs, for which e1 is one half.
        sample: Queries, and labels, to draw (all, if there are fewer); ten
            times as many relevant pairs are drawn.
        seed: Integer, not negative.

    Returns:
        `{"radius", "e1", "e2", "c1", "c2", "hard", "missed"}`, floats; `hard`
        is P[ r-hard negative ].

    Raises:
        ValueError: if the sizes disagree or no query has a relevant label.

    Example: three queries, each on top of its label, the last in a batch of
    its own. Of the 6 near pairs of a query and another's label, 4 are missed.

    >>> x = np.eye(3)
    >>> relevant = tfxc.data.label_lists.LabelLists(
    ...     ids=np.arange(3), splits=np.arange(4), num_columns=3)
    >>> found = tfxc.batching.mining_guarantee(
    ...     x, x, relevant, groups=np.array([0, 0, 1]), radius=1.5)
    >>> round(9 * found["hard"]), round(9 * found["missed"])
    (6, 4)

    Reference:
        [Dahiya et al., 2023](https://arxiv.org/abs/2207.04452), theorem 1
    """
    check_sizes(query_vectors, label_vectors, relevant)
    group = group_of_rows(groups, len(query_vectors))
    rows = np.flatnonzero(group >= 0)
    owners = np.repeat(rows, relevant.row_counts()[rows])  # [pairs]
    labels = relevant.take(rows).ids  # [pairs]
    if not labels.size:
        raise ValueError(
            "`relevant` must hold a pair of a grouped query. Received: none"
        )
    rng = np.random.default_rng(seed)
    pair = drawn(rng, np.arange(len(labels)), 10 * sample)
    lengths = pair_lengths(
        query_vectors, label_vectors, owners[pair], labels[pair]
    )
    radius = float(np.median(lengths) if radius is None else radius)
    x = drawn(rng, rows, sample)  # the queries whose negatives count
    x2 = drawn(rng, rows, sample)
    z = drawn(rng, np.flatnonzero(np.bincount(labels)), sample)
    one, other = near_pairs(query_vectors, query_vectors, x, x2, 2 * radius)
    apart = np.count_nonzero(group[one] != group[other])
    near = near_pairs(query_vectors, label_vectors, x, z, radius)
    hard, missed = hard_and_missed(near, (owners, labels), group)
    c1, c2 = regularity(owners, labels, len(rows))
    return {
        "radius": radius,
        "e1": float(np.mean(lengths > radius)),
        "e2": apart / (len(x) * len(x2)),
        "c1": c1,
        "c2": c2,
        "hard": hard / (len(x) * len(z)),
        "missed": missed / (len(x) * len(z)),
    }


def hard_and_missed(near, relevant, group):
    """Counts the hard negatives among near pairs, and those not found.

    Args:
        near: `(queries, labels)`, each `[near]`, int: pairs within the radius.
        relevant: `(queries, labels)`, each `[pairs]`, int: all relevant pairs.
        group: `[queries]`, int.

    Returns:
        `(hard, missed)`, integers.
    """
    (query, label), (owners, labels) = near, relevant
    if not len(query):
        return 0, 0
    # Only pairs of these groups and labels matter; the rest need no sorting.
    kept = np.isin(group, group[query])[owners] & np.isin(labels, label)
    owners, labels = owners[kept], labels[kept]
    width = 1 + np.int64(label.max())
    negative = ~np.isin(query * width + label, owners * width + labels)
    found = np.isin(
        group[query] * width + label, group[owners] * width + labels
    )
    # A relevant label is always found: in the query's own group.
    return np.count_nonzero(negative), np.count_nonzero(~found)


def near_pairs(a, b, a_rows, b_rows, radius):
    """Pairs of rows at most `radius` apart: two arrays `[near]`, int64."""
    b_near = np.asarray(b[b_rows], np.float32)
    b_squares = np.vecdot(b_near, b_near)
    found = []
    for start in range(0, len(a_rows), BLOCK // 8):
        rows = a_rows[start : start + BLOCK // 8]
        x = np.asarray(a[rows], np.float32)
        squares = np.vecdot(x, x)[:, None] + b_squares - 2 * x @ b_near.T
        i, j = np.nonzero(squares <= radius**2)
        found.append((rows[i], b_rows[j]))
    return tuple(np.concatenate(part) for part in zip(*found, strict=True))


def pair_lengths(a, b, a_rows, b_rows):
    """Distance of `a[a_rows]` to `b[b_rows]`, row by row: `[rows]`."""
    lengths = np.empty(len(a_rows), np.float32)
    for start in range(0, len(lengths), BLOCK):
        part = slice(start, start + BLOCK)
        x = np.asarray(a[a_rows[part]], np.float32)
        x = x - np.asarray(b[b_rows[part]], np.float32)
        lengths[part] = np.sqrt(np.vecdot(x, x))
    return lengths


def regularity(owners, labels, num_queries):
    """The factors `(c1, c2)` of `mining_guarantee`, exactly."""
    queries = np.bincount(labels)  # per label
    counts = queries[queries > 0]
    weights = np.bincount(owners, weights=1 / queries[labels])
    c2 = weights.max() * num_queries / len(counts)
    return float(counts.mean() / counts.min()), float(c2)


def drawn(rng, values, most):
    """At most `most` of the values, without replacement, in order."""
    if len(values) <= most:
        return values
    return np.sort(rng.choice(values, most, replace=False, shuffle=False))


def group_of_rows(groups, num_rows):
    """Group ids from ids or from batches; -1 for none: `[rows]`, int64."""
    if isinstance(groups, np.ndarray):
        group = groups.astype(np.int64)
    else:
        group = np.full(num_rows, -1)
        sizes = [len(batch) for batch in groups]
        group[np.concatenate(groups)] = np.repeat(np.arange(len(sizes)), sizes)
    if group.shape != (num_rows,):
        raise ValueError(
            f"`groups` must hold {num_rows} group ids, or batches of row ids. "
            f"Received: shape {group.shape}"
        )
    return group


def check_sizes(query_vectors, label_vectors, relevant):
    expected = (len(query_vectors), len(label_vectors))
    if (len(relevant), relevant.num_columns) != expected:
        raise ValueError(
            "`relevant` must have a row per query vector and a column per "
            f"label vector, {expected}. "
            f"Received: {(len(relevant), relevant.num_columns)}"
        )
