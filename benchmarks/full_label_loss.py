"""Loss over a million labels: time beside bare matrix products, and memory.

    python benchmarks/full_label_loss.py

Times are of one process, in which what is compared takes turns: the losses
with both gradients, and the matrix products alone, in the same blocks and as
XLA compiles them. Three products are what a gradient costs where all scores
are stored (scores, to the queries, to the table), four where they are not
(scores twice). Ratios are medians over rounds, of one run to the run of the
products just before.

Memory is the peak of a process that does nothing else, as the system reports
it, beyond the peak of one that only makes the table.
"""

import argparse
import json
import pathlib
import statistics
import tempfile
import time

import numpy as np
import tensorflow as tf
from keras import ops
from record import timed_command, write_results

import tfxc
from tfxc.encoders.bag_encoder import UniformRows

LOSSES = ("binary_cross_entropy", "softmax", "decoupled_softmax")
CASES = {
    **{loss: {"loss": loss} for loss in LOSSES},
    "decoupled_softmax, cosine": {"loss": "decoupled_softmax", "cosine": True},
    **{f"{loss}, gradient tape": {"loss": loss} for loss in LOSSES},
}


def main():
    arguments = parse()
    if arguments.case:
        return run_case(arguments)
    sizes = {
        name: getattr(arguments, name)
        for name in ("labels", "dim", "queries", "positives", "block")
    }
    options = [f"--{name}={value}" for name, value in sizes.items()]
    options.append(f"--rounds={arguments.rounds}")
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "times.json"
        timed_command([__file__, *options, "--case=times", f"--into={path}"])
        times = json.loads(path.read_text())
    peaks = {
        case: timed_command([__file__, *options, f"--case={case}"])["peak_gb"]
        for case in ("table", *CASES)
    }
    table_gb = 4e-9 * arguments.labels * arguments.dim
    results = {
        "sizes": sizes,
        "cases": {
            case: {
                **times[case],
                **extra_memory(peaks[case] - peaks["table"], table_gb),
            }
            for case in CASES
        },
        "products": {name: times[name] for name in PRODUCTS},
    }
    write_results(
        "full_label_loss",
        " ".join(["python benchmarks/full_label_loss.py", *options]),
        results,
    )


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--labels", type=int, default=1_000_000)
    parser.add_argument("--dim", type=int, default=128)
    parser.add_argument("--queries", type=int, default=1024)
    parser.add_argument("--positives", type=int, default=5)
    parser.add_argument("--block", type=int, default=2048)
    parser.add_argument("--rounds", type=int, default=5)
    for name in ("case", "into"):
        parser.add_argument(f"--{name}", help="of a process that this starts")
    return parser.parse_args()


def extra_memory(extra_gb, table_gb):
    return {
        "extra_memory_gb": round(extra_gb, 2),
        "extra_memory_in_tables": round(extra_gb / table_gb, 2),
    }


def run_case(arguments):
    """What a process of its own does: times, or one call."""
    rng = np.random.default_rng(0)
    labels, dim = arguments.labels, arguments.dim
    table = tf.Variable(UniformRows()((labels, dim), "float32"))
    queries = UniformRows(1)((arguments.queries, dim), "float32")
    positives = rng.integers(
        0, labels, (arguments.queries, arguments.positives)
    )
    inputs = queries, tf.constant(positives, tf.int32)
    if arguments.case == "times":
        functions = {
            **{
                name: products(table, arguments.block, name)
                for name in PRODUCTS
            },
            **{name: step(table, arguments.block, name) for name in CASES},
        }
        times = measure(functions, inputs, arguments.rounds)
        pathlib.Path(arguments.into).write_text(json.dumps(times))
    elif arguments.case != "table":
        step(table, arguments.block, arguments.case)(*inputs)


def step(table, block, case):
    """The losses and both gradients of the mean loss, compiled."""
    settings = {"temperature": 0.05, "block_labels": block, **CASES[case]}

    @tf.function(jit_compile=True)
    def direct(queries, positives):
        return tfxc.layers.full_label_loss_and_gradients(
            queries, table, positives, **settings
        )

    @tf.function(jit_compile=True)
    def taped(queries, positives):
        with tf.GradientTape() as tape:
            tape.watch(queries)
            losses = tfxc.layers.full_label_loss(
                queries, table, positives, **settings
            )
            mean = tf.reduce_mean(losses)
        return losses, *tape.gradient(mean, [queries, table])

    return taped if case.endswith("gradient tape") else direct


PRODUCTS = ("three products", "four products")


def products(table, block, name):
    """The matrix products alone, in the blocks of the losses."""

    @tf.function(jit_compile=True)
    def run(queries, positives):
        columns = ops.transpose(queries)  # [d, q]

        def read(index):
            start = index * block
            rows = ops.slice(table, (start, 0), (block, table.shape[1]))
            return start, rows, ops.matmul(rows, columns)

        def scores_alone(index, some):
            return some + read(index)[2][0]

        def gradients(index, state):
            to_queries, to_table = state
            start, rows, scores = read(index)
            to_queries = to_queries + ops.matmul(ops.transpose(rows), scores)
            change = ops.matmul(scores, queries)
            return to_queries, ops.slice_update(to_table, (start, 0), change)

        some = ops.zeros(queries.shape[0])
        blocks = table.shape[0] // block
        if name == "four products":
            some = ops.fori_loop(0, blocks, scores_alone, some)
        state = ops.zeros(columns.shape), ops.zeros(table.shape)
        return some, *ops.fori_loop(0, blocks, gradients, state)

    return run


def measure(functions, inputs, rounds):
    """Medians over rounds; each function runs right after three products.

    Other programs on the machine slow both down alike.
    """
    times = {name: [] for name in functions}
    ratios = {name: [] for name in functions}
    for name in [*functions] * (rounds + 1):
        three = seconds(functions["three products"], inputs)
        times[name].append(seconds(functions[name], inputs))
        ratios[name].append(times[name][-1] / three)
    # The first round compiles.
    ratios = {name: statistics.median(r[1:]) for name, r in ratios.items()}
    return {
        name: {
            "seconds": round(statistics.median(times[name][1:]), 2),
            "in_three_products": round(ratio, 2),
            "in_four_products": round(ratio / ratios["four products"], 2),
        }
        for name, ratio in ratios.items()
    }


def seconds(function, inputs):
    start = time.perf_counter()
    function(*inputs)[0].numpy()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
