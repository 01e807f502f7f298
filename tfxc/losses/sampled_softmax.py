"""Softmax loss over all labels, estimated from a few that were drawn."""

import math

from keras import ops

ESTIMATORS = (
    "sampled_softmax",
    "self_normalized",
    "expectation",
    "cache",
    "hard_negatives",
)


def sampled_softmax(
    relevance,
    scores,
    drawn_relevance,
    drawn_scores,
    log_q,
    temperature=1.0,
    estimator="sampled_softmax",
    log_odds=None,
):
    """Softmax loss of each query, with labels drawn by a sampler.

    The candidates of a batch hold the positives of its queries; their further
    columns are negatives that came along, and count as they are. What all other
    labels weigh is estimated from k draws y with probability q. With s the
    scores divided by the temperature and, of each positive p, `p(p)` its
    estimated probability,

    ```
    Z = sum over candidates n of e^s_n
        + mean over draws of [y is no positive, no candidate] e^s_y / q_y

    "sampled_softmax"  -log( e^s_p / (e^s_p + Z) )
    "self_normalized"  the same, where the mean over draws is scaled to
                       (sum over candidates c of relevance 0 or 1 of e^s_c)
                       times the odds by which the law draws a negative that is
                       no candidate
    "cache"            (1 - p(p)) (mean over those draws of s_y - s_p), where
                       the factor has no gradient
    "expectation"      mean over all draws of s_y - s_p
    "hard_negatives"   "sampled_softmax" with q = 1 / k: draws are all there is
    ```

    and the mean of that over the positives of a query. The gradient of
    "sampled_softmax" is consistent: its bias falls as 1 / k, and is small where
    q is near the softmax itself. "self_normalized" takes the size of Z from the
    law, as few draws tell it badly, and weighs draws among themselves. It
    trusts that the law is near the softmax, however many draws there are.
    "expectation" is unbiased if q is the softmax over all labels, the positives
    among them; it ignores candidates. "cache" is unbiased if q is the softmax
    over the negatives, and Z is known; it ignores candidates, too.
    "hard_negatives" is what DyNNIBAL's Algorithm 4 prints; it stresses hard
    draws twice, and stays biased however many there are. The values of "cache"
    and "expectation" mean nothing; only their gradients do.

    The length of the bias as a share of that of the gradient, of a query with
    200 labels in the tests; below 0.001 it cannot be told from none there:

    ```
                         by the softmax          by uniform draws
    draws                8         64            8         64
    "expectation"        < 0.001   < 0.001
    "cache"              < 0.001   < 0.001
    "sampled_softmax"    < 0.001   < 0.001       0.065     0.012
    "self_normalized"    < 0.001   < 0.001
    "hard_negatives"     0.14      0.16          0.34      0.036
    ```

    Of a query that finds its positive as likely as all others together, 8 draws
    by the softmax give "sampled_softmax" a bias of 0.04, and "self_normalized"
    one of less than 0.01; but draws by the softmax at 0.9 of the inverse
    temperature 0.02 and 0.21, and uniform ones 0.11 and 0.98.

    Args:
        relevance: `[q, c]`; 1 positive, 0 negative, -1 ignored.
        scores: `[q, c]`, float.
        drawn_relevance: `[q, k]`; 0 for a negative, -1 for a positive of the
            query, or a candidate of it.
        drawn_scores: `[q, k]`, float.
        log_q: `[q, k]`, or `[k]` for draws that queries share; log q.
        temperature: Positive float.
        estimator: One of the names above.
        log_odds: `[q]`, float, for "self_normalized": log of how likely the law
            draws a negative that is no candidate, less log of how likely it
            draws a candidate whose relevance is 0 or 1. Not finite where that
            is not known; the query's estimate is then "sampled_softmax".

    Returns:
        `[q]`, float32. Zero for a query without positive.

    Raises:
        ValueError: if there is no such estimator, or it misses `log_odds`.

    References:
        - [Bengio and Senecal, 2008](https://doi.org/10.1109/TNN.2007.912312)
        - [Lindgren et al., 2021](https://papers.nips.cc/paper/2021/hash/2175f8c5cd9604f6b1e576b252d4c86e-Abstract.html)
        - [Monath et al., 2023](https://proceedings.mlr.press/v206/monath23a.html)
    """
    if estimator not in ESTIMATORS:
        raise ValueError(
            f"`estimator` must be one of {ESTIMATORS}. Received: {estimator!r}"
        )
    if estimator == "self_normalized" and log_odds is None:
        raise ValueError(
            '"self_normalized" must be given `log_odds`. Received: None'
        )
    scores, drawn = (
        ops.cast(s, "float32") / temperature for s in (scores, drawn_scores)
    )
    positive = ops.cast(ops.equal(relevance, 1), "float32")  # [q, c]
    kept = ops.equal(drawn_relevance, 0)  # [q, k]
    if estimator == "expectation":
        terms = ops.mean(drawn, axis=1, keepdims=True) - scores
    else:
        num = drawn.shape[1]
        others = ops.equal(relevance, 0)
        if estimator == "cache":
            others = ops.zeros_like(others)
        log_q = ops.cast(ops.stop_gradient(log_q), "float32") + math.log(num)
        weighed = drawn if estimator == "hard_negatives" else drawn - log_q
        if estimator == "self_normalized":
            of_draws = _log_sum(weighed, kept)
            of_candidates = _log_sum(scores, ops.not_equal(relevance, -1))
            scale = of_candidates + log_odds[:, None] - of_draws
            scale = ops.where(ops.isfinite(scale), scale, 0.0)
            weighed = weighed + ops.stop_gradient(scale)
        log_z = _log_sum(
            ops.concatenate([scores, weighed], axis=1),
            ops.concatenate([others, kept], axis=1),
        )
        terms = ops.softplus(log_z - scores)
    if estimator == "cache":
        wrong = ops.stop_gradient(ops.sigmoid(log_z - scores))
        count = ops.sum(ops.cast(kept, "float32"), axis=1, keepdims=True)
        mean = ops.sum(ops.where(kept, drawn, 0.0), axis=1, keepdims=True)
        terms = wrong * (mean / ops.maximum(count, 1.0) - scores)
    count = ops.maximum(ops.sum(positive, axis=1), 1.0)
    return ops.sum(positive * terms, axis=1) / count


def _log_sum(values, kept):
    """Log of the sum of some exponentials of each row: `[q, 1]`."""
    values = ops.where(kept, values, -float("inf"))
    return ops.logsumexp(values, axis=1, keepdims=True)
