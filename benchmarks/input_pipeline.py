"""Rows per second of the input pipeline alone.

    python benchmarks/input_pipeline.py

Batches of 1,024 queries of 32 tokens with 1,024 candidates, gathered from
memory-mapped tables of half a million rows; nothing trains meanwhile. The
recipe's 2,048 candidates are measured too.
"""

import argparse
import pathlib
import statistics
import tempfile
import time

import numpy as np
from record import write_results

from tfxc.batching import ShuffledBatches
from tfxc.data import (
    Bags,
    LabelLists,
    read_arrays,
    training_batches,
    write_arrays,
)

ROWS, LABELS, LENGTH, BATCH = 524_288, 25_000, 32, 1024
REPEATS = 5


def main():
    argparse.ArgumentParser(description=__doc__.splitlines()[0]).parse_args()
    rng = np.random.default_rng(0)
    pairs = rng.integers(LABELS, size=(ROWS, 2))
    relevant = LabelLists.from_pairs(
        np.repeat(np.arange(ROWS), 2), pairs.ravel(), ROWS, LABELS
    )
    with tempfile.TemporaryDirectory() as folder:
        queries = mapped_bags(pathlib.Path(folder) / "queries", ROWS, rng)
        labels = mapped_bags(pathlib.Path(folder) / "labels", LABELS, rng)
        results = {
            f"{candidates} candidates": measure(
                queries, labels, relevant, candidates
            )
            for candidates in (1024, 2048)
        }
    write_results(
        "input_pipeline", "python benchmarks/input_pipeline.py", results
    )


def mapped_bags(folder, rows, rng):
    """Random `Bags`, memory-mapped."""
    ids = rng.integers(1, 500_000, (rows, LENGTH), dtype=np.int32)
    weights = np.full((rows, LENGTH), LENGTH**-0.5, np.float16)
    write_arrays(folder, {"ids": ids, "weights": weights})
    return Bags(**read_arrays(folder)[0])


def measure(queries, labels, relevant, candidates):
    """Rows per second of whole epochs, one after the other."""
    plan = ShuffledBatches(ROWS, BATCH, seed=0)
    rates = []
    for epoch in range(REPEATS + 1):
        batches = training_batches(
            lambda epoch=epoch: (epoch, plan.plan(epoch)),
            queries,
            labels,
            relevant,
            BATCH,
            candidates,
            seed=0,
        )
        start = time.perf_counter()
        # In the graph, as Keras' compiled training function reads them.
        count = batches.reduce(np.int64(0), lambda count, _: count + 1)
        assert int(count) == ROWS // BATCH
        rates.append(ROWS / (time.perf_counter() - start))
    rates = rates[1:]  # the first epoch reads the files
    return {
        "rows_per_second": round(statistics.median(rates)),
        "lowest": round(min(rates)),
        "highest": round(max(rates)),
    }


if __name__ == "__main__":
    main()
