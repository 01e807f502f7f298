"""How much of the gap to the exact softmax each kind of negatives closes.

    python benchmarks/oracle_gap.py --data ../shared/data

One encoder is trained with each kind of negatives, at an inverse temperature of
20, as published. Batches bring along as many candidates as queries, and labels
are drawn for all of them: four for each query of yso-finna-en, one of cooking,
which has so few; or a quarter as many; "uniform, more" encodes at least
as many labels as the tree does with its refreshes. "in-batch" draws
none, "exact" takes all labels as candidates, which is what draws stand for. All
train on one positive of a query at a time; "exact, every positive" is what a
step with all labels has besides. Figures are those of the encoder alone on test
queries, evenly spaced ones if there are more than 20,000. The tree and "all
labels, stale" use the estimator "self_normalized", but for "by draws alone",
see `tfxc.losses.sampled_softmax`. The learning rate is the best of 6, 4 and 2.5
for "exact", on rows of yso-finna-en held out of training.

"equal steps": one pass over a quarter of the training rows of yso-finna-en,
four over those of cooking. The gap that an arm closes is its gain over
"uniform" as a share of the gain of "exact". "equal time": each arm takes that
share of the same rows, at most all, for which steps, refreshes and the first
index, counted as one more refresh, take as long as the steps of "in-batch";
preparing and compiling are left out. Times are those that "equal steps" took
with the first seed: run that of all arms on one machine. As no time is measured
there, arms train two at a time. One process at a time keeps what it measures
beside what is there.
"""

import argparse
import concurrent.futures
import contextlib
import itertools
import math
import pathlib
import statistics
import tempfile

from fewer_rows import lines_of, with_fewer_rows
from record import read_results, timed_run_in, write_results

# Share of the training rows, epochs, queries of a batch, draws, and arguments:
# of landmarks a hundredth of the labels at most, but for the few of cooking.
CASES = {
    "yso-finna-en": (0.25, 1, 256, 1024, ["--landmarks", 249]),
    "cooking": (
        *(1.0, 4, 64, 64),
        ["--landmarks", 64, "--encoded-labels", 64, "--cached-labels", 184],
    ),
}
WARM_UP, INTERVAL, HELD_OUT = 25, 25, 1000
# Of all arms: no parts but the encoder.
COMMON = [
    *("--fusion", "none", "--memory", 0, "--no-popularity"),
    "--no-label-queries",
    *("--uniform-steps", WARM_UP, "--refresh-steps", INTERVAL),
    *("--loss", "decoupled_softmax_of_one", "--temperature", 1 / 20),
    *("--learning-rate", 2.5),
]
ALL, SELF_NORMALIZED = 10_000_000, ["--estimator", "self_normalized"]
ARMS = {
    "in-batch": ["--negatives", "in_batch"],
    "in-batch, uncorrected": ["--negatives", "none"],
    "uniform": ["--negatives", "uniform"],
    "uniform, a quarter": ["--negatives", "uniform"],
    "uniform, more": ["--negatives", "uniform"],
    "unigram": ["--negatives", "unigram"],
    "cache": ["--negatives", "cache"],
    "ScaNN, rebuilt": ["--negatives", "nearest", "--index-updates", "rebuild"],
    "ScaNN, live": ["--negatives", "nearest"],
    "MIDX": ["--negatives", "midx"],
    "tree, Nystrom": ["--negatives", "tree", *SELF_NORMALIZED],
    "tree, Nystrom, a quarter": ["--negatives", "tree", *SELF_NORMALIZED],
    "tree, Nystrom, by draws alone": ["--negatives", "tree"],
    "all labels, stale": [
        *("--negatives", "cache", "--cached-labels", ALL, *SELF_NORMALIZED)
    ],
    "exact": ["--negatives", "none", "--num-candidates", ALL],
    "exact, every positive": [
        *("--negatives", "none", "--num-candidates", ALL),
        *("--loss", "decoupled_softmax"),
    ],
}
METRICS = ("P@1", "P@5", "PSP@1", "R@10", "R@100")
STEPS, TIME = "equal steps", "equal time"
LEAST_GAP = 0.5  # percent, about what another seed makes of a run


def main():
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--data", type=pathlib.Path, required=True)
    parser.add_argument("--dataset", nargs="+", choices=CASES, default=[*CASES])
    parser.add_argument("--arm", nargs="+", choices=ARMS, default=[*ARMS])
    parser.add_argument("--seeds", type=int, nargs="+", default=range(5))
    parser.add_argument("--only", choices=[STEPS, TIME])
    options = parser.parse_args()
    command = f"python benchmarks/oracle_gap.py --data {options.data}"
    results = read_results("oracle_gap")

    def save():
        with contextlib.redirect_stdout(None):
            write_results("oracle_gap", command, results)

    with tempfile.TemporaryDirectory() as folder:
        for dataset, seed in itertools.product(options.dataset, options.seeds):
            data = options.data / dataset
            found = results.setdefault(dataset, {STEPS: {}, TIME: {}})
            for arm in options.arm if options.only != TIME else ():
                row = figures(arm, seed, part_of(data, folder, 1.0), 1.0)
                take_in(found[STEPS], arm, seed, row)
                found["gap_closed"] = gaps(found[STEPS]["by_seed"])
                save()
            if options.only == STEPS:
                continue
            means = found[STEPS].get("mean", {})
            if missing := {"in-batch", *options.arm} - means.keys():
                parser.error(f"{TIME} needs {STEPS} of {sorted(missing)}")
            rows = {}
            with concurrent.futures.ThreadPoolExecutor(2) as pool:
                for arm in options.arm:
                    done = found[STEPS]["by_seed"][arm].get(str(seed))
                    share = share_in(means["in-batch"]["seconds"], means[arm])
                    if share == 1 and done:  # that is the same run
                        rows[arm] = done
                        continue
                    part = part_of(data, folder, share)
                    rows[arm] = pool.submit(figures, arm, seed, part, share)
                for arm, row in rows.items():
                    row = row if isinstance(row, dict) else row.result()
                    take_in(found[TIME], arm, seed, row)
                    save()
    write_results("oracle_gap", command, results)


