"""Loss over all labels, of which only a block is scored at a time."""

from keras import ops

from tfxc.layers import full_label_terms
from tfxc.layers.label_blocks import LOSSES, Settings


def full_label_loss(
    queries,
    table,
    positives,
    loss="decoupled_softmax",
    temperature=1.0,
    block_labels=2048,
    cosine=False,
    shift=0.0,
):
    """Loss of each query against all labels, in the memory of one block.

    With a million labels and a thousand queries the scores would take 4 GB, as
    much again for each step of the formula, and the same for their gradient.
    Here a pass holds the scores of `block_labels` labels, and the gradient
    comes from a second pass that scores them again. Nothing is sampled: with s
    a query's scores, divided by the temperature, less the shift, P its
    positives and N all other labels,

    ```
    "decoupled_softmax"     mean over p in P of -log( e^s_p / (e^s_p + Z) ),
                            Z = sum over n in N of e^s_n
    "softmax"               mean over p in P of -log( e^s_p / sum of all e^s )
    "binary_cross_entropy"  sum over all labels of log(1 + e^s), less the sum
                            over P of s_p
    ```

    Differentiable with respect to `queries` and `table`; the gradient of the
    table is dense. All shapes are static. Where a step needs the value and
    both gradients, `full_label_loss_and_gradients` takes fewer passes.

    Args:
        queries: `[q, d]`, float; query vectors.
        table: `[labels, d]`, float; one vector per label.
        positives: `[q, p]`, int; the labels that are right, then -1. Of
            repeated ones, one counts.
        loss: One of the names above.
        temperature: Positive float that divides the scores.
        block_labels: Positive integer; labels scored at a time.
        cosine: Whether to divide the table's rows by their norms, gradient
            included.
        shift: Float; the score, after division, at which the binary
            cross-entropy says "as likely as not". Cosines need one above zero,
            for those of most labels are near zero. Changes no softmax.

    Returns:
        `[q]`, float32. Under the softmaxes zero for a query without positive.

    Example:

    >>> queries = np.array([[1.0, 0.0]])
    >>> table = np.array([[2.0, 0.0], [0.0, 0.0], [0.0, 1.0]])
    >>> losses = tfxc.layers.full_label_loss(queries, table, [[0, -1]])
    >>> round(float(losses[0]), 4)
    0.2395

    Relations:
        Equals the functions of these names in `tfxc.losses` on a relevance
        `[q, labels]`.

    References:
        - [Gupta et al., 2024](https://arxiv.org/abs/2310.10636): decoupled
          softmax over all labels, with gradients kept by block
        - Jain et al., 2023, Renee: End-to-end training of extreme
          classification models, MLSys: binary cross-entropy over all labels
    """
    queries, table, positives, settings = _checked(
        queries,
        table,
        positives,
        *(loss, temperature, block_labels, cosine, shift),
    )

    @ops.custom_gradient
    def run(queries, table):
        queries, table = ops.stop_gradient(queries), ops.stop_gradient(table)
        losses, saved = full_label_terms.losses(
            queries, table, positives, settings
        )

        def gradient(*arguments, upstream=None):
            upstream = arguments[0] if upstream is None else upstream
            return full_label_terms.gradients(
                queries, table, positives, saved, upstream, settings
            )

        return losses, gradient

    return run(queries, table)


def full_label_loss_and_gradients(
    queries,
    table,
    positives,
    loss="decoupled_softmax",
    temperature=1.0,
    block_labels=2048,
    cosine=False,
    shift=0.0,
    weights=None,
):
    """Losses against all labels, with the gradients, in the fewest passes.

    As the weights of the queries are known before the first block, the binary
    cross-entropy needs one pass: as many matrix products as the gradient alone.
    The softmaxes need two, the first for their normaliser.

    Args:
        queries: `[q, d]`, float.
        table: `[labels, d]`, float.
        positives: `[q, p]`, int; -1 is none.
        loss: See `full_label_loss`, also for the arguments up to `shift`.
        temperature: Positive float.
        block_labels: Positive integer.
        cosine: Whether to divide the table's rows by their norms.
        shift: Float.
        weights: `[q]`, float; `1 / q` by default, for the mean loss.

    Returns:
        The losses `[q]`, and the gradients of the sum of `weights * losses`
        with respect to `queries` `[q, d]` and `table` `[labels, d]`.

    Example:

    >>> queries, table = np.eye(2), np.eye(3, 2)
    >>> losses, to_queries, to_table = (
    ...     tfxc.layers.full_label_loss_and_gradients(
    ...         queries, table, [[0], [1]], "binary_cross_entropy"))
    >>> [round(float(g), 3) for g in to_table[0]]  # (sigmoid(s) - y) / 2
    [-0.134, 0.25]
    """
    queries, table, positives, settings = _checked(
        queries,
        table,
        positives,
        *(loss, temperature, block_labels, cosine, shift),
    )
    if weights is None:
        weights = ops.full((queries.shape[0],), 1 / queries.shape[0])
    weights = ops.cast(weights, "float32")
    return full_label_terms.losses_and_gradients(
        queries, table, positives, weights, settings
    )


def _checked(
    queries, table, positives, loss, temperature, block_labels, cosine, shift
):
    """The arguments as the passes take them."""
    if loss not in LOSSES:
        raise ValueError(
            f"`loss` must be one of {LOSSES}. Received: loss={loss!r}"
        )
    if not temperature > 0:
        raise ValueError(
            f"`temperature` must be positive. Received: {temperature=}"
        )
    if block_labels < 1:
        raise ValueError(
            f"`block_labels` must be at least 1. Received: {block_labels=}"
        )
    queries = ops.cast(ops.convert_to_tensor(queries), "float32")
    table = ops.convert_to_tensor(table)
    # This reads a variable; compiled passes would keep hold of it.
    table = ops.reshape(table, table.shape)
    positives = ops.cast(ops.convert_to_tensor(positives), "int32")
    shapes = [tuple(x.shape) for x in (queries, table, positives)]
    sizes = [size for shape in shapes for size in shape]
    if (
        [len(shape) for shape in shapes] != [2, 2, 2]
        or None in sizes
        or (sizes[0], sizes[1]) != (sizes[4], sizes[3])
    ):
        raise ValueError(
            "`queries`, `table` and `positives` must have static shapes "
            "[q, d], [labels, d] and [q, p]. Received: shapes "
            + ", ".join(map(str, shapes))
        )
    settings = Settings(
        loss,
        float(temperature),
        int(block_labels),
        bool(cosine),
        float(shift),
    )
    return queries, table, positives, settings
