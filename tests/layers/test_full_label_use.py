"""Invariants of losses over all labels, in the programs that use them:

- no array of all labels and queries is ever made, and the gradient of the
  table is made once: in a process, and in the program that XLA runs;
- a Keras model of one's own learns with it;
- Keras' other backends compute alike.
"""

import os
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from label_cases import LOSSES, QUERIES, differentiated, random_case

import tfxc
from tfxc.layers import full_label_loss, full_label_loss_and_gradients


@pytest.mark.parametrize("loss", LOSSES)
def test_all_scores_are_never_held(loss):
    """Nor is there a second array as large as the table's gradient."""
    labels, dim, num_queries, block = 1009, 13, 31, 100

    @tf.function(jit_compile=True)
    def run(queries, table, positives):
        return full_label_loss_and_gradients(
            queries, table, positives, loss, block_labels=block, cosine=True
        )

    program = run.experimental_get_compiler_ir(
        tf.zeros((num_queries, dim)),
        tf.zeros((labels, dim)),
        tf.zeros((num_queries, 2), tf.int32),
    )(stage="optimized_hlo")
    assert f"f32[{block},{num_queries}]" in program, "would find nothing"
    for shape in ((labels, num_queries), (num_queries, labels)):
        assert "f32[{},{}]".format(*shape) not in program
    copies = [
        line
        for line in program.splitlines()
        if f"f32[{labels},{dim}]" in line.partition("=")[2].partition("(")[0]
        and " copy(" in line
    ]
    assert not copies


PEAK = """
import itertools, os, sys
import tensorflow as tf
import tfxc

def peak():
    lines = open("/proc/self/status").read().split("VmHWM:")
    return int(lines[1].split()[0]) * 1024

def measure(way, loss):
    make = lambda rows: tf.random.stateless_uniform((rows, 128), (0, 1))
    make = tf.function(make, jit_compile=True)
    table, queries = tf.Variable(make(1_000_000)), make(4)
    positives = tf.constant([[5], [6], [7], [8]])

    @tf.function(jit_compile=True)
    def direct():
        return tfxc.layers.full_label_loss_and_gradients(
            queries, table, positives, loss
        )

    @tf.function(jit_compile=True)
    def taped():
        with tf.GradientTape() as tape:
            losses = tfxc.layers.full_label_loss(
                queries, table, positives, loss
            )
        return tape.gradient(losses, table)

    before = peak()
    results = {"direct": direct, "taped": taped}[way]()
    extra = (peak() - before) / (4 * 128_000_000)
    assert 1 < extra < 1.4, (way, loss, extra)

for case in itertools.product(sys.argv[1].split(), sys.argv[2].split()):
    if os.fork() == 0:  # the peak of a process never falls
        measure(*case)
        os._exit(0)
    if os.wait()[1]:
        sys.exit(f"failed: {case}")
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_process_holds_one_gradient():
    cases = ["direct taped", "binary_cross_entropy softmax"]
    subprocess.run([sys.executable, "-c", PEAK, *cases], check=True)


def test_memory_is_the_gradient_and_a_block():
    memory = tfxc.layers.full_label_memory
    gradient = 4 * 1_000_000 * 128
    assert gradient < memory(1_000_000, 128, 1024) < 1.1 * gradient
    block = memory(10**6, 128, 1024, 4096) - memory(10**6, 128, 1024, 2048)
    assert block == 2048 * 4 * (2 * 1024 + 3 * 128)
    assert memory(10, 4, 2, 2048) == memory(10, 4, 2, 10)


class Classifier(keras.Model):
    """Someone else's model, whose output layer is the table of an Embedding."""

    def __init__(self):
        super().__init__()
        self.hidden = keras.layers.Dense(8, activation="tanh")
        self.labels = keras.layers.Embedding(40, 8)
        self.labels.build()

    def call(self, inputs):
        features, positives = inputs
        losses = full_label_loss(
            self.hidden(features),
            self.labels.embeddings,
            positives,
            block_labels=16,
        )
        self.add_loss(keras.ops.mean(losses))
        return losses


@pytest.mark.parametrize("jit", [False, True])
def test_in_a_model_of_ones_own(rng, jit):
    features = rng.normal(size=(64, 5)).astype(np.float32)
    positives = rng.integers(0, 40, (64, 1))
    model = Classifier()
    model.compile(keras.optimizers.Adam(0.05), jit_compile=jit)
    history = model.fit(
        (features, positives), batch_size=64, epochs=40, verbose=0
    )
    losses = history.history["loss"]
    assert losses[-1] < 0.5 * losses[0]


ELSEWHERE = """
import sys
import keras, numpy as np, tfxc
case = np.load(sys.argv[1])
settings = dict(loss=sys.argv[2], temperature=0.5, block_labels=5, cosine=True)
positives, upstream = case["positives"], case["upstream"]

def losses_of(queries, table):
    return tfxc.layers.full_label_loss(queries, table, positives, **settings)

if keras.backend.backend() == "jax":
    import jax
    total = lambda *inputs: (losses_of(*inputs) * upstream).sum()
    run = jax.jit(jax.grad(total, argnums=(0, 1)))
    gradients = run(case["queries"], case["table"])
else:
    import torch
    inputs = [torch.tensor(case[name]) for name in ("queries", "table")]
    [x.requires_grad_() for x in inputs]
    (losses_of(*inputs) * torch.tensor(upstream)).sum().backward()
    gradients = [x.grad for x in inputs]
losses, *direct = tfxc.layers.full_label_loss_and_gradients(
    case["queries"], case["table"], positives, weights=upstream, **settings)
assert "tensorflow" not in sys.modules
np.savez(sys.argv[1], *map(np.asarray, (losses, *gradients, *direct)))
"""


@pytest.mark.parametrize("backend", ["jax", "torch"])
@pytest.mark.parametrize("loss", LOSSES)
def test_other_backends_compute_alike(rng, loss, backend, tmp_path):
    pytest.importorskip(backend)
    queries, table, positives = random_case(rng)
    upstream = rng.normal(size=QUERIES).astype(np.float32)
    path = tmp_path / "case.npz"
    case = {"queries": queries, "table": table, "positives": positives}
    np.savez(path, upstream=upstream, **case)
    subprocess.run(
        [sys.executable, "-c", ELSEWHERE, path, loss],
        check=True,
        env={**os.environ, "KERAS_BACKEND": backend},
    )
    losses, *gradients = differentiated(
        **case, upstream=upstream, loss=loss, temperature=0.5, cosine=True
    )
    for found, expected in zip(
        np.load(path).values(),
        [losses, *gradients, *gradients],
        strict=True,
    ):
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
