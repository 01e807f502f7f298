"""NGAME's claim: batches of whole clusters against random batches.

    python benchmarks/cluster_aware.py --data ../shared/data

Both arms train the encoder of yso-finna-en for as many epochs, on the same
rows, with the same candidates per query; only which rows meet differs.
Batches have 256 queries and no candidates but their own labels, as many as a
transformer could afford: the more candidates, the less is left to choose.
Measured on training queries that were held out, of the last epoch.
"""

import argparse
import pathlib
import statistics

from record import timed_run, write_results

ARMS = {
    "random batches": ["--cluster-start", 1_000_000],
    "whole clusters": ["--cluster-start", 1],
}
COMMON = [
    *("--batch-size", 256, "--num-candidates", 256, "--epochs", 3),
    *("--validation-rows", 10_000, "--fusion", "none"),
]
SHOWN = ("P@1", "P@5", "PSP@1", "R@100", "missed_share", "seconds")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=pathlib.Path, required=True)
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    results = {
        arm: [
            last_epoch(options.data / "yso-finna-en", seed, flags)
            for seed in range(options.seeds)
        ]
        for arm, flags in ARMS.items()
    }
    random, clusters = results.values()
    results["difference"] = {
        name: describe(
            [b[name] - a[name] for a, b in zip(random, clusters, strict=True)]
        )
        for name in ("P@1", "P@5", "PSP@1", "R@100")
    }
    command = (
        f"python benchmarks/cluster_aware.py --data {options.data} "
        f"--seeds {options.seeds}"
    )
    write_results("cluster_aware", command, results)


def last_epoch(data, seed, flags):
    """The last line of `history.csv`, of a run that stops there."""
    _, _, history = timed_run("ngame", data, seed, [*COMMON, *flags])
    row = history[-1]
    return {name: float(row[name]) for name in SHOWN if row.get(name)}


def describe(values):
    """Mean and standard deviation over the seeds."""
    deviation = statistics.stdev(values) if len(values) > 1 else None
    return {"mean": statistics.mean(values), "deviation": deviation}


if __name__ == "__main__":
    main()
