"""NGAME's encoder alone on real data: how good, how long, how much memory.

    python benchmarks/encoder_alone.py --data ../shared/data

The whole of `train.py` is measured from outside, on an empty cache: reading,
preparing, training, evaluating, exporting. Test rows are used once, at the end.
"""

import argparse
import csv
import json
import pathlib
import tempfile

from record import timed_command, write_results

DATASETS = ("yso-finna-en", "cooking")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=pathlib.Path, required=True)
    parser.add_argument("--seeds", type=int, default=1)
    options = parser.parse_args()
    results = {}
    for dataset in DATASETS:
        for seed in range(options.seeds):
            results[f"{dataset} seed {seed}"] = measure(
                options.data.resolve() / dataset, seed
            )
    command = (
        f"python benchmarks/encoder_alone.py --data {options.data} "
        f"--seeds {options.seeds}"
    )
    write_results("encoder_alone", command, results)


def measure(data, seed):
    """Runs `train.py ngame` on one data set."""
    with tempfile.TemporaryDirectory() as folder:
        run = pathlib.Path(folder) / "run"
        whole = timed_command(
            [
                *("train.py", "ngame", "--data", data, "--output", run),
                *("--seed", seed),
            ],
            {"TFXC_CACHE": f"{folder}/cache"},
        )
        metrics = json.loads((run / "metrics.json").read_text())
        with open(run / "history.csv") as lines:
            history = list(csv.DictReader(lines))
    seconds = sum(float(row["seconds"]) for row in history)
    planning = sum(float(row["plan_seconds"]) for row in history)
    return {
        **{name: metrics[name] for name in metrics if "@" in name},
        "whole": whole,
        "train_seconds": metrics["train_seconds"],
        "evaluate_seconds": metrics["evaluate_seconds"],
        "peak_rss_gb": metrics["peak_rss_gb"],
        "epochs": len(history),
        "planning_percent": 100 * planning / seconds,
    }


if __name__ == "__main__":
    main()
