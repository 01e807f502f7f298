"""Queries, labels and a slow loss for the tests of losses over all labels."""

import numpy as np
import tensorflow as tf

from tfxc.layers import full_label_loss

LOSSES = ["decoupled_softmax", "softmax", "binary_cross_entropy"]
LABELS, DIM, QUERIES = 23, 4, 6


def oracle(
    queries, table, positives, loss, temperature=1.0, cosine=False, shift=0.0
):
    """The formulas of the docstring, one query at a time, in float64."""
    queries, table = np.asarray(queries, float), np.asarray(table, float)
    if cosine:
        table = table / np.linalg.norm(table, axis=1, keepdims=True)
    losses = []
    for query, row in zip(queries, positives, strict=True):
        s = table @ query / temperature - shift
        right = sorted({label for label in row if label >= 0})
        wrong = np.delete(s, right)
        if loss == "binary_cross_entropy":
            losses.append(np.logaddexp(0, s).sum() - s[right].sum())
            continue
        z = s if loss == "softmax" else wrong
        log_z = np.logaddexp.reduce(z) if len(z) else -np.inf
        terms = [
            log_z - s[p] if loss == "softmax" else np.logaddexp(0, log_z - s[p])
            for p in right
        ]
        losses.append(np.mean(terms) if terms else 0.0)
    return np.array(losses)


def random_case(rng, size=1.0):
    """Queries, table, and positives: of many, one, and no label."""
    queries = size * rng.normal(size=(QUERIES, DIM)).astype(np.float32)
    table = rng.normal(size=(LABELS, DIM)).astype(np.float32)
    positives = np.stack(
        [rng.choice(LABELS, 5, replace=False) for _ in range(QUERIES)]
    )
    positives[0] = [0, LABELS - 1, 9, 10, 8]  # first and last, neighbours
    positives[1, 1:] = -1
    positives[2] = -1
    return queries, table, positives


def differentiated(queries, table, positives, upstream, jit=None, **settings):
    """Losses, and gradients of `sum(upstream * losses)`; eager for None."""

    def run(queries, table):
        with tf.GradientTape() as tape:
            tape.watch([queries, table])
            losses = full_label_loss(queries, table, positives, **settings)
            total = tf.reduce_sum(upstream * losses)
        return losses, *tape.gradient(total, [queries, table])

    if jit is not None:
        run = tf.function(run, jit_compile=jit)
    return [x.numpy() for x in run(tf.constant(queries), tf.constant(table))]
