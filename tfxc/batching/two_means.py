"""Balanced two-means: cut unit vectors in two halves of stated sizes."""

import numpy as np

MAX_PASSES = 10
TOLERANCE = 1e-4  # the gain in mean cosine below which passes stop
GOLDEN = 0x9E3779B97F4A7C15  # the increment of splitmix64


def balanced_two_means(vectors, seed, first=None):
    """Splits unit vectors into two compact halves of exact sizes.

    Plain 2-means may cut one row off from all others. Here the assignment step
    ranks the rows and cuts the ranking at a fixed place:

    ```
    start:  c1, c2 = two distinct random rows
    pass:   first half = the `first` rows of least  x.c2 - x.c1
            objective  = mean of x.c1 over the first, x.c2 over the second half
            c1, c2     = normalised sums of the two halves
    ```

    until the objective gains less than 1e-4, or after 10 passes. The objective
    never falls. The cut is a partial sort, so a pass is linear in the rows.

    Args:
        vectors: `[rows, d]`, float; unit vectors (zero vectors do no harm).
        seed: Integer or tuple of integers, none negative.
        first: Rows of the first half; `rows // 2` by default.

    Returns:
        `[rows]`, bool; True for a row of the first half.

    Raises:
        ValueError: if there are fewer than two rows, a value is not finite, or
            a half would be empty.

    Example:

    >>> x = [[1, 0], [0, 1], [0.8, 0.6], [0.6, 0.8]]
    >>> half = tfxc.batching.balanced_two_means(x, seed=0)
    >>> bool(half[0] == half[2] != half[1] == half[3])
    True

    Reference:
        [Prabhu et al., 2018](https://doi.org/10.1145/3178876.3185998)
    """
    vectors = np.asarray(vectors, np.float32)
    if vectors.ndim != 2 or len(vectors) < 2:
        raise ValueError(
            "`vectors` must be [rows, d] with at least two rows. "
            f"Received: shape {vectors.shape}"
        )
    if not np.isfinite(vectors).all():
        raise ValueError("`vectors` must be finite. Received: NaN or infinity")
    first = len(vectors) // 2 if first is None else first
    if not 0 < first < len(vectors):
        raise ValueError(
            f"`first` must be in [1, {len(vectors) - 1}]. Received: {first}"
        )
    starts = starting_rows(seed_key(seed), np.array([1]), len(vectors))
    ranks, _ = split_nodes(vectors[None], first, starts)
    half = np.zeros(len(vectors), bool)
    half[ranks[0, :first]] = True
    return half


def split_nodes(x, first, starts):
    """Balanced two-means of many equally large nodes at once.

    The nodes share each numpy call but nothing else: a node is split as it
    would be alone.

    Args:
        x: `[nodes, rows, d]`, float32.
        first: Rows in the first half, in `[1, rows - 1]`.
        starts: `[nodes, 2]`, int; the rows that are the first centroids.

    Returns:
        `(ranks, direction)`. `ranks` `[nodes, rows]`, int: the row numbers,
        those of the first half in the first `first` places. `direction`
        `[nodes, d]`, float32: c2 - c1, from the halves found.
    """
    nodes, rows, _ = x.shape
    ranks = np.empty((nodes, rows), np.intp)
    direction = np.empty((nodes, x.shape[2]), np.float32)
    live = np.arange(nodes)  # which node each entry of x is
    going = np.ones(nodes, bool)  # which entries of x have not converged
    c1, c2 = x[live, starts[:, 0]], x[live, starts[:, 1]]  # [nodes, d]
    total = np.einsum("nrd->nd", x)
    best = np.full(nodes, -np.inf, np.float32)
    for number in range(1, MAX_PASSES + 1):
        # vecdot and einsum, not matmul: their sums do not depend on how many
        # threads BLAS runs, and they leave the cores to the caller's threads.
        margin = np.vecdot(x, (c2 - c1)[:, None])  # [n, r]
        cut = np.argpartition(margin, first, axis=1)
        half = np.zeros(margin.shape, np.float32)
        np.put_along_axis(half, cut[:, :first], 1, axis=1)
        sum1 = np.einsum("nr,nrd->nd", half, x)
        sum2 = total - sum1
        objective = (np.vecdot(sum1, c1) + np.vecdot(sum2, c2)) / rows
        c1, c2 = normalised(sum1), normalised(sum2)
        gains = (objective - best >= TOLERANCE) & (number < MAX_PASSES)
        done = going & ~gains
        ranks[live[done]] = cut[done]
        direction[live[done]] = (c2 - c1)[done]
        going &= gains
        best = objective
        if not going.any():
            break
        if 2 * np.count_nonzero(going) <= len(live):  # the copy pays off
            x, total, best = x[going], total[going], best[going]
            c1, c2, live = c1[going], c2[going], live[going]
            going = np.ones(len(live), bool)
    return ranks, direction


def normalised(x):
    """`x / |x|` along the last axis; a zero vector stays zero."""
    norm = np.sqrt(np.vecdot(x, x))[..., None]
    return x / np.maximum(norm, np.float32(1e-30))


def starting_rows(key, paths, rows):
    """Two distinct rows per node, a hash of the seed's key and the node.

    A generator per node would cost more than the split of a small node.

    Args:
        key: Integer in [0, 2^64), from `seed_key`.
        paths: `[nodes]`, int; number of each node in the tree (root 1, children
            of p 2p and 2p + 1).
        rows: Rows of each node, at least 2.

    Returns:
        `[nodes, 2]`, int64.
    """
    step = np.uint64(GOLDEN)
    a = mixed(np.uint64(key) ^ mixed(paths.astype(np.uint64) * step))
    b = mixed(a + step)
    one = (a % np.uint64(rows)).astype(np.int64)
    gap = (b % np.uint64(rows - 1)).astype(np.int64) + 1
    return np.stack([one, (one + gap) % rows], axis=1)


def mixed(z):
    """The finaliser of splitmix64: uint64 in, well mixed uint64 out."""
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def seed_key(seed):
    """The 64-bit key of a seed, which may be a tuple such as (seed, epoch)."""
    return int(np.random.SeedSequence(seed).generate_state(1, np.uint64)[0])
