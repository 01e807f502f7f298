"""Adversarial softmax beside what it is compared with: accuracy against time.

    python benchmarks/adversarial_softmax.py --data ../shared/data

yso-finna-en with one label a query, drawn once by a hash of its row. Features
are fixed: vectors of an encoder (NGAME's module M1) that was trained on half of
the training rows, which are then set aside, so that no classifier sees what the
encoder learnt by heart. Classifiers train on the other half, by batches of
1,024 and one draw a query, from zero, with a rate that falls to zero. Accuracy
is that of the best label for test queries, evenly spaced 5,000 of them;
log-likelihood is that of a softmax. Times are of the steps alone, but for the
fit of the tree, which counts, where it draws; they are medians over seeds.

All arms train for 20 epochs; the trees and uniform draws also for fewer and for
more (up to 80 or 160), anew each time. An arm ends at the number of epochs
that is best on held-out rows; "same accuracy" is the time that an arm needs to
be as good as uniform draws in their end, between its numbers of epochs by a
line; "as uniform" is that for each of theirs. The full softmax is in
`benchmarks/adaptive_softmax.py`.

`--signals` looks at what one draw teaches after some epochs: for test queries
and their label, with xi the scores and q the law of the draws,

```
slope    mean of sigmoid(xi) under q, which is the gradient at a drawn score
ratio    |mean of the gradient at all scores|^2 by its variance over draws
```

`--fit` times the fit of the tree to 500,000 rows (those of the data, again and
again) with what the paper does.

Rates and then regularisers are chosen for each arm with seed 0, on 5,000
held-out training rows (`--choose`), and then rates anew; the first by 20
epochs, the others by the most epochs of an arm. An arm whose name is another's
with more behind a comma has those of that, or begins at them where it chooses
too.

`--choose-tree` is how components and penalties of trees were compared: by
held-out rows, 20 epochs, with three seeds and the settings of "adversarial".

"All labels" trains on all labels of each row, one of them drawn in each step,
and calls a label right that is among those of the query.
"""

import argparse
import contextlib
import itertools
import pathlib
import statistics
import time

import numpy as np
from one_label_data import Data, make_features
from record import RESULTS, read_results, write_results
from sampled_arms import ARMS, TREES, USUAL, run, sampler_of, trained

FITTED = 500_000  # rows
RATES = (0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2)
REGULARIZERS = (1e-5, 1e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1)
COMPONENTS, STRENGTHS = (16, 32, 64), (10.0, 30.0, 100.0)  # of trees
CHOOSES = ("adversarial, 64 components",)
# What is best by 40 epochs, and worse by 160.
PENALTIES = {"uniform, more regularised": 1e-2}


def main():
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--data", type=pathlib.Path, required=True)
    parser.add_argument("--arm", nargs="+", choices=ARMS, default=[*ARMS])
    parser.add_argument("--seeds", type=int, nargs="+", default=range(3))
    parser.add_argument("--epochs", nargs="+", type=int, help="only these")
    parser.add_argument("--choose", action="store_true")
    parser.add_argument("--choose-tree", action="store_true")
    parser.add_argument("--fit", action="store_true")
    parser.add_argument("--signals", action="store_true")
    parser.add_argument(
        "--features",
        type=pathlib.Path,
        default=pathlib.Path("features.npz"),
        help="where features are kept, made anew if there are none",
    )
    options = parser.parse_args()
    command = f"python benchmarks/adversarial_softmax.py --data {options.data}"
    if not options.features.exists():
        make_features(options.data / "yso-finna-en", options.features)
    data = Data(np.load(options.features))
    results = read_results("adversarial_softmax")
    chosen = results.setdefault("chosen", {})

    def save():
        with contextlib.redirect_stdout(None):
            write_results("adversarial_softmax", command, results)

    if options.fit:
        results["fit"] = seconds_of_fit(data)
        options.arm = []
    if options.choose_tree:
        compare_trees(data, chosen, results.setdefault("trees", {}), save)
        options.arm = []
    if options.signals:
        results["signals"] = signals(data, chosen)
        options.arm = []
    if options.choose:
        for arm in options.arm:
            base, *more = arm.split(",")
            if not more or arm in CHOOSES:
                start = chosen[base] if more else None
                known = chosen.get(arm, {}).get("held_out", {})
                chosen[arm] = choose(data, arm, start, known)
                save()
        options.arm = []
    # Arms in turn, as a machine is not always as fast.
    for seed, arm in itertools.product(options.seeds, options.arm):
        own = chosen.get(arm, chosen[arm.split(",")[0]])
        settings = own["rate"], PENALTIES.get(arm, own["regularizer"])
        of_arm = results.setdefault("runs", {}).setdefault(arm, {})
        spent, sampler = sampler_of(arm, data, seed)
        for epochs in options.epochs or ARMS[arm][2]:
            row = run(data, arm, settings, epochs, seed, sampler)
            row["seconds"] += spent
            of_arm.setdefault(str(epochs), {})[str(seed)] = row
            print(arm, epochs, seed, row, flush=True)
            save()
    if results.get("runs"):
        results["arms"] = summary(results["runs"])
        draw(results["arms"])
    write_results("adversarial_softmax", command, results)


