"""Metropolis-Hastings chains, whose proposals look at nothing before."""

import math

import numpy as np
from keras import ops

TINY = 1e-200  # in place of a ratio of zero


def end_of_chains(ids, score, log_q, coins, num):
    """Where chains end that start at draws of Q and propose draws of Q.

    A draw y gives way to the next one, y', with probability
    `min(1, P(y') Q(y) / (P(y) Q(y')))`. Z of P is what the draws say:
    `P(y) = e^score / Z`, with Z the mean of `e^score / Q`.

    Args:
        ids: `[b, (steps + 1) * num]`, int32; draws of Q.
        score: Of the same shape, float32.
        log_q: Of the same shape, float32; log Q.
        coins: Of the same shape, float32; uniform numbers. A chain's first draw
            uses none.
        num: Chains of each query.

    Returns:
        `(ids [b, num], log of P [b, num])`.
    """
    rows, count = ids.shape
    log_z = ops.logsumexp(score - log_q, axis=1, keepdims=True)
    log_z = log_z - math.log(count)
    shape = (rows, count // num, num)
    ids, score, log_q, coins = (
        ops.reshape(part, shape) for part in (ids, score, log_q, coins)
    )
    state = ids[:, 0], score[:, 0], log_q[:, 0]
    for step in range(1, shape[1]):
        new = ids[:, step], score[:, step], log_q[:, step]
        ahead = new[1] - new[2] - state[1] + state[2]
        accepted = ops.log(coins[:, step]) < ahead
        state = [
            ops.where(accepted, n, old)
            for n, old in zip(new, state, strict=True)
        ]
    return state[0], state[1] - log_z


def chain_law(log_p, log_q, steps):
    """The law of the end of a chain, see `end_of_chains`.

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


def acceptance(log_p, log_q):
    """How often a chain that has come to P accepts a draw of Q: `[...]`.

    The sum over labels x and y of `min(P_x Q_y, P_y Q_x)`, in O(L log L).

    Args:
        log_p: `[..., L]`, float; log-probabilities of what the chain tends to.
        log_q: `[..., L]`, float; those of proposals; -inf for what is none.

    Example:

    >>> acceptance(np.log([0.5, 0.5]), np.log([0.75, 0.25])).round(3)
    np.float64(0.75)
    """
    order = np.argsort(np.subtract(log_p, log_q), axis=-1)
    p, q = (
        np.exp(np.take_along_axis(np.asarray(part), order, axis=-1))
        for part in (log_p, log_q)
    )
    # A move to who is as heavy or heavier is always accepted.
    return (q * before(p) + p * from_here_on(q)).sum(axis=-1)


def before(values):
    """The sum of what stands before each value."""
    return np.cumsum(values, axis=-1) - values


def from_here_on(values):
    """The sum of each value and of what stands after it."""
    return np.cumsum(values[..., ::-1], axis=-1)[..., ::-1]
