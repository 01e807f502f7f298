"""NGAME's claim: batches of whole clusters beat random ones at equal steps.

    python benchmarks/cluster_aware.py --data ../shared/data

The same recipe with and without clusters, the same seed, measured on training
queries that are held out. P@1 and PSP@1 are what hard negatives are for.
"""

import argparse
import csv
import pathlib
import tempfile

from record import timed_command, write_results

NEVER = "9999"
SHOWN = ("P@1", "P@5", "PSP@1", "R@100")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=pathlib.Path, required=True)
    parser.add_argument("--dataset", default="yso-finna-en")
    parser.add_argument("--epochs", type=int, default=3)
    options = parser.parse_args()
    data = options.data.resolve() / options.dataset
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        results = {
            name: measure(work, name, data, options.epochs, start)
            for name, start in (("random", NEVER), ("clusters of 16", "1"))
        }
    command = f"python benchmarks/cluster_aware.py --data {options.data}"
    write_results("cluster_aware", command, results)


def measure(folder, name, data, epochs, start):
    """The last line of a run's history."""
    run = folder / name.replace(" ", "-")
    timed_command(
        [
            *("train.py", "ngame", "--data", data, "--output", run),
            *("--epochs", epochs, "--cluster-start", start),
            *("--cluster-size", 16, "--max-cluster-size", 16),
        ],
        {"TFXC_CACHE": f"{folder}/cache"},
    )
    with open(run / "history.csv") as lines:
        last = list(csv.DictReader(lines))[-1]
    shown = {column: round(float(last[column]), 2) for column in SHOWN}
    mined = ("e1", "e2", "missed_share")
    shown |= {column: float(last[column]) for column in mined if column in last}
    return shown


if __name__ == "__main__":
    main()
