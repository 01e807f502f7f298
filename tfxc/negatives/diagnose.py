"""How far a sampler is from the exact softmax, and what it costs."""

import time

import numpy as np
from keras import ops

from tfxc.negatives.chains import acceptance

APART = 1009  # seeds of two rounds; samplers use a few from each on


def diagnose(
    sampler,
    queries,
    label_vectors,
    inverse_temperature=20.0,
    positives=None,
    num=64,
    rounds=50,
    seed=0,
    refresh=None,
    encoder=None,
    **batch,
):
    """Compares a sampler with the exact softmax, query by query.

    With P the softmax over all labels and Q the law of the sampler, both for
    each query, and g the gradient of `log sum of e^(beta x . y)` at the query
    vector, which is beta times the mean of y under P, less the positives':

    ```
    total_variation   half of sum over labels of |P - Q|
    kl                sum over labels of P log(P / Q)
    squared_bias,     of the self-normalised estimate of g by `num` draws,
    variance          weights ~ e^(beta x . y) / Q: the square of its mean error
                      and its variance, as shares of |g|^2; estimates, of which
                      that of a bias of zero is below zero half of the time
    effective         draws that count: (sum of weights)^2 / (num sum of
                      weights^2)
    acceptance        of a draw of Q, or of what the sampler's own chain
                      proposes, by a Metropolis-Hastings chain of P
    staleness         total variation of Q from what it is after a refresh
    microseconds      per query, of a call that draws for all of them
    ```

    The sampler is left as it was; what a function `refresh` changes besides is
    not undone.

    Args:
        sampler: `Sampler` with `log_prob`.
        queries: `[q, d]`, float; unit vectors.
        label_vectors: `[L, d]`, float; the true ones, whatever the sampler has.
        inverse_temperature: beta.
        positives: `[q]`, int; a label that is right for each query. Where left
            out, g has no such term.
        num: Draws for each query.
        rounds: How often they are drawn, to tell bias from variance.
        seed: Of the draws.
        refresh: Function that makes the sampler follow the labels;
            `sampler.refresh(label_vectors)` if left out.
        encoder: Keras layer or function; `queries` and `label_vectors` are then
            what it makes vectors of.
        **batch: See `Sampler.sample`.

    Returns:
        `{"total_variation": [q], ...}`, float64 arrays; "microseconds",
        "refresh_seconds", and "bytes", what the sampler keeps, are numbers.
    """
    state = sampler.state()
    if encoder is not None:
        queries, label_vectors = (
            ops.convert_to_numpy(encoder(inputs))
            for inputs in (queries, label_vectors)
        )
    queries = np.asarray(queries, np.float32)
    vectors = np.asarray(label_vectors, np.float32)
    log_p = (inverse_temperature * queries @ vectors.T).astype(np.float64)
    log_p -= log_sum_exp(log_p)
    log_q = sampler.law(queries, **batch)
    p, q = np.exp(log_p), np.exp(log_q)
    found = {"total_variation": np.abs(p - q).sum(axis=1) / 2}
    chain = getattr(sampler, "steps", 0)
    proposed = sampler.proposals(queries) if chain else log_q
    found["acceptance"] = acceptance(log_p, proposed)
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = np.where(p > 0, p * (log_p - log_q), 0)
    found["kl"] = terms.sum(axis=1)
    exact = p @ vectors  # [q, d]
    length = np.linalg.norm(exact, axis=1)
    if positives is not None:
        length = np.linalg.norm(exact - vectors[positives], axis=1)
    total, square, effective = 0.0, 0.0, 0.0
    for step in range(rounds):
        round_seed = seed + APART * step
        ids, drawn = (
            ops.convert_to_numpy(part)
            for part in sampler.sample(queries, num, round_seed, **batch)
        )
        weights = np.take_along_axis(log_p, ids, axis=1) - drawn
        weights = np.exp(weights - log_sum_exp(weights))
        mean = np.einsum("qn,qnd->qd", weights, vectors[ids]) - exact
        total = total + mean / rounds
        square = square + np.vecdot(mean, mean) / rounds
        effective += 1 / (num * np.vecdot(weights, weights)) / rounds
    bias = np.vecdot(total, total)
    # The mean of the rounds has a variance of its own.
    variance = (square - bias) * rounds / max(rounds - 1, 1)
    found["squared_bias"] = (bias - variance / rounds) / length**2
    found["variance"] = variance / length**2
    found["effective"] = effective
    found["bytes"] = sum(array.nbytes for array in state.values())
    try:
        found["microseconds"] = microseconds(sampler, queries, num, batch)
        start = time.perf_counter()
        refresh() if refresh else sampler.refresh(label_vectors)
        found["refresh_seconds"] = time.perf_counter() - start
        fresh = np.exp(sampler.law(queries, **batch))
    finally:
        sampler.restore(state)
    found["staleness"] = np.abs(fresh - q).sum(axis=1) / 2
    return found


def microseconds(sampler, queries, num, batch, repeats=7):
    """The median time of drawing, compiled where that can be: per query."""
    draw = sampler.sample
    import keras

    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        draw = tf.function(draw, jit_compile=True, autograph=False)
    times = []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        ops.convert_to_numpy(draw(queries, num, **batch)[0])
        times.append(time.perf_counter() - start)
    return 1e6 * float(np.median(times[1:])) / len(queries)


def log_sum_exp(scores):
    """Along the last axis, which stays: `[..., 1]`."""
    top = scores.max(axis=-1, keepdims=True)
    return top + np.log(np.exp(scores - top).sum(axis=-1, keepdims=True))
