"""How much of the gap to the exact softmax each kind of negatives closes.

    python benchmarks/oracle_gap.py --data ../shared/data

One encoder is trained by each kind, with the same steps: batches of 256 queries
that bring along 256 candidates, and 64 labels drawn beside those. "in-batch"
draws none; "exact" takes all labels as candidates, which is what draws stand
for. The gap that an arm closes is its gain over "uniform" as a share of the
gain of "exact". Figures are those of the encoder alone on test queries; every
so many, if there are more than 10,000. "step_ms" leaves out compiling and the
refreshes, which "fit_seconds" has.
"""

import argparse
import contextlib
import pathlib
import statistics
import tempfile

from ablations import with_fewer_tests
from record import read_results, timed_run_in, write_results

# Of all arms: no parts but the encoder.
COMMON = [
    *("--batch-size", 256, "--num-candidates", 256, "--num-negatives", 64),
    *("--fusion", "none", "--memory", 0, "--no-popularity"),
    *("--uniform-steps", 100, "--refresh-steps", 100),
]
EPOCHS = {"yso-finna-en": 1, "cooking": 6}
ARMS = {
    "in-batch": ["--negatives", "none"],
    "uniform": ["--negatives", "uniform"],
    "unigram": ["--negatives", "unigram"],
    "cache": ["--negatives", "cache"],
    "ScaNN, rebuilt": ["--negatives", "nearest", "--index-updates", "rebuild"],
    "ScaNN, live": ["--negatives", "nearest"],
    "MIDX": ["--negatives", "midx"],
    "tree, Nystrom": ["--negatives", "tree"],
    "all labels, stale": [
        *("--negatives", "cache", "--cached-labels", 10_000_000)
    ],
    "exact": ["--negatives", "none", "--num-candidates", 10_000_000],
}
METRICS = ("P@1", "P@5", "PSP@1", "R@10", "R@100")


def main():
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--data", type=pathlib.Path, required=True)
    parser.add_argument(
        "--dataset", nargs="+", choices=EPOCHS, default=[*EPOCHS]
    )
    parser.add_argument("--arm", nargs="+", choices=ARMS, default=[*ARMS])
    parser.add_argument("--seeds", type=int, nargs="+", default=range(5))
    options = parser.parse_args()
    command = f"python benchmarks/oracle_gap.py --data {options.data}"
    results = read_results("oracle_gap")
    folder = tempfile.TemporaryDirectory()
    for dataset in options.dataset:
        data = with_fewer_tests(options.data / dataset, folder.name)
        found = results.get(dataset, {}).get("by_seed", {})
        for seed in options.seeds:
            for arm in options.arm:
                seeds = found.setdefault(arm, {})
                seeds[str(seed)] = figures(data, dataset, arm, seed)
                print(dataset, arm, seed, seeds[str(seed)], flush=True)
                results[dataset] = {
                    "by_seed": found,
                    "mean": {arm: mean(rows) for arm, rows in found.items()},
                    "gap_closed": gaps(found),
                }
                with contextlib.redirect_stdout(None):  # so that none is lost
                    write_results("oracle_gap", command, results)
    write_results("oracle_gap", command, results)


def mean(rows):
    """The means of all figures over the seeds."""
    first, *_ = rows.values()
    return {
        name: statistics.mean(row[name] for row in rows.values())
        for name in first
    }


def gaps(found):
    """What each arm gains of what "exact" gains over "uniform", in percent.

    Over the seeds that all three have; `None` where the exact softmax is not
    ahead.
    """
    closed = {}
    if "uniform" not in found or "exact" not in found:
        return closed
    for arm, rows in found.items():
        seeds = rows.keys() & found["uniform"].keys() & found["exact"].keys()
        for name in METRICS if seeds else ():
            own, low, high = (
                statistics.mean(found[other][seed][name] for seed in seeds)
                for other in (arm, "uniform", "exact")
            )
            share = 100 * (own - low) / (high - low) if high > low else None
            closed.setdefault(arm, {})[name] = share
    return closed


def figures(data, dataset, arm, seed):
    """What one arm reaches, and its times."""
    flags = [*COMMON, "--epochs", EPOCHS[dataset], *ARMS[arm]]
    with tempfile.TemporaryDirectory() as folder:
        run = pathlib.Path(folder) / "run"
        _, metrics, history = timed_run_in(
            run, "dynamic_index", data, seed, flags
        )
    return {
        **{name: metrics[name] for name in METRICS},
        "held out P@1": float(history[-1]["P@1"]),
        "step_ms": 1000
        * statistics.mean(float(row["step_seconds"]) for row in history),
        "fit_seconds": sum(float(row["fit_seconds"]) for row in history),
    }


if __name__ == "__main__":
    main()
