"""Time, memory and compactness of balanced clusters.

    python benchmarks/clustering.py [--rows 525773] [--threads 2]

Each case runs in a process of its own and is written to
`benchmarks/results/clustering.json`. Vectors are float32 unless the case says
otherwise, of 128 dimensions, and of two kinds: `random` has no structure,
`planted` has a centre per 64 rows, with noise of comparable length. `exact`
cases compute all splits on all rows; the others sample in large nodes.

`peak_mb` is what the call added to the memory that the vectors held before.
CPU seconds are the fairer figure where other work shares the cores.
"""

import argparse
import concurrent.futures
import json
import multiprocessing
import os
import pathlib
import platform
import resource
import time

import numpy as np

from tfxc.batching import balanced_clusters, mean_cosine

RESULTS = pathlib.Path(__file__).parent / "results" / "clustering.json"
DIMENSIONS = 128
BLOCK = 8192
CASES = [
    {"kind": "planted"},
    {"kind": "planted", "sample_rows": None},
    {"kind": "planted", "threads": 1},
    {"kind": "planted", "dtype": "float16"},
    {"kind": "planted", "cluster_size": 8},
    {"kind": "random"},
    {"kind": "random", "sample_rows": None},
]


def unit_vectors(kind, rows, dtype):
    """Unit vectors, made block by block: `[rows, DIMENSIONS]`."""
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((max(rows // 64, 1), DIMENSIONS), np.float32)
    vectors = np.empty((rows, DIMENSIONS), dtype)
    for start in range(0, rows, BLOCK):
        block = vectors[start : start + BLOCK]
        x = rng.standard_normal(block.shape, np.float32)
        if kind == "planted":
            centre = rng.integers(0, len(centres), len(block))
            x = centres[centre] + 0.7 * x
        block[:] = x / np.linalg.norm(x, axis=1, keepdims=True)
    return vectors


def measure(rows, kind, dtype, cluster_size, threads, sample_rows):
    """Runs one case: a dictionary of figures."""
    vectors = unit_vectors(kind, rows, dtype)
    balanced_clusters(vectors[:20_000], cluster_size, 0, threads)  # warm up
    before = peak_mb()
    wall, cpu = time.perf_counter(), time.process_time()
    clusters = balanced_clusters(
        vectors, cluster_size, 0, threads, sample_rows=sample_rows
    )
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    peak = peak_mb() - before
    return {
        "clusters": len(clusters),
        "sizes": [int(clusters.sizes().min()), int(clusters.sizes().max())],
        "wall_seconds": round(wall, 2),
        "cpu_seconds": round(cpu, 2),
        "peak_mb": round(peak),
        "mean_cosine": round(mean_cosine(vectors, clusters), 5),
    }


def peak_mb():
    """Most memory this process has held so far (Linux reports KiB)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=525_773)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    options = parser.parse_args()
    results = []
    for case in CASES:
        settings = {
            "rows": options.rows,
            "dtype": "float32",
            "cluster_size": 64,
            "threads": options.threads,
            "sample_rows": 16384,
            **case,
        }
        with concurrent.futures.ProcessPoolExecutor(
            1, multiprocessing.get_context("spawn")
        ) as process:
            figures = process.submit(measure, **settings).result()
        load = round(os.getloadavg()[0], 1)
        results.append({**settings, **figures, "load_average": load})
        print(json.dumps(results[-1]), flush=True)
    report = {
        "command": f"python benchmarks/clustering.py --rows {options.rows}",
        "machine": {
            "cores": os.cpu_count(),
            "processor": platform.machine(),
            "python": platform.python_version(),
            "numpy": np.__version__,
        },
        "dimensions": DIMENSIONS,
        "results": results,
    }
    RESULTS.parent.mkdir(exist_ok=True)
    temporary = RESULTS.with_suffix(".tmp")
    temporary.write_text(json.dumps(report, indent=1) + "\n")
    temporary.rename(RESULTS)


if __name__ == "__main__":
    main()
