"""What each addition to NGAME is worth, with and without, over three seeds.

    python benchmarks/ablations.py --data ../shared/data

"held out" are figures of the encoder alone on training queries that were held
out, after the last epoch: by these the defaults were chosen. "test" are those
of the finished model. Figures of data sets that are not measured again stay in
the file of results.
"""

import argparse
import contextlib
import pathlib
import statistics

from record import read_results, timed_run, write_results

ARMS = {
    "as it is": [],
    "free vector per 8 labels": ["--label-clusters", 8],
    "no memory of training queries": ["--memory", 0],
    "no popularity of labels": ["--no-popularity"],
    "a fifth of the tokens hidden": ["--token-dropout", 0.2],
    "random batches": ["--cluster-start", 1_000_000],
    "classifiers, frozen encoder": ["--classifier-epochs", 4],
}
# What is on by default is taken away, and what is not is added.
LABEL_TEXTS = {
    "cooking": {"no label texts as queries": ["--no-label-queries"]},
    "yso-finna-en": {"label texts as queries": ["--label-queries"]},
}
METRICS = ("P@1", "P@5", "PSP@1", "R@100")


def main():
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--data", type=pathlib.Path, required=True)
    parser.add_argument(
        "--dataset", choices=LABEL_TEXTS, nargs="+", default=[*LABEL_TEXTS]
    )
    parser.add_argument("--arm", nargs="+", help="a few of the rows only")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    options = parser.parse_args()
    command = f"python benchmarks/ablations.py --data {options.data}"
    results = read_results("ablations")
    for dataset in options.dataset:
        arms = {**ARMS, **LABEL_TEXTS[dataset]}
        for arm in options.arm or arms:
            seeds = [
                measure(options.data / dataset, seed, arms[arm])
                for seed in options.seeds
            ]
            results.setdefault(dataset, {})[arm] = summary(seeds)
            with contextlib.redirect_stdout(None):  # so that none is lost
                write_results("ablations", command, results)
    write_results("ablations", command, results)


def measure(data, seed, flags):
    """The figures of one run: `{"held out P@1": percent, ...}`."""
    _, metrics, history = timed_run("ngame", data, seed, flags)
    last = [row for row in history if row["phase"] == "encoder"][-1]
    return {
        **{f"held out {name}": float(last[name]) for name in METRICS},
        **{f"test {name}": metrics[name] for name in METRICS},
        "train_seconds": metrics["train_seconds"],
    }


def summary(seeds):
    """Mean and standard deviation of each figure."""
    return {
        name: {
            "mean": statistics.mean(seed[name] for seed in seeds),
            "deviation": statistics.stdev([seed[name] for seed in seeds])
            if len(seeds) > 1
            else None,
        }
        for name in seeds[0]
    } | {"seeds": len(seeds)}


if __name__ == "__main__":
    main()
