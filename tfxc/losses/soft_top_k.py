"""Loss on the probability of being among the top k, made differentiable."""

import math

import keras
from keras import ops

STEPS = 32  # of bisection: beyond the precision of float32


def soft_top_k(scores, k, sharpness=2.0, allowed=None):
    """Log-probabilities of being among the `k` highest scores of each query.

    ```
    p_j = sigmoid(a (s_j + t)),  with the t for which sum_j p_j = k
    ```

    Bisection finds t; its gradient is that of the implicit function theorem:

    ```
    dt/ds_j = -v_j / sum_m v_m,  v = p (1 - p)
    ```

    Args:
        scores: `[q, c]`, float. The number of candidates is static.
        k: Positive integer; where a query has no more than k candidates, all
            of them have probability 1.
        sharpness: Positive float `a`; larger ones come closer to a hard top k.
        allowed: `[q, c]`, bool; candidates that take part, by default all.

    Returns:
        `[q, c]`, float32; 0 for candidates that take no part.

    Example:

    >>> log_p = tfxc.losses.soft_top_k(np.array([[2.0, 1.0, 0.0, -1.0]]), k=2)
    >>> [round(float(p), 3) for p in np.exp(log_p)[0]]
    [0.953, 0.731, 0.269, 0.047]

    Reference:
        [Gupta et al., 2024](https://arxiv.org/abs/2310.10636), SoftTop-k
    """
    scores = ops.cast(scores, "float32")
    if allowed is None:
        allowed = ops.ones_like(scores, dtype="bool")
    weights = ops.cast(allowed, "float32")  # [q, c]
    x = sharpness * ops.where(allowed, scores, 0.0)
    shift = _bisect(ops.stop_gradient(x), weights, k)  # [q, 1]

    # `excess` is 0 but for rounding, which the tiny slope of a query whose top
    # k is clear would blow up: only its gradient is used.
    p = weights * ops.sigmoid(x + shift)
    slope = ops.stop_gradient(ops.sum(p * (1 - p), axis=-1, keepdims=True))
    excess = ops.sum(p, axis=-1, keepdims=True) / ops.maximum(slope, 1e-12)
    shift = shift - (excess - ops.stop_gradient(excess))

    # Without room for a choice t has no finite solution: all are in.
    tight = ops.sum(weights, axis=-1, keepdims=True) > k
    log_p = -ops.softplus(-(x + shift))
    return ops.where(ops.logical_and(allowed, tight), log_p, 0.0)


def _bisect(x, weights, k):
    """The shift for which the sigmoids sum to k: `[q, 1]`."""
    reach = ops.max(ops.abs(x), axis=-1, keepdims=True)
    # From here on all sigmoids are below k / c, or their sum is above k.
    reach = reach + math.log(x.shape[-1] * (1 + 1 / k)) + 1
    low, high = -reach, reach
    for _ in range(STEPS):
        middle = (low + high) / 2
        total = ops.sum(weights * ops.sigmoid(x + middle), -1, keepdims=True)
        low = ops.where(total < k, middle, low)
        high = ops.where(total < k, high, middle)
    return (low + high) / 2


def soft_top_k_loss(relevance, scores, k=5, sharpness=2.0, temperature=1.0):
    """Mean of `-log p` over a query's positives, as a function.

    See `SoftTopK`.

    Args:
        relevance: `[queries, candidates]`; 1 positive, 0 negative, -1 ignored.
        scores: `[queries, candidates]`, float. The number of candidates is
            static.
        k: Positive integer.
        sharpness: Positive float.
        temperature: Positive float that divides the scores.

    Returns:
        `[queries]`, float32. Zero for a query that has no positive.
    """
    scores = ops.cast(scores, "float32") / temperature
    positive = ops.cast(ops.equal(relevance, 1), "float32")
    allowed = ops.not_equal(relevance, -1)
    log_p = soft_top_k(scores, k, sharpness, allowed)
    count = ops.maximum(ops.sum(positive, axis=-1), 1.0)
    return -ops.sum(positive * log_p, axis=-1) / count


@keras.saving.register_keras_serializable(package="tfxc")
class SoftTopK(keras.losses.Loss):
    """Asks for all positives to be among the top k, in whatever order.

    P@k does not care how far ahead a positive is, so this loss does not either:
    where the candidates with the k highest scores are the positives, it is
    close to 0.

    ```
    loss(q) = mean over positives j of -log p_j,  p: see `soft_top_k`
    ```

    Args:
        k: Positive integer; how many places there are.
        sharpness: Positive float; how sharply the last place is drawn.
        temperature: Positive float that divides the scores.
        reduction: See `keras.losses.Loss`.
        name: Optional name of the loss.

    Call arguments:
        y_true: `[queries, candidates]` relevance: 1 for a positive, 0 for a
            negative, -1 for a candidate to ignore.
        y_pred: `[queries, candidates]` scores, any float dtype; the loss itself
            is computed in float32.

    Example:

    >>> loss = tfxc.losses.SoftTopK(k=2)
    >>> round(float(loss([[1.0, 0.0, 0.0]], [[2.0, 1.0, 0.0]])), 4)
    0.0437

    Reference:
        [Gupta et al., 2024](https://arxiv.org/abs/2310.10636), SoftTop-k
    """

    def __init__(
        self,
        k=5,
        sharpness=2.0,
        temperature=1.0,
        reduction="sum_over_batch_size",
        name="soft_top_k",
    ):
        super().__init__(reduction=reduction, name=name, dtype="float32")
        self.settings = {
            "k": k,
            "sharpness": sharpness,
            "temperature": temperature,
        }
        for argument, value in self.settings.items():
            if not value > 0:
                raise ValueError(
                    f"`{argument}` must be positive. "
                    f"Received: {argument}={value}"
                )
        if k != int(k):
            raise ValueError(f"`k` must be an integer. Received: k={k}")

    def call(self, y_true, y_pred):
        return soft_top_k_loss(y_true, y_pred, **self.settings)

    def get_config(self):
        return {**super().get_config(), **self.settings}
