"""Exact top-k as a TensorFlow function."""


def top_k(queries, labels, k):
    """The `k` labels with the largest inner product, best first.

    For graphs that serve and for accelerators; all scores are held at once. It
    gives what `exact_top_k` gives, without filters.

    Args:
        queries: `[q, d]`, float tensor.
        labels: `[labels, d]`, float tensor.
        k: Positive integer; may be a tensor, except under `jit_compile`.

    Returns:
        `(scores [q, k] float32, ids [q, k] int32)`. Of equal scores the lower
        id comes first. Beyond the number of labels: score -inf, id -1.

    Example:

    >>> labels = [[1.0, 0.0], [3.0, 0.0], [2.0, 0.0]]
    >>> scores, ids = tfxc.search.top_k([[1.0, 0.0]], labels, k=2)
    >>> ids.numpy().tolist()
    [[1, 2]]
    """
    import tensorflow as tf

    queries = tf.cast(queries, tf.float32)
    labels = tf.cast(labels, tf.float32)
    scores = tf.matmul(queries, labels, transpose_b=True)  # [q, labels]
    found = tf.minimum(k, tf.shape(labels)[0])
    scores, ids = tf.math.top_k(scores, found)  # [q, found]
    missing = [[0, 0], [0, k - found]]
    scores = tf.pad(scores, missing, constant_values=-float("inf"))
    return scores, tf.pad(ids, missing, constant_values=-1)
