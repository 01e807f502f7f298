"""How much memory a loss over all labels takes."""


def full_label_memory(num_labels, dim, num_queries, block_labels=2048):
    """Bytes that a full-label loss and its gradients need beside the table.

    Most of it is the table's gradient, as large as the table. If the rest is
    too much, lower `block_labels` or the queries of a batch; if the gradient
    itself is, the labels do not fit, and a loss on sampled candidates remains.

    Args:
        num_labels: Rows of the table.
        dim: Its columns.
        num_queries: Queries of a batch.
        block_labels: See `full_label_loss`.

    Returns:
        Integer.

    Example:

    >>> tfxc.layers.full_label_memory(1_000_000, 128, 1024) // 2**20
    509
    """
    block = min(num_labels, block_labels)
    values = (
        num_labels * dim  # the gradient
        + 2 * block * num_queries  # scores, and the gradient there
        + 3 * block * dim  # vectors and their gradient
        + 4 * num_queries * dim
    )
    return 4 * values
