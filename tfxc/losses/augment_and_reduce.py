"""The softmax loss, bounded by what each query knows of its denominator."""

import math

from keras import ops


def augment_and_reduce(
    positives, scores, drawn, drawn_scores, log_q, log_sums, rate=0.1
):
    """Upper bounds of the softmax loss, and what is learnt of their sums.

    The logarithm of the sum Z of all exponentials of scores lies below each of
    its tangents. A tangent is linear in Z, so that a few draws estimate it
    without bias; and each query keeps the place where its own touches:

    ```
    -log p(y) <= log eta + Z / eta - 1 - s_y
    Z         ~  e^s_y + mean over draws of [y' is not y] e^s_y' / q(y')
    eta      <-  (1 - rate) eta + rate Z, before the loss is computed
    ```

    Args:
        positives: `[q, 1]`, int; the label of each query, or -1.
        scores: `[q, 1]`, float; its score.
        drawn: `[q, n]`, int.
        drawn_scores: `[q, n]`, float.
        log_q: `[q, n]`, float.
        log_sums: `[q]`, float; log eta.
        rate: Float in (0, 1].

    Returns:
        `(losses [q] float32, log_sums [q] float32)`; without a label, 0 and
        what it was.

    Reference:
        [Ruiz et al., 2018](https://arxiv.org/abs/1802.04220), with Gumbel noise
    """
    scores, drawn_scores, log_q = (
        ops.cast(part, "float32") for part in (scores, drawn_scores, log_q)
    )
    weights = log_q + math.log(drawn.shape[1])
    others = ops.where(
        ops.not_equal(drawn, positives), drawn_scores - weights, -float("inf")
    )
    log_z = ops.logsumexp(ops.concatenate([scores, others], axis=1), axis=1)
    known = positives[:, 0] >= 0
    moved = ops.logaddexp(
        log_sums + math.log1p(-min(rate, 1 - 1e-7)),
        ops.stop_gradient(log_z) + math.log(rate),
    )
    losses = moved + ops.exp(log_z - moved) - 1 - scores[:, 0]
    return ops.where(known, losses, 0.0), ops.where(known, moved, log_sums)
