"""Triplet loss on the hardest negatives of the batch, as NGAME trains."""

import keras
from keras import ops

WEIGHTINGS = ("ngame", "dexa", "hinge", "mean")
# How hard a negative is that keeps the margin.
KEEPS_MARGIN = {"ngame": 0.0, "dexa": -1e9, "hinge": -100.0}


def ngame_triplet(
    relevance,
    scores,
    margin=0.3,
    num_negatives=10,
    temperature=0.1,
    weighting="ngame",
    num_positives=16,
):
    """NGAME's triplet loss of each query, as a function.

    See `NGAMETriplet` for the formula and for what the arguments mean.

    Args:
        relevance: `[queries, candidates]`; 1 positive, 0 negative, -1 ignored.
        scores: `[queries, candidates]`, float, cosines as published. The number
            of candidates is static.
        margin: Float.
        num_negatives: Positive integer.
        temperature: Positive float.
        weighting: `"ngame"`, `"dexa"`, `"hinge"` or `"mean"`.
        num_positives: Positive integer, or `None` for all.

    Returns:
        `[queries]`, float32. Zero for a query without positive or negative.
    """
    scores = ops.cast(scores, "float32")
    positive = ops.equal(relevance, 1)  # [q, c]
    # What is missing becomes -inf among the negatives and +inf among the
    # positives; either way its hinge is 0 and passes no gradient.
    negatives = _highest(scores, ops.equal(relevance, 0), num_negatives)
    short = num_negatives - negatives.shape[-1]
    negatives = ops.pad(
        negatives, [[0, 0], [0, short]], constant_values=-float("inf")
    )  # [q, n]
    positives = -_highest(-scores, positive, num_positives)  # [q, p]

    negatives = negatives[:, None, :]  # [q, 1, n]
    hinge = ops.relu(negatives - positives[:, :, None] + margin)  # [q, p, n]
    if weighting != "mean":
        hardness = hinge if weighting == "hinge" else negatives
        hardness = ops.where(
            hinge > 0, hardness / temperature, KEEPS_MARGIN[weighting]
        )
        log_z = ops.logsumexp(hardness, axis=-1, keepdims=True)
        hinge = hinge * ops.exp(hardness - log_z)

    count = ops.sum(ops.cast(positive, "float32"), axis=-1)  # [q]
    count = ops.clip(count, 1.0, float(positives.shape[-1]))
    return ops.sum(hinge, axis=(-2, -1)) / num_negatives / count


def _highest(scores, allowed, limit):
    """The highest allowed scores, then -inf: `[q, min(limit, candidates)]`."""
    scores = ops.where(allowed, scores, -float("inf"))
    columns = scores.shape[-1]
    return ops.top_k(scores, columns if limit is None else min(limit, columns))[
        0
    ]


@keras.saving.register_keras_serializable(package="tfxc")
class NGAMETriplet(keras.losses.Loss):
    """Triplet loss on the hardest negatives of the batch, as NGAME trains.

    When batches hold whole clusters of similar queries, the hard negatives are
    already among the candidates: this loss finds the `num_negatives` that score
    highest and weighs up those that score highest of all.

    ```
    loss(q)   = mean over positives p, mean over hardest negatives n of
                w_pn * h_pn
    h_pn      = max(0, s_n - s_p + margin)
    w_p       = softmax over n of (s_n / t where h_pn > 0, else 0)     "ngame"
                softmax over n of (s_n / t where h_pn > 0, else -inf)  "dexa"
                softmax over n of (h_pn / t where h_pn > 0, else -100) "hinge"
                1                                                      "mean"
    ```

    The weights of a positive sum to 1 and still the mean over negatives divides
    by `num_negatives`, also where a query has fewer: both as in the authors'
    code, whose learning rates assume it. There a missing negative, as any other
    that keeps the margin, also takes a share of the "ngame" weights. The
    gradient flows through the weights too. Of equal scores the earlier
    candidate counts as harder; the loss does not depend on which.

    Args:
        margin: Float; by how much a positive should beat a negative.
        num_negatives: Positive integer; the hardest negatives that count.
        temperature: Positive float `t`; lower ones stress the hardest more.
        weighting: `"ngame"`, `"dexa"`, `"hinge"` or `"mean"`, see the
            formula. NGAME trains its encoder with the first, its classifiers
            with `"hinge"` and t = 1.
        num_positives: Positive integer; of the positives of a query only those
            count that score lowest, at most this many. The published loss has
            one positive per query. `None` counts all, at a cost of queries x
            candidates x `num_negatives`.
        reduction: See `keras.losses.Loss`.
        name: Optional name of the loss.

    Call arguments:
        y_true: `[queries, candidates]` relevance: 1 for a positive, 0 for a
            negative, -1 for a candidate to ignore, such as a further positive
            of the query that was not drawn.
        y_pred: `[queries, candidates]` scores, any float dtype; the loss itself
            is computed in float32.

    Example:

    >>> loss = tfxc.losses.NGAMETriplet(num_negatives=2, weighting="mean")
    >>> y_true = [[1.0, 0.0, -1.0, 0.0]]
    >>> y_pred = [[0.9, 0.8, 0.5, 0.1]]
    >>> round(float(loss(y_true, y_pred)), 4)
    0.1

    References:
        - [Dahiya et al., 2023](https://arxiv.org/abs/2207.04452) (NGAME)
        - [Dahiya et al., 2023](https://doi.org/10.1145/3580305.3599301) (DEXA)
    """

    def __init__(
        self,
        margin=0.3,
        num_negatives=10,
        temperature=0.1,
        weighting="ngame",
        num_positives=16,
        reduction="sum_over_batch_size",
        name="ngame_triplet",
    ):
        super().__init__(reduction=reduction, name=name, dtype="float32")
        if not temperature > 0:
            raise ValueError(
                "`temperature` must be positive. "
                f"Received: temperature={temperature}"
            )
        if num_negatives < 1:
            raise ValueError(
                "`num_negatives` must be at least 1. "
                f"Received: num_negatives={num_negatives}"
            )
        if num_positives is not None and num_positives < 1:
            raise ValueError(
                "`num_positives` must be at least 1, or None. "
                f"Received: num_positives={num_positives}"
            )
        if weighting not in WEIGHTINGS:
            raise ValueError(
                f"`weighting` must be one of {WEIGHTINGS}. "
                f"Received: weighting={weighting!r}"
            )
        self.settings = {
            "margin": margin,
            "num_negatives": num_negatives,
            "temperature": temperature,
            "weighting": weighting,
            "num_positives": num_positives,
        }

    def call(self, y_true, y_pred):
        return ngame_triplet(y_true, y_pred, **self.settings)

    def get_config(self):
        return {**super().get_config(), **self.settings}
