"""What each addition to NGAME is worth, with and without, over three seeds.

    python benchmarks/ablations.py --data ../shared/data

"held out" are figures of the encoder alone on training queries that were held
out, after the last epoch: by these the defaults of its training were chosen.
"test" are those of the finished model, whose parts are weighed by the same
queries: what does not help gets weight 0, and its row is that of "as it is".
Arms that change nothing before the encoder is trained take that of "as it is".
Of more than 10,000 test rows, every so many are used. Figures that are not
measured again stay in the file of results.
"""

import argparse
import contextlib
import json
import pathlib
import statistics
import tempfile

from fewer_rows import with_fewer_rows
from record import read_results, timed_run_in, write_results

AS_IT_IS = "as it is"
SAME_ENCODER = {
    "no memory of training queries": {"memory": 0},
    "no popularity of labels": {"popularity": False},
    "a tree over the scores": {"fusion": "tree"},
    "classifiers, frozen encoder": {"classifier_epochs": 4},
}
ARMS = {
    "free vector per 8 labels": ["--label-clusters", 8],
    "a fifth of the tokens hidden": ["--token-dropout", 0.2],
    "random batches": ["--cluster-start", 1_000_000],
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
    folder = tempfile.TemporaryDirectory()
    for dataset in options.dataset:
        data = with_fewer_rows(options.data / dataset, folder.name)
        arms = {AS_IT_IS: [], **LABEL_TEXTS[dataset], **ARMS}
        found = results.setdefault(dataset, {})
        for seed in options.seeds:
            for arm in options.arm or arms:
                rows = measure(data, seed, arm, arms[arm])
                for name, row in rows.items():
                    seeds = found.get(name, {}).get("by_seed", {})
                    found[name] = summary({**seeds, str(seed): row})
                with contextlib.redirect_stdout(None):  # so that none is lost
                    write_results("ablations", command, results)
    write_results("ablations", command, results)


def measure(data, seed, arm, flags):
    """The figures of one arm, with "as it is" those of all with its encoder.

    Returns:
        `{arm: {"held out P@1": percent, ...}}`.
    """
    with tempfile.TemporaryDirectory() as folder:
        run = pathlib.Path(folder) / "run"
        rows = {arm: figures(run, data, seed, flags)}
        settings = json.loads((run / "recipe.json").read_text())
        for name, fields in SAME_ENCODER.items() if arm == AS_IT_IS else ():
            # A run of the other recipe, trained but not finished.
            (run / "metrics.json").unlink()
            recipe = settings["recipe"] | fields
            text = json.dumps(settings | {"recipe": recipe})
            (run / "recipe.json").write_text(text)
            rows[name] = figures(run, data, seed, map(as_flag, fields.items()))
    return rows


def as_flag(field):
    """A field of the recipe as an argument of `train.py`."""
    name, value = field
    name = name.replace("_", "-")
    return f"--no-{name}" if value is False else f"--{name}={value}"


def figures(run, data, seed, flags):
    """The figures of one run, which goes on if the folder holds a part."""
    _, metrics, history = timed_run_in(run, "ngame", data, seed, flags)
    last = [row for row in history if row["phase"] == "encoder"][-1]
    return {
        **{f"held out {name}": float(last[name]) for name in METRICS},
        **{f"test {name}": metrics[name] for name in METRICS},
        "train_seconds": metrics["train_seconds"],
    }


def summary(by_seed):
    """Mean and standard deviation of each figure, and where they are from."""
    seeds = list(by_seed.values())
    return {
        name: {
            "mean": statistics.mean(seed[name] for seed in seeds),
            "deviation": statistics.stdev([seed[name] for seed in seeds])
            if len(seeds) > 1
            else None,
        }
        for name in seeds[0]
    } | {"seeds": len(seeds), "by_seed": by_seed}


if __name__ == "__main__":
    main()