def seconds_of_fit(data):
    """Of a tree as published, to the rows of the bar."""
    import tfxc

    x, y = (np.resize(part, (FITTED, *part.shape[1:])) for part in data.train)
    tree = tfxc.negatives.LabelTreeSampler(
        data.num_labels, x.shape[1], *TREES["published tree"]
    )
    begun = time.perf_counter()
    tree.fit(x, y)
    seconds = time.perf_counter() - begun
    return {"rows": FITTED, "labels": data.num_labels, "seconds": seconds}


def choose(data, arm, start, tried):
    """The rate and the regulariser that are best on held-out rows."""
    most = ARMS[arm][2][-1]
    _, sampler = sampler_of(arm, data, 0)

    def accuracy(epochs, *settings):
        key = str((epochs, *settings))
        if key not in tried:
            row = run(data, arm, settings, epochs, 0, sampler, judge_test=False)
            print(arm, key, row, flush=True)
            tried[key] = row["held_out"]
        return tried[key]

    def best_rate(epochs, rate, regularizer):
        return uphill(RATES, rate, lambda r: accuracy(epochs, r, regularizer))

    def best_regularizer(rate, strength):
        return uphill(REGULARIZERS, strength, lambda s: accuracy(most, rate, s))

    if start is None:
        rate = best_rate(USUAL, RATES[2], REGULARIZERS[2])
        regularizer = best_regularizer(rate, REGULARIZERS[2])
        rate = best_rate(most, rate, regularizer)
    else:
        rate = best_rate(most, start["rate"], start["regularizer"])
        regularizer = best_regularizer(rate, start["regularizer"])
    return {"rate": rate, "regularizer": regularizer, "held_out": tried}


def compare_trees(data, chosen, found, save):
    """Accuracy on held-out rows by `(components, penalty)` of the tree."""
    arm = "adversarial"
    settings = chosen[arm]["rate"], chosen[arm]["regularizer"]
    for tree in itertools.product(COMPONENTS, STRENGTHS):
        rows = []
        for seed in range(3):
            _, sampler = sampler_of(arm, data, seed, (*tree, 0))
            rows.append(
                run(data, arm, settings, USUAL, seed, sampler, judge_test=False)
            )
        found[f"{tree[0]}, {tree[1]:g}"] = [row["held_out"] for row in rows]
        print(tree, rows, flush=True)
        save()


def uphill(values, best, judge):
    """The best of values from one on, until both beside are worse."""
    before = None
    while best != before:
        before, place = best, values.index(best)
        best = max(values[max(place - 1, 0) : place + 2], key=judge)
    return best


