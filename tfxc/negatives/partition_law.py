"""How likely a label is to be drawn, by the groups that it falls into."""

from keras import ops

from tfxc.negatives.bisection import is_among, num_at_most
from tfxc.negatives.scores import exact_scores, num_levels, products

LARGEST = 2**31 - 1  # place in an array that int32 can tell


def label_scores(arrays, queries, found, place):
    """What labels weigh in a partition, as a logarithm: `[b, n]`.

    Args:
        arrays: See `query_partition`.
        queries: See `query_partition`.
        found: `Partition` of those queries.
        place: `[n]` or `[b, n]`, int32; where the labels stand.
    """
    score = exact_scores(arrays, queries, place)
    for level in reversed(range(num_levels(arrays))):
        splits = arrays[f"splits_{level}"]
        group = group_of(splits, place)
        of_mean = products(queries, mean_of(arrays, level, group, place))
        if level == num_levels(arrays) - 1:
            seen = ops.matmul(queries, arrays["directions"])
            inner = place - ops.take(splits, group)
            sketch = columns_of(arrays["sketches"], group, inner)
            by_sketch = of_mean + products(seen, sketch)
            places = ops.broadcast_to(place, by_sketch.shape)
            is_exact = is_among(found.exact, places)
            score = ops.where(is_exact, score, by_sketch)
        group = group if len(group.shape) == 2 else group[None]
        opened = found.opened[level][:, :, None]  # [b, m, 1]
        is_open = ops.any(opened == group[:, None], axis=1)
        score = ops.where(is_open, score, of_mean)
    return score


def group_of(splits, place):
    """The group that has each place: int32."""
    # Not `searchsorted`, for which XLA compares each place with all splits.
    flat = ops.reshape(ops.cast(place, "int32"), (1, -1))
    group = num_at_most(ops.convert_to_tensor(splits)[None], flat) - 1
    return ops.reshape(group, place.shape)


def mean_of(arrays, level, group, place):
    """The means of groups of a level, of which some labels are: `[..., d]`."""
    means = arrays[f"means_{level}"]
    if not level:
        return ops.take(means, group, axis=0)
    parent = group_of(arrays[f"splits_{level - 1}"], place)
    first = ops.take(arrays[f"children_{level - 1}"], parent)
    return columns_of(means, parent, group - first)


def columns_of(blocks, block, inner):
    """Columns of blocks `[blocks, d, s]`: `[..., d]`, float32."""
    count, dim, width = blocks.shape
    index = "int32" if count * dim * width <= LARGEST else "int64"
    start = ops.cast(block, index) * (dim * width) + ops.cast(inner, index)
    steps = ops.arange(dim, dtype=index) * width
    flat = ops.reshape(blocks, (-1,))
    return ops.cast(ops.take(flat, start[..., None] + steps), "float32")