def part_of(data, folder, share):
    """A share of what "equal steps" takes of the rows of a data set: its path.

    Args:
        data: Path of the data set.
        folder: Where such parts are kept.
        share: At most 1.
    """
    share *= CASES[data.name][0]
    folder = pathlib.Path(folder) / f"{share}"
    if not (folder / data.name).exists():
        folder.mkdir(exist_ok=True)
        with_fewer_rows(data, folder, train_share=share)
    return folder / data.name


def figures(arm, seed, data, share):
    """What one arm reaches with a share of the rows, and its times.

    Args:
        arm: One of `ARMS`.
        seed: Integer.
        data: Path, see `part_of`.
        share: What `data` is of the rows that "equal steps" takes.
    """
    _, epochs, size, num, settings = CASES[data.name]
    held_out = max(round(HELD_OUT * share), 1)
    drawn = num
    if arm.endswith("a quarter"):
        drawn = num // 4
    elif arm.endswith("more"):
        drawn = num + max(num // 4, size)
    flags = [
        *COMMON,
        *("--epochs", epochs, "--batch-size", size, "--num-candidates", size),
        *("--num-negatives", drawn, "--validation-rows", held_out),
        *(*settings, *ARMS[arm]),
    ]
    rows = len(lines_of(data / "trn.json.gz"))
    with tempfile.TemporaryDirectory() as run:
        _, metrics, history = timed_run_in(
            *(pathlib.Path(run) / "run", "dynamic_index", data, seed, flags),
            {"TFXC_CACHE": f"{data.parent}/cache"},
        )
    row = {
        # PSP knows how frequent labels are, which fewer rows change.
        **{n: metrics[n] for n in METRICS if share == 1 or n != "PSP@1"},
        "steps": epochs * -(-(rows - held_out) // size),
        "step_seconds": mean_of(history, "step_seconds"),
        "refreshes": sum(int(line.get("refreshes") or 0) for line in history),
        "refresh_seconds": mean_of(history, "refresh_seconds") * epochs,
        "share": share,
    }
    row["seconds"] = seconds_of(row, row["steps"])
    print(data.name, arm, seed, row, flush=True)
    return row


def mean_of(history, name):
    """The mean of a column of `history.csv`, 0 where an epoch has none."""
    return statistics.mean(float(line.get(name) or 0) for line in history)


def seconds_of(row, steps):
    """The time of so many steps of an arm, as it was measured.

    What an arm builds before the first step counts as one refresh.
    """
    if not row["refreshes"]:
        return steps * row["step_seconds"]
    each = row["refresh_seconds"] / row["refreshes"]
    count = 1 + math.ceil(max(steps - WARM_UP, 0) / INTERVAL)
    return steps * row["step_seconds"] + count * each


def share_in(seconds, row):
    """The share of its steps that an arm takes in a time; at most all."""
    steps = row["steps"]
    while steps > 1 and seconds_of(row, steps) > seconds:
        steps -= 1
    return steps / row["steps"]


def take_in(found, arm, seed, row):
    """Adds the row of a seed to an arm's, and computes the means anew."""
    of_arms = found.setdefault("by_seed", {})
    of_arms.setdefault(arm, {})[str(seed)] = row
    found["mean"] = {
        arm: mean([row for _, row in sorted(of_arms[arm].items())])
        for arm in ARMS
        if arm in of_arms
    }


def mean(rows):
    """The means of the figures that all rows have; of times, the first."""
    return {
        name: rows[0][name]
        if "seconds" in name
        else statistics.mean(row[name] for row in rows)
        for name in rows[0]
        if all(name in row for row in rows)
    }


def gaps(arms):
    """What each arm gains of what "exact" gains over "uniform", in percent.

    Over the seeds that all three have; `None` where the exact softmax is not
    ahead by `LEAST_GAP`.
    """
    closed = {}
    if "uniform" not in arms or "exact" not in arms:
        return closed
    low, high = arms["uniform"], arms["exact"]
    for arm, by_seed in arms.items():
        seeds = by_seed.keys() & low.keys() & high.keys()
        for name in METRICS if seeds else ():
            gain, whole = (
                statistics.mean(
                    rows[seed][name] - low[seed][name] for seed in seeds
                )
                for rows in (by_seed, high)
            )
            share = 100 * gain / whole if whole > LEAST_GAP else None
            closed.setdefault(arm, {})[name] = share
    return closed


if __name__ == "__main__":
    main()
