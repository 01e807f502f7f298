"""Losses that tell the right labels of a query from drawn ones."""

from keras import ops

CONTRASTS = ("negative_sampling", "noise_contrastive", "one_vs_each")


def noise_contrast(
    positives,
    scores,
    log_q_positive,
    drawn,
    drawn_scores,
    log_q,
    contrast="negative_sampling",
    regularizer=0.0,
):
    """Loss of each query on its labels and a few that were drawn for it.

    With s the score of a label that is right, s' that of a drawn one, and q
    their probabilities by the sampler,

    ```
    "negative_sampling"  softplus(-s) + mean softplus(s')
    "noise_contrastive"  the same of s - log q and s' - log q'
    "one_vs_each"        mean of [other label] softplus(s' - s) / q'
    ```

    with the mean over the draws, and then over the labels of a query. Softmax
    scores are, at the optimum and up to a constant of the query, `s + log q` of
    the first and s of the others. Draws of "negative_sampling" and
    "noise_contrastive" may be right: without these the optimum is another.
    "one_vs_each" is at least -log p of the softmax of s, but for the noise of
    draws.

    The regulariser is `strength * (softmax score)^2`, of each score where its
    loss is counted.

    Args:
        positives: `[q, p]`, int; the labels of each query, then -1.
        scores: `[q, p]`, float; theirs.
        log_q_positive: `[q, p]`, float.
        drawn: `[q, n]`, int.
        drawn_scores: `[q, n]`, float.
        log_q: `[q, n]`, float.
        contrast: One of the names above.
        regularizer: The strength, not negative.

    Returns:
        `[q]`, float32. Zero for a query without labels.

    Raises:
        ValueError: if there is no such contrast.

    References:
        - [Bamler and Mandt, 2020](https://arxiv.org/abs/2002.06298), eqs. 2, 6
        - [Gutmann and Hyvarinen, 2010](https://proceedings.mlr.press/v9/gutmann10a.html)
        - [Titsias, 2016](https://arxiv.org/abs/1609.07410)
    """
    if contrast not in CONTRASTS:
        raise ValueError(
            f"`contrast` must be one of {CONTRASTS}. Received: {contrast!r}"
        )
    scores, drawn_scores, log_q_positive, log_q = (
        ops.cast(part, "float32")
        for part in (scores, drawn_scores, log_q_positive, log_q)
    )
    log_q_positive, log_q = map(ops.stop_gradient, (log_q_positive, log_q))
    known = ops.cast(positives >= 0, "float32")  # [q, p]
    softmax_scores = scores, drawn_scores
    if contrast == "one_vs_each":
        other = ops.not_equal(positives[:, :, None], drawn[:, None, :])
        gaps = drawn_scores[:, None, :] - scores[:, :, None]  # [q, p, n]
        weights = ops.exp(-log_q)[:, None, :] * ops.cast(other, "float32")
        terms = ops.mean(weights * ops.softplus(gaps), axis=2)
        wrong = ops.zeros_like(drawn_scores)
    else:
        if contrast == "negative_sampling":
            softmax_scores = scores + log_q_positive, drawn_scores + log_q
        else:
            scores = scores - log_q_positive
            drawn_scores = drawn_scores - log_q
        terms, wrong = ops.softplus(-scores), ops.softplus(drawn_scores)
    terms = terms + regularizer * ops.square(softmax_scores[0])
    wrong = wrong + regularizer * ops.square(softmax_scores[1])
    count = ops.sum(known, axis=1)
    right = ops.sum(known * terms, axis=1) / ops.maximum(count, 1.0)
    return right + ops.where(count > 0, ops.mean(wrong, axis=1), 0.0)
