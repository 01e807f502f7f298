"""What a Metropolis-Hastings chain draws after so many steps."""

import numpy as np

TINY = 1e-200  # in place of a ratio of zero


def chain_law(log_p, log_q, steps):
    """The law of a chain that starts at a draw of Q and proposes draws of Q.

    With w = P / Q, a move from x to y is accepted with probability
    min(1, w_y / w_x). Sorted by w, all sums over labels are running sums, so a
    step takes O(L) where its matrix would take O(L^2).

    Args:
        log_p: `[..., L]`, float; log of what the chain tends to, up to a
            constant; -inf for what it never is.
        log_q: `[..., L]`, float; log of the law of proposals; finite.
        steps: Moves after the first draw.

    Returns:
        `[..., L]`, float64; log-probabilities.

    Example:

    >>> chain_law(np.log([0.5, 0.5]), np.log([0.9, 0.1]), steps=50).round(3)
    array([-0.693, -0.693])
    """
    log_ratio = np.asarray(log_p, np.float64) - log_q
    order = np.argsort(log_ratio, axis=-1)
    w = np.take_along_axis(log_ratio, order, axis=-1)
    w = np.maximum(np.exp(w - w[..., -1:]), TINY)  # at most 1
    q = np.take_along_axis(np.exp(np.float64(log_q)), order, axis=-1)
    q /= q.sum(axis=-1, keepdims=True)
    accepted = before(q * w) / w + from_here_on(q)
    law = q
    for _ in range(steps):
        # Who is as light moves here always; who is heavier, at times.
        arriving = before(law) + law + w * (from_here_on(law / w) - law / w)
        law = q * arriving + law * (1 - accepted)
    found = np.empty_like(law)
    np.put_along_axis(found, order, law, axis=-1)
    with np.errstate(divide="ignore"):
        return np.log(np.maximum(found, 0))


def before(values):
    """The sum of what stands before each value."""
    return np.cumsum(values, axis=-1) - values


def from_here_on(values):
    """The sum of each value and of what stands after it."""
    return np.cumsum(values[..., ::-1], axis=-1)[..., ::-1]
