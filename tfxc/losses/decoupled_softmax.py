"""Softmax loss in which a query's positives do not compete with each other."""

import keras
from keras import ops

from tfxc.losses.softplus import softplus


def decoupled_softmax(relevance, scores, temperature=1.0):
    """Decoupled softmax cross-entropy of each query, as a function.

    See `DecoupledSoftmax` for the formula and for what `relevance` holds.

    Args:
        relevance: `[queries, candidates]`; 1 positive, 0 negative, -1 ignored.
        scores: `[queries, candidates]`, float; higher is better.
        temperature: Positive float that divides the scores.

    Returns:
        `[queries]`, float32. Zero for a query that has no positive.
    """
    relevance = ops.convert_to_tensor(relevance)

    # In closed form: derived step by step, it takes twice the time.
    @ops.custom_gradient
    def run(scores):
        scores = ops.stop_gradient(scores)
        positive = ops.equal(relevance, 1)  # [q, c]
        negative = ops.equal(relevance, 0)  # [q, c]
        # Without negatives log Z is -inf: terms and gradient are then 0.
        log_z = _log_sum_exp(scores, negative)  # [q, 1]
        count = ops.sum(ops.cast(positive, "float32"), axis=-1, keepdims=True)
        count = ops.maximum(count, 1.0)
        # -log(e^s / (e^s + Z)) = log(1 + e^(log Z - s))
        terms = ops.where(positive, softplus(log_z - scores), 0.0)

        def gradient(*arguments, upstream=None):
            upstream = arguments[0] if upstream is None else upstream
            wrong = ops.where(positive, ops.sigmoid(log_z - scores), 0.0)
            total = ops.sum(wrong, axis=-1, keepdims=True)
            share = ops.where(negative, ops.exp(scores - log_z), 0.0)
            return (share * total - wrong) * (upstream[:, None] / count)

        return ops.sum(terms, axis=-1) / count[:, 0], gradient

    return run(ops.cast(scores, "float32") / temperature)


def _log_sum_exp(scores, chosen):
    """Of the chosen scores of each row: `[q, 1]`, -inf where there are none."""
    top = ops.max(ops.where(chosen, scores, -float("inf")), -1, keepdims=True)
    top = ops.where(ops.isfinite(top), top, 0.0)
    total = ops.where(chosen, ops.exp(scores - top), 0.0)
    return ops.log(ops.sum(total, axis=-1, keepdims=True)) + top


@keras.saving.register_keras_serializable(package="tfxc")
class DecoupledSoftmax(keras.losses.Loss):
    """Softmax loss in which a query's positives do not compete with each other.

    A plain softmax over many labels asks the positives of one query to share a
    probability mass of 1, so it keeps pushing down labels that are right. Here
    each positive is normalised only against the negatives:

    ```
    loss(q) = mean over positives p of -log( e^(s_p / t) / (e^(s_p / t) + Z) )
    Z       = sum over negatives n of e^(s_n / t)
    ```

    Args:
        temperature: Positive float `t` that divides the scores.
        reduction: See `keras.losses.Loss`.
        name: Optional name of the loss.

    Call arguments:
        y_true: `[queries, candidates]` relevance: 1 for a positive, 0 for a
            negative, -1 for a candidate to ignore (padding, an accidental hit,
            a suspected false negative).
        y_pred: `[queries, candidates]` scores, any float dtype; the loss itself
            is computed in float32.

    Example:

    >>> loss = tfxc.losses.DecoupledSoftmax()
    >>> y_true = [[1.0, 1.0, 0.0, -1.0]]
    >>> y_pred = [[2.0, 0.0, 0.0, 9.0]]
    >>> round(float(loss(y_true, y_pred)), 4)
    0.41

    Reference:
        [Gupta et al., 2024](https://arxiv.org/abs/2310.10636)
    """

    def __init__(
        self,
        temperature=1.0,
        reduction="sum_over_batch_size",
        name="decoupled_softmax",
    ):
        super().__init__(reduction=reduction, name=name, dtype="float32")
        if not temperature > 0:
            raise ValueError(
                "`temperature` must be positive. "
                f"Received: temperature={temperature}"
            )
        self.temperature = temperature

    def call(self, y_true, y_pred):
        return decoupled_softmax(y_true, y_pred, self.temperature)

    def get_config(self):
        return {**super().get_config(), "temperature": self.temperature}
