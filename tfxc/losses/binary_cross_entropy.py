"""One-versus-all loss: each candidate is a yes-or-no question of its own."""

import keras
from keras import ops


def binary_cross_entropy(relevance, scores, temperature=1.0, shift=0.0):
    """Summed binary cross-entropy of each query, as a function.

    See `BinaryCrossEntropy`.

    Args:
        relevance: `[queries, candidates]`; 1 positive, 0 negative, -1 ignored.
        scores: `[queries, candidates]`, float.
        temperature: Positive float that divides the scores.
        shift: Float that is then taken from them.

    Returns:
        `[queries]`, float32.
    """
    scores = ops.cast(scores, "float32") / temperature - shift
    positive = ops.cast(ops.equal(relevance, 1), "float32")
    terms = ops.softplus(scores) - positive * scores  # [q, c]
    return ops.sum(ops.where(ops.equal(relevance, -1), 0.0, terms), axis=-1)


@keras.saving.register_keras_serializable(package="tfxc")
class BinaryCrossEntropy(keras.losses.Loss):
    """One-versus-all loss: each candidate is a yes-or-no question of its own.

    ```
    loss(q) = sum over candidates c of  softplus(z_c) - y_c z_c
    z_c     = s_c / t - shift
    ```

    The sum is not divided by the number of candidates: a mean over very many
    labels would leave each of the few positives next to no gradient. The
    gradient is `sigmoid(z) - y`, divided by t. Cosines need a shift above zero:
    those of most labels are near zero, where `sigmoid` is one half.

    Args:
        temperature: Positive float `t` that divides the scores.
        shift: Float; the score, after division, that is as likely as not.
        reduction: See `keras.losses.Loss`.
        name: Optional name of the loss.

    Call arguments:
        y_true: `[queries, candidates]` relevance: 1 for a positive, 0 for a
            negative, -1 for a candidate to ignore.
        y_pred: `[queries, candidates]` scores, any float dtype; the loss itself
            is computed in float32.

    Example:

    >>> loss = tfxc.losses.BinaryCrossEntropy()
    >>> round(float(loss([[1.0, 0.0, -1.0]], [[2.0, -2.0, 9.0]])), 4)
    0.2539

    Relations:
        `keras.losses.BinaryCrossentropy` takes the mean over candidates and
        cannot ignore any.

    Reference:
        Jain et al., 2023, Renee: End-to-end training of extreme
        classification models, MLSys.
    """

    def __init__(
        self,
        temperature=1.0,
        shift=0.0,
        reduction="sum_over_batch_size",
        name="binary_cross_entropy",
    ):
        super().__init__(reduction=reduction, name=name, dtype="float32")
        if not temperature > 0:
            raise ValueError(
                "`temperature` must be positive. "
                f"Received: temperature={temperature}"
            )
        self.temperature = temperature
        self.shift = shift

    def call(self, y_true, y_pred):
        return binary_cross_entropy(
            y_true, y_pred, self.temperature, self.shift
        )

    def get_config(self):
        return {
            **super().get_config(),
            "temperature": self.temperature,
            "shift": self.shift,
        }
