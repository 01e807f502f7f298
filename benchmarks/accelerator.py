"""What draws cost on an accelerator, by the JAX backend of Keras.

    KERAS_BACKEND=jax python benchmarks/accelerator.py

Weights and texts are random, of the sizes of models that are trained, in
float32; labels lie in planted clusters of 128 dimensions. Draws and steps are
compiled, and what is compared is measured in turns; medians.

    draws     milliseconds to draw 64 labels for each of 256 queries. "exact"
              scores all labels, which it keeps in half precision.
    steps     milliseconds of a training step with a label for each query, and
              with labels drawn besides by some of the queries: means of token
              vectors (1,024 queries, 64 draws) and a transformer of the size of
              MiniLM (128, 16), both with 24,965 labels and plain gradient
              descent. Draws are encoded in a pass of their own.
    refresh   seconds in which a sampler takes over new vectors, in new groups;
              once, and most of that is work of the processor
"""

import argparse
import functools
import os
import pathlib
import statistics
import sys
import time

os.environ.setdefault("KERAS_BACKEND", "jax")
sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))

import jax
import keras
import numpy as np
from keras import ops
from record import write_results

from tfxc import losses, negatives
from tfxc.negatives.categorical import categorical

BETA, DIM = 20.0, 128
SIZES = (10_000, 100_000, 1_000_000)
QUERIES, DRAWS = 256, 64
LABELS, LABEL_TOKENS = 24_965, 16
# Queries, their tokens, labels drawn, calls of a window.
STEPS = {"bag encoder": (1024, 64, 64, 50), "MiniLM": (128, 64, 16, 10)}
VOCABULARY, RATE, WINDOWS = 30_522, 1e-3, 9


def main():
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--labels", type=int, nargs="+", default=SIZES)
    options = parser.parse_args()
    results = {"device": jax.devices()[0].device_kind, "draws": {}, "steps": {}}
    for size in options.labels:
        results["draws"][str(size)] = draws_among(size)
    for case in STEPS:
        results["steps"][case] = steps_of(case)
    command = "KERAS_BACKEND=jax python benchmarks/accelerator.py"
    write_results("accelerator", command, results)


def draws_among(size):
    """The figures of drawing among some number of labels."""
    rng = np.random.default_rng(0)
    labels = planted(rng, size)
    queries = ops.convert_to_tensor(planted(rng, QUERIES))
    seconds, calls = {}, {}
    for name, sampler in samplers_of(labels).items():
        begun = time.perf_counter()
        sampler.refresh(labels)
        seconds[name] = time.perf_counter() - begun
        draw = functools.partial(sampler.sample, queries, DRAWS)
        calls[name] = Compiled(draw, sampler.variables)
    exact = Exact(labels)
    draw = functools.partial(exact.sample, queries, DRAWS)
    calls["exact"] = Compiled(draw, exact.variables)
    found = medians(calls, 10)
    return {
        name: {"milliseconds": took, "refresh_seconds": seconds.get(name)}
        for name, took in found.items()
    }


def steps_of(case):
    """The figures of a training step, with and without draws."""
    queries, length, num, count = STEPS[case]
    rng = np.random.default_rng(0)
    texts = rng.integers(1, VOCABULARY, (LABELS, LABEL_TOKENS), np.int32)
    batch = {
        "queries": rng.integers(1, VOCABULARY, (queries, length), np.int32),
        "candidate_ids": rng.permutation(LABELS)[:queries].astype(np.int32),
    }
    samplers = {"none": None, **samplers_of(planted(rng, LABELS))}
    calls = {}
    for name, sampler in samplers.items():
        encoder = bag() if case == "bag encoder" else transformer()
        step = Step(encoder, texts, sampler, num)
        calls[name] = functools.partial(step, batch)
    found = medians(calls, count)
    return {
        name: {
            "milliseconds": took,
            "throughput_percent": 100 * found["none"] / took,
        }
        for name, took in found.items()
    }


def samplers_of(labels):
    """`{name: Sampler}`, of `[L, d]` vectors."""
    return {
        "uniform": negatives.Uniform(len(labels)),
        "midx": negatives.Midx(labels, BETA),
        "tree": negatives.ClusterTreeSampler(labels, BETA),
    }


class Exact(negatives.Sampler):
    """Draws by the softmax over all labels, whose scores it computes."""

    def __init__(self, labels):
        super().__init__(len(labels))
        self.labels = self.variable("labels", np.float16(labels))

    def sample(self, queries, num, seed=None, **batch):
        labels = ops.cast(self.labels, "float32")
        scores = ops.log_softmax(BETA * ops.matmul(queries, labels.T))
        ids = categorical(scores, num, self.draws(seed))
        return ids, ops.take_along_axis(scores, ids, axis=1)


