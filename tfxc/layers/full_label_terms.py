"""Losses over all labels, from what the passes give for each query."""

from keras import ops

from tfxc.layers import label_passes
from tfxc.layers.label_blocks import Pairs, compiled, unit_rows

LOWEST = -3.4e38  # of float32, about


@compiled
def losses(queries, table, positives, settings):
    """The losses `[q]`, and what `gradients` needs: log Z, rate and pull."""
    pairs, present, scores = _of_positives(queries, table, positives, settings)
    if settings.loss == "binary_cross_entropy":
        total = label_passes.softplus_sum(queries, table, settings)
        rate = ops.ones_like(total)
        return total - ops.sum(present * scores, axis=1), (None, rate, present)
    log_z = label_passes.log_normaliser(queries, table, pairs, settings)
    values, rate, pull = _softmax_terms(log_z, present, scores, settings)
    return values, (log_z, rate, pull)


@compiled
def gradients(queries, table, positives, saved, upstream, settings):
    """Gradients to `queries` and `table`, for an upstream gradient `[q]`."""
    log_z, rate, pull = saved
    pairs, _, _ = _of_positives(queries, table, positives, settings)
    return _gradients(
        queries, table, pairs, log_z, pull, rate * upstream, settings
    )[:2]


@compiled
def losses_and_gradients(queries, table, positives, weights, settings):
    """The losses `[q]`, and gradients of the sum of `weights * losses`."""
    pairs, present, scores = _of_positives(queries, table, positives, settings)
    if settings.loss == "binary_cross_entropy":
        to_queries, to_table, total = _gradients(
            queries, table, pairs, None, present, weights, settings
        )
        values = total - ops.sum(present * scores, axis=1)
        return values, to_queries, to_table
    log_z = label_passes.log_normaliser(queries, table, pairs, settings)
    values, rate, pull = _softmax_terms(log_z, present, scores, settings)
    to_queries, to_table, _ = _gradients(
        queries, table, pairs, log_z, pull, rate * weights, settings
    )
    return values, to_queries, to_table


def _of_positives(queries, table, positives, settings):
    """`Pairs`, and of each `[q, p]`: 1 if it is there, and its score."""
    q, p = positives.shape
    positives = ops.sort(positives, axis=1)
    before = ops.pad(positives[:, :-1], [[0, 0], [1, 0]], constant_values=-1)
    positives = ops.where(positives == before, -1, positives)
    rows = ops.take(table, ops.maximum(positives, 0), axis=0)  # [q, p, d]
    rows = ops.cast(rows, "float32")
    if settings.cosine:
        rows, _ = unit_rows(rows)
    scores = ops.sum(rows * queries[:, None], axis=-1)
    scores = scores / settings.temperature - settings.shift
    pairs = Pairs(
        ops.reshape(positives, (-1,)),
        ops.repeat(ops.arange(q, dtype="int32"), p),
    )
    return pairs, ops.cast(positives >= 0, "float32"), scores


def _softmax_terms(log_z, present, scores, settings):
    """The losses, and the parts of their gradient at the scores:

    ```
    rate_q (p_ql - pull_ql),  p = e^(score - log_z) of the labels in Z
    ```

    Both p and pull sum to 1: the loss moves a query from where the softmax
    puts it to its positives.
    """
    count = ops.maximum(ops.sum(present, axis=1), 1.0)
    lag = log_z[:, None] - scores  # [q, p]
    if settings.loss == "softmax":
        terms, wrong = lag, present
    else:
        terms, wrong = ops.softplus(lag), present * ops.sigmoid(lag)
    # `where`: without positives log Z is of no account, finite or not.
    terms = ops.where(present > 0, terms, 0.0)
    total = ops.sum(wrong, axis=1)
    pull = wrong / ops.maximum(total, 1e-30)[:, None]
    return ops.sum(terms, axis=1) / count, total / count, pull


def _gradients(queries, table, pairs, log_z, pull, weights, settings):
    if log_z is not None:
        # Without negatives log Z is -inf, and so are all scores.
        log_z = ops.maximum(log_z, LOWEST)
    pull = ops.reshape(pull, (-1,))
    return label_passes.gradients(
        queries, table, pairs, pull, log_z, weights, settings
    )