def signals(data, chosen):
    """What a draw teaches, by arm and epochs, see above."""
    found = {}
    for arm in ("uniform", "adversarial"):
        settings = chosen[arm]["rate"], chosen[arm]["regularizer"]
        _, sampler = sampler_of(arm, data, 0)
        for epochs in (2, USUAL, 2 * USUAL):
            layer, _ = trained(data, arm, settings, epochs, 0, sampler)
            row = signal(layer.classifier, sampler, *data.test)
            print(arm, epochs, row, flush=True)
            found.setdefault(arm, {})[str(epochs)] = row
    return found


def signal(classifier, sampler, x, y):
    """`{"slope", "ratio"}`, means over queries."""
    from scipy.special import expit

    slopes, ratios = [], []
    for start in range(0, len(x), 500):
        block, right = x[start : start + 500], y[start : start + 500, None]
        table = np.asarray(classifier.table)
        scores = np.asarray(classifier.inputs(block)) @ table.T
        q, taken = np.exp(sampler.law(block)), expit(scores)
        mean = q * taken
        slopes.append(mean.sum(axis=1))
        variance = (mean * taken).sum(axis=1) - (mean**2).sum(axis=1)
        own = np.take_along_axis(mean + taken, right, axis=1) - 1
        np.put_along_axis(mean, right, own, axis=1)
        ratios.append((mean**2).sum(axis=1) / variance)
    return {
        "slope": float(np.concatenate(slopes).mean()),
        "ratio": float(np.median(np.concatenate(ratios))),
    }


def summary(runs):
    """Of each arm, means over seeds by epochs, and where it ends."""
    arms = {}
    for arm, by_epochs in runs.items():
        lengths = {
            epochs: means([*seeds.values()])
            for epochs, seeds in by_epochs.items()
        }
        end = max(lengths, key=lambda epochs: lengths[epochs]["held_out"])
        arms[arm] = {"lengths": lengths, "end": end}
    goal = arms.get("uniform")
    if goal is not None:
        for arm, found in arms.items():
            if arm.endswith("all labels"):
                continue  # its accuracy is another
            rows = [*found["lengths"].values()]
            found["as_uniform"] = {
                epochs: reached(rows, row["accuracy"])
                for epochs, row in goal["lengths"].items()
            }
            found["same_accuracy"] = found["as_uniform"][goal["end"]]
    return arms


def means(rows):
    """The means of rows, of seconds the median; how far accuracies differ."""
    found = {
        name: statistics.mean(row[name] for row in rows) for name in rows[0]
    }
    found["seconds"] = statistics.median(row["seconds"] for row in rows)
    found["seeds"] = len(rows)
    found["deviation"] = (
        statistics.stdev(row["accuracy"] for row in rows)
        if len(rows) > 1
        else 0.0
    )
    return found


def reached(curve, goal):
    """The seconds at which a curve reaches a goal, or `None`."""
    before = None
    for row in curve:
        if row["accuracy"] >= goal:
            if before is None:
                return row["seconds"]
            share = (goal - before["accuracy"]) / (
                row["accuracy"] - before["accuracy"]
            )
            return before["seconds"] + share * (
                row["seconds"] - before["seconds"]
            )
        before = row
    return None


def draw(arms):
    """`adversarial_softmax.png`: what arms reach in how many seconds."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, 2, figsize=(10, 4))
    for arm, found in arms.items():
        if arm.endswith("all labels"):
            continue
        rows = [*found["lengths"].values()]
        for axis, name in zip(
            axes, ("accuracy", "log_likelihood"), strict=True
        ):
            seconds = [row["seconds"] for row in rows]
            values = [row[name] for row in rows]
            axis.plot(seconds, values, "o-", markersize=3, label=arm)
            axis.set(
                xscale="log",
                xlabel="seconds of training, with the fit of the tree",
                ylabel=name.replace("_", "-"),
            )
    axes[1].legend(fontsize=7)
    figure.tight_layout()
    figure.savefig(RESULTS / "adversarial_softmax.png", dpi=120)


if __name__ == "__main__":
    main()
