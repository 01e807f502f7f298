"""How much of the gap to the exact softmax each kind of negatives closes.

    python benchmarks/oracle_gap.py --data ../shared/data

One encoder is trained with each kind of negatives. Batches bring along as many
candidates as queries, and each query draws one label more, for all of them;
"in-batch" draws none, "exact" takes all labels as candidates, which is what
draws stand for. The gap that an arm closes is its gain over "uniform" as a
share of the gain of "exact". Figures are those of the encoder alone on test
queries; every so many, if there are more than 10,000.

"equal steps": one pass over a quarter of the training rows of yso-finna-en,
four over those of cooking. "equal time": each arm takes that share of the same
rows for which its steps and refreshes, as just measured, take as long as those
of "in-batch"; compiling is left out.
"""

import argparse
import contextlib
import pathlib
import statistics
import tempfile

from fewer_rows import lines_of, with_fewer_rows
from record import read_results, timed_run_in, write_results

# Of all arms: no parts but the encoder.
COMMON = [
    *("--fusion", "none", "--memory", 0, "--no-popularity"),
    *("--uniform-steps", 100, "--refresh-steps", 100),
]
# Share of the training rows, epochs, queries of a batch.
CASES = {"yso-finna-en": (0.25, 1, 256), "cooking": (1.0, 4, 64)}
ALL = 10_000_000
ARMS = {
    "in-batch": ["--negatives", "none"],
    "uniform": ["--negatives", "uniform"],
    "unigram": ["--negatives", "unigram"],
    "cache": ["--negatives", "cache"],
    "ScaNN, rebuilt": ["--negatives", "nearest", "--index-updates", "rebuild"],
    "ScaNN, live": ["--negatives", "nearest"],
    "MIDX": ["--negatives", "midx"],
    # Landmarks are the label vectors that are held in full: 1% of them.
    "tree, Nystrom": ["--negatives", "tree", "--landmarks", 249],
    "all labels, stale": ["--negatives", "cache", "--cached-labels", ALL],
    "exact": ["--negatives", "none", "--num-candidates", ALL],
}
METRICS = ("P@1", "P@5", "PSP@1", "R@10", "R@100")
STEPS, TIME = "equal steps", "equal time"


def main():
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--data", type=pathlib.Path, required=True)
    parser.add_argument("--dataset", nargs="+", choices=CASES, default=[*CASES])
    parser.add_argument("--arm", nargs="+", choices=ARMS, default=[*ARMS])
    parser.add_argument("--seeds", type=int, nargs="+", default=range(5))
    parser.add_argument(
        "--equal", nargs="+", choices=(STEPS, TIME), default=(STEPS, TIME)
    )
    options = parser.parse_args()
    command = f"python benchmarks/oracle_gap.py --data {options.data}"
    results = read_results("oracle_gap")
    with tempfile.TemporaryDirectory() as folder:
        for dataset in options.dataset:
            found = results.setdefault(dataset, {})
            for seed in options.seeds:
                for equal in options.equal:
                    for arm in options.arm:
                        share = share_of(found, equal, arm, str(seed))
                        data = options.data / dataset
                        row = figures(data, folder, arm, seed, share)
                        print(dataset, equal, arm, seed, row, flush=True)
                        take_in(found.setdefault(equal, {}), arm, seed, row)
                        with contextlib.redirect_stdout(None):
                            write_results("oracle_gap", command, results)
    write_results("oracle_gap", command, results)


def share_of(found, equal, arm, seed):
    """The share of the rows of a case that an arm takes."""
    if equal == STEPS:
        return 1.0
    rows = found[STEPS]["by_seed"]
    least = rows["in-batch"][seed]["seconds"]
    return min(least / rows[arm][seed]["seconds"], 1.0)


def figures(data, folder, arm, seed, share):
    """What one arm reaches, and its times."""
    whole, epochs, size = CASES[data.name]
    part = with_fewer_rows(data, folder, train_share=whole * share)
    flags = [
        *COMMON,
        *("--epochs", epochs, "--batch-size", size, "--num-candidates", size),
        *("--num-negatives", size, *ARMS[arm]),
    ]
    with tempfile.TemporaryDirectory() as run:
        _, metrics, history = timed_run_in(
            pathlib.Path(run) / "run", "dynamic_index", part, seed, flags
        )
    steps = len(lines_of(part / "trn.json.gz")) / size
    in_steps, in_refreshes = (
        sum(float(row.get(name) or 0) for row in history)
        for name in ("step_seconds", "refresh_seconds")
    )
    return {
        **{name: metrics[name] for name in METRICS},
        "held out P@1": float(history[-1]["P@1"]),
        "step_ms": 1000 * in_steps / epochs,
        "seconds": steps * in_steps + in_refreshes,
        "share of the rows": share,
    }


def take_in(found, arm, seed, row):
    """Adds a row, and computes means and gaps anew."""
    rows = found.setdefault("by_seed", {})
    rows.setdefault(arm, {})[str(seed)] = row
    found["mean"] = {name: mean(seeds) for name, seeds in rows.items()}
    found["gap_closed"] = gaps(rows)


def mean(rows):
    """The means of all figures over the seeds."""
    first, *_ = rows.values()
    return {
        name: statistics.mean(row[name] for row in rows.values())
        for name in first
    }


def gaps(rows):
    """What each arm gains of what "exact" gains over "uniform", in percent.

    Over the seeds that all three have; `None` where the exact softmax is not
    ahead.
    """
    closed = {}
    if "uniform" not in rows or "exact" not in rows:
        return closed
    for arm, found in rows.items():
        seeds = found.keys() & rows["uniform"].keys() & rows["exact"].keys()
        for name in METRICS if seeds else ():
            own, low, high = (
                statistics.mean(rows[other][seed][name] for seed in seeds)
                for other in (arm, "uniform", "exact")
            )
            share = 100 * (own - low) / (high - low) if high > low else None
            closed.setdefault(arm, {})[name] = share
    return closed


if __name__ == "__main__":
    main()
