"""Time of a training step against the number of rows of the token table.

    python benchmarks/row_optimizer.py

A step of the whole dual encoder (1,024 queries of 32 tokens, 1,024 candidates
of 16) with `RowAdagrad`, which touches the rows of the batch, beside Keras'
Adam on an Embedding of the same size, which touches all of them. All in one
process, compiled with XLA.
"""

import argparse
import statistics
import time

import keras
import numpy as np
import tensorflow as tf
from record import write_results

import tfxc

SIZES = (10_000, 100_000, 1_000_000)
DIM, BATCH = 64, 1024
STEPS = 20


def main():
    argparse.ArgumentParser(description=__doc__.splitlines()[0]).parse_args()
    results = {}
    for rows in SIZES:
        batch = make_batch(rows)
        results[f"{rows} rows"] = {
            "row_adagrad_ms": measure(row_adagrad_step(rows), batch),
            "keras_adam_ms": measure(keras_adam_step(rows), batch),
        }
        keras.backend.clear_session()
    write_results(
        "row_optimizer", "python benchmarks/row_optimizer.py", results
    )


def make_batch(rows):
    """Token ids with the frequencies of words: a few are in every text."""
    rng = np.random.default_rng(0)

    def bag(length):
        ids = np.minimum(rng.pareto(0.6, (BATCH, length)) * 50, rows - 2) + 1
        weights = np.full((BATCH, length), length**-0.5, np.float16)
        return {
            "ids": tf.constant(ids, tf.int32),
            "weights": tf.constant(weights),
        }

    relevance = np.eye(BATCH, dtype=np.int8)
    return {
        "query": bag(32),
        "candidates": bag(16),
        "relevance": tf.constant(relevance),
    }


def row_adagrad_step(rows):
    """`DualEncoder.train_step`, compiled."""
    encoder = tfxc.encoders.BagEncoder(rows, DIM, hidden=256)
    optimizer = tfxc.training.RowAdagrad(rows)
    model = tfxc.encoders.DualEncoder(encoder, optimizer, BATCH)
    model.compile("adam", loss=tfxc.losses.DecoupledSoftmax(0.05))
    model.optimizer.build(encoder.trainable_variables)
    return tf.function(model.train_step, jit_compile=True)


def keras_adam_step(rows):
    """The same loss on the mean of a trainable `Embedding`."""
    table = keras.layers.Embedding(rows, DIM)
    table.build()
    optimizer = keras.optimizers.Adam()
    optimizer.build(table.trainable_variables)
    loss = tfxc.losses.DecoupledSoftmax(0.05)

    @tf.function(jit_compile=True)
    def step(batch):
        with tf.GradientTape() as tape:
            queries, labels = (
                tf.math.l2_normalize(
                    tf.reduce_mean(table(batch[side]["ids"]), 1), -1
                )
                for side in ("query", "candidates")
            )
            scores = tf.matmul(queries, labels, transpose_b=True)
            value = loss(batch["relevance"], scores)
        gradients = tape.gradient(value, table.trainable_variables)
        optimizer.apply_gradients(
            zip(gradients, table.trainable_variables, strict=True)
        )
        return {"loss": value}

    return step


def measure(step, batch):
    """Median milliseconds of a step."""
    times = []
    for _ in range(STEPS + 3):
        start = time.perf_counter()
        float(step(batch)["loss"])
        times.append(time.perf_counter() - start)
    return round(1e3 * statistics.median(times[3:]), 2)


if __name__ == "__main__":
    main()
