"""Claim: exact top-100 costs less than 2.5 times the bare matrix products.

Compares, on the same random unit vectors and the same blocks of queries:

- `product`: `tf.matmul` alone, nothing selected;
- `numpy_product`: `np.matmul` into one buffer, nothing selected;
- `tf_top_k`: `tf.matmul` and `tf.math.top_k`;
- `exact_top_k`: this library.

The ways take turns block by block, because other programs share the machine.
Queries are labels with noise, as from a trained encoder.

    python benchmarks/exact_search.py
"""

import argparse
import json
import os
import pathlib
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf

from tfxc.search import exact_top_k

RESULTS = pathlib.Path(__file__).parent / "results" / "exact_search.json"


def unit_vectors(rng, rows, dimensions):
    vectors = rng.normal(size=(rows, dimensions)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def product(queries, labels, k, block_rows):
    labels = tf.constant(labels)
    for start in range(0, len(queries), block_rows):
        block = tf.constant(queries[start : start + block_rows])
        scores = tf.matmul(block, labels, transpose_b=True)
        scores[0, 0].numpy()  # waits for the product
        yield


def numpy_product(queries, labels, k, block_rows):
    scores = np.empty((block_rows, len(labels)), np.float32)
    for start in range(0, len(queries), block_rows):
        block = queries[start : start + block_rows]
        np.matmul(block, labels.T, out=scores[: len(block)])
        yield


def tf_top_k(queries, labels, k, block_rows):
    labels = tf.constant(labels)
    for start in range(0, len(queries), block_rows):
        block = tf.constant(queries[start : start + block_rows])
        scores = tf.matmul(block, labels, transpose_b=True)
        yield tf.math.top_k(scores, k)[1].numpy()


def this_library(queries, labels, k, block_rows):
    for _, _, ids in exact_top_k(queries, labels, k, block_rows=block_rows):
        yield ids


# In this order: NumPy's threads keep a core busy for a while after a product,
# so `product` does not follow them.
WAYS = {
    "tf_top_k": tf_top_k,
    "product": product,
    "numpy_product": numpy_product,
    "exact_top_k": this_library,
}


def measure(queries, labels, k, block_rows):
    """Seconds per block `{way: [blocks]}`, and the share of equal ids."""
    running = {
        name: way(queries, labels, k, block_rows) for name, way in WAYS.items()
    }
    seconds = {name: [] for name in WAYS}
    equal = []
    for _ in range(0, len(queries), block_rows):
        found = {}
        for name, way in running.items():
            start = time.perf_counter()
            found[name] = next(way)
            seconds[name].append(time.perf_counter() - start)
        equal.append(np.mean(found["tf_top_k"] == found["exact_top_k"]))
    return seconds, float(np.mean(equal))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--queries", type=int, default=35_771)
    parser.add_argument("--labels", type=int, default=24_965)
    parser.add_argument("--dimensions", type=int, default=128)
    parser.add_argument("--k", type=int, default=100)
    parser.add_argument("--output", type=pathlib.Path, default=RESULTS)
    args = parser.parse_args()

    rng = np.random.default_rng(0)
    labels = unit_vectors(rng, args.labels, args.dimensions)
    queries = labels[rng.integers(0, args.labels, args.queries)]
    noise = unit_vectors(rng, args.queries, args.dimensions)
    queries = queries + np.float32(0.5) * noise
    block_rows = max(1, 2**22 // args.labels)  # as `exact_top_k` would choose

    seconds, equal = measure(queries, labels, args.k, block_rows)
    totals = {name: sum(blocks) for name, blocks in seconds.items()}
    medians = {name: np.median(blocks) for name, blocks in seconds.items()}
    result = {
        **{key: getattr(args, key) for key in ("queries", "labels")},
        **{key: getattr(args, key) for key in ("dimensions", "k")},
        "block_rows": block_rows,
        "cpus": os.cpu_count(),
        "load": os.getloadavg()[0],
        "seconds": {name: round(total, 2) for name, total in totals.items()},
        "milliseconds_per_block_median": {
            name: round(1e3 * median, 2) for name, median in medians.items()
        },
        "times_product": round(totals["exact_top_k"] / totals["product"], 3),
        "times_product_median_block": round(
            medians["exact_top_k"] / medians["product"], 3
        ),
        "ids_as_tf_top_k_percent": round(100 * equal, 4),
    }
    args.output.parent.mkdir(exist_ok=True)
    args.output.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
