"""Claim: exact top-100 costs less than 2.5 times the bare matrix products.

Compares, on the same random unit vectors and the same blocks of queries:

- `product`: `tf.matmul` alone, nothing selected;
- `numpy_product`: `np.matmul` into one buffer, nothing selected;
- `tf_top_k`: `tf.matmul` and `tf.math.top_k`;
- `exact_top_k`: this library.

The ways take turns, and the reported times are medians, because other programs
share the machine. Queries are labels with noise, as from a trained encoder.

    python benchmarks/exact_search.py
"""

import argparse
import json
import os
import pathlib
import platform
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
import tensorflow as tf

from tfxc.search import exact_top_k

RESULTS = pathlib.Path(__file__).parent / "results" / "exact_search.json"


def unit_vectors(rng, rows, dimensions):
    vectors = rng.normal(size=(rows, dimensions)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def ways(queries, labels, k, block_rows):
    """`{name: function}`; each handles all queries in the same blocks."""
    tensor = tf.constant(labels)
    scores = np.empty((block_rows, len(labels)), np.float32)
    starts = range(0, len(queries), block_rows)

    def products():
        for start in starts:
            block = tf.constant(queries[start : start + block_rows])
            yield tf.matmul(block, tensor, transpose_b=True)

    def product():
        for block in products():
            block[0, 0].numpy()  # waits for the product

    def numpy_product():
        for start in starts:
            block = queries[start : start + block_rows]
            np.matmul(block, labels.T, out=scores[: len(block)])

    def tf_top_k():
        return [tf.math.top_k(block, k)[1].numpy() for block in products()]

    def exact():
        blocks = exact_top_k(queries, labels, k, block_rows=block_rows)
        return [ids for _, _, ids in blocks]

    return {
        "product": product,
        "numpy_product": numpy_product,
        "tf_top_k": tf_top_k,
        "exact_top_k": exact,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--queries", type=int, default=35_771)
    parser.add_argument("--labels", type=int, default=24_965)
    parser.add_argument("--dimensions", type=int, default=128)
    parser.add_argument("--k", type=int, default=100)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--output", type=pathlib.Path, default=RESULTS)
    args = parser.parse_args()

    rng = np.random.default_rng(0)
    labels = unit_vectors(rng, args.labels, args.dimensions)
    queries = labels[rng.integers(0, args.labels, args.queries)]
    noise = unit_vectors(rng, args.queries, args.dimensions)
    queries = queries + np.float32(0.5) * noise
    block_rows = max(1, 2**22 // args.labels)  # what exact_top_k would take

    functions = ways(queries, labels, args.k, block_rows)
    seconds = {name: [] for name in functions}
    found = {}
    for _ in range(args.repeats):
        for name, function in functions.items():
            start = time.perf_counter()
            found[name] = function()
            seconds[name].append(time.perf_counter() - start)
    same = np.concatenate(found["tf_top_k"]) == np.concatenate(
        found["exact_top_k"]
    )
    medians = {name: float(np.median(s)) for name, s in seconds.items()}
    turns = np.divide(seconds["exact_top_k"], seconds["product"])
    result = {
        "queries": args.queries,
        "labels": args.labels,
        "dimensions": args.dimensions,
        "k": args.k,
        "block_rows": block_rows,
        "repeats": args.repeats,
        "cpus": os.cpu_count(),
        "machine": platform.machine(),
        "seconds": medians,
        "times_the_product": float(np.median(turns)),
        "times_the_product_min_max": [float(turns.min()), float(turns.max())],
        "ids_as_tf_top_k_percent": 100 * float(same.mean()),
    }
    args.output.parent.mkdir(exist_ok=True)
    args.output.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
