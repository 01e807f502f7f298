"""Products of queries with what a tree of clusters keeps."""

from keras import ops


def num_levels(arrays):
    """Levels of the tree."""
    return sum(name.startswith("splits_") for name in arrays)


def exact_scores(arrays, queries, place):
    """Products with the labels at some places `[n]` or `[b, n]`: `[b, n]`."""
    codes = ops.take(arrays["codes"], place, axis=0)
    return products(queries, ops.cast(codes, "float32"))


def products(queries, vectors):
    """Inner products of queries `[b, d]` with their vectors: `[b, n]`.

    Args:
        queries: `[b, d]`, float32.
        vectors: `[b, n, d]`, or `[n, d]`, the same for all; float32.
    """
    if len(vectors.shape) == 2:
        return ops.matmul(queries, ops.transpose(vectors))
    # XLA compiles small products on CPUs badly, and sums well.
    return ops.sum(queries[:, None] * vectors, axis=2)


def block_scores(queries, blocks, chosen):
    """Products of queries with all vectors of some blocks: `[b, m * s]`.

    Args:
        queries: `[b, d]`, float32.
        blocks: `[blocks, d, s]`, float.
        chosen: `[b, m]`, int.
    """
    near = ops.cast(ops.take(blocks, chosen, axis=0), "float32")
    scores = ops.sum(queries[:, None, :, None] * near, axis=2)
    return ops.reshape(scores, (queries.shape[0], -1))