class Compiled:
    """A function of Keras variables, whose new values it keeps."""

    def __init__(self, function, variables):
        self.values = [variable.value for variable in variables]

        def run(values):
            result, changed = called(function, variables, values)
            return result, [changed[variable.path] for variable in variables]

        self.run = jax.jit(run)

    def __call__(self):
        result, self.values = self.run(self.values)
        return result


def called(function, variables, values):
    """What a function returns with other values of variables, and the new."""
    pairs = list(zip(variables, values, strict=True))
    with keras.StatelessScope(pairs) as scope:
        result = function()
    return result, {
        variable.path: scope.get_current_value(variable)
        for variable in variables
    }


class Step:
    """A training step: in-batch candidates, and labels drawn besides.

    Weights are updated by plain gradient descent.

    Args:
        encoder: Of queries and labels.
        texts: `[L, n]`, int; the tokens of all labels.
        sampler: `Sampler`, or `None`.
        num: Labels drawn for a batch.
    """

    def __init__(self, encoder, texts, sampler, num):
        self.encoder, self.sampler, self.num = encoder, sampler, num
        self.texts = keras.Variable(texts, dtype="int32", trainable=False)
        learned = encoder.trainable_variables
        rest = [
            *encoder.non_trainable_variables,
            *([] if sampler is None else sampler.variables),
            self.texts,
        ]
        self.values = [[v.value for v in part] for part in (learned, rest)]

        def loss_of(weights, others, batch):
            loss, changed = called(
                functools.partial(self.loss, batch),
                learned + rest,
                weights + others,
            )
            return loss, [changed[variable.path] for variable in rest]

        def step(weights, others, batch):
            differentiated = jax.value_and_grad(loss_of, has_aux=True)
            (loss, others), grads = differentiated(weights, others, batch)
            moved = [w - RATE * g for w, g in zip(weights, grads, strict=True)]
            return loss, (moved, others)

        self.step = jax.jit(step, donate_argnums=(0, 1))

    def __call__(self, batch):
        loss, self.values = self.step(*self.values, batch)
        return loss

    def loss(self, batch):
        ids = ops.convert_to_tensor(batch["candidate_ids"])
        queries = self.encoder(batch["queries"], training=True)
        candidates = self.vectors(ids)
        relevance = ops.eye(len(ids))
        scores = ops.matmul(queries, candidates.T)
        if self.sampler is None:
            each = losses.decoupled_softmax(relevance, scores, 1 / BETA)
            return ops.mean(each)
        excluded = negatives.Excluded(ids[:, None], ids)
        drawn, log_q = negatives.shared_sample(
            *(self.sampler, ops.stop_gradient(queries), self.num),
            excluded=excluded,
        )
        each = losses.sampled_softmax(
            *(relevance, scores, -ops.cast(excluded.among(drawn), "int8")),
            ops.matmul(queries, self.vectors(drawn).T),
            *(log_q, 1 / BETA),
        )
        return ops.mean(each)

    def vectors(self, ids):
        tokens = ops.take(self.texts, ids, axis=0)
        return self.encoder(tokens, training=True)


def bag():
    """Vectors of tokens, their mean, a hidden layer, unit length."""
    tokens = keras.Input((None,), dtype="int32")
    mean = ops.mean(keras.layers.Embedding(VOCABULARY, DIM)(tokens), axis=1)
    change = keras.layers.Dense(2 * DIM, "relu")(mean)
    return unit(tokens, mean + keras.layers.Dense(DIM)(change))


def transformer():
    """A transformer of the size of MiniLM with six layers."""
    from keras_hub.models import BertBackbone

    backbone = BertBackbone(
        VOCABULARY, 6, 12, 384, 1536, max_sequence_length=512
    )
    tokens = keras.Input((None,), dtype="int32")
    outputs = backbone(
        {
            "token_ids": tokens,
            "segment_ids": ops.zeros_like(tokens),
            "padding_mask": ops.ones_like(tokens),
        }
    )
    mean = ops.mean(outputs["sequence_output"], axis=1)
    return unit(tokens, keras.layers.Dense(DIM)(mean))


def unit(tokens, vectors):
    """A model of tokens, with vectors of unit length."""
    return keras.Model(tokens, keras.layers.UnitNormalization()(vectors))


def planted(rng, size):
    """Unit vectors around planted centres: `[size, DIM]`, float32."""
    centres = rng.normal(size=(max(size // 64, 1), DIM)).astype(np.float32)
    vectors = centres[rng.integers(len(centres), size=size)]
    vectors = vectors + 0.6 * rng.standard_normal(vectors.shape, np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def medians(calls, count):
    """Milliseconds of each of some functions, called in turns."""
    took = {}
    for window in range(WINDOWS + 1):
        for name, call in calls.items():
            begun = time.perf_counter()
            for _ in range(count):
                result = call()
            jax.block_until_ready(result)
            each = 1000 * (time.perf_counter() - begun) / count
            if window:  # the first compiles
                took.setdefault(name, []).append(each)
    return {name: statistics.median(times) for name, times in took.items()}


if __name__ == "__main__":
    main()
