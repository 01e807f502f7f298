"""Adversarial softmax beside what it is compared with: accuracy against time.

    python benchmarks/adversarial_softmax.py --data ../shared/data

yso-finna-en with one label a query, drawn once by a hash of its row. Features
are fixed: vectors of an encoder (NGAME's module M1) that was trained on half of
the training rows, which are then set aside, so that no classifier sees what the
encoder learnt by heart. Classifiers train on the other half, by batches of
1,024 and one draw a query, from zero, with a rate that falls to zero. Accuracy
is that of the best label for test queries, evenly spaced 5,000 of them;
log-likelihood is that of a softmax. Times are of the steps alone, but for the
fit of the tree, which counts, where it draws.

All arms train for 20 epochs; the tree and uniform draws also for fewer and for
more (up to 80 and 160), anew each time. An arm ends at the number of epochs
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
held-out training rows (`--choose`), the latter by the most epochs of an arm; an
arm whose name is another's with more behind a comma has those of that.

"All labels" trains on all labels of each row, one of them drawn in each step,
and calls a label right that is among those of the query.
"""

import argparse
import contextlib
import pathlib
import statistics
import time

import numpy as np
from prepared_job import prepared_job
from record import RESULTS, read_results, write_results

DIM, BATCH, TESTED, FITTED = 256, 1024, 5000, 500_000
LENGTHS, USUAL = (2, 5, 7, 10, 20, 40, 80, 160), 20  # epochs
RATES = (0.05, 0.1, 0.2, 0.4, 0.8, 1.6)
REGULARIZERS = (1e-5, 1e-4, 1e-3, 3e-3, 1e-2, 3e-2)
# Noise, contrast, and epochs.
ARMS = {
    "adversarial": ("tree", "negative_sampling", LENGTHS[:-1]),
    "adversarial, 32 components": (
        *("tree of 32", "negative_sampling", [USUAL, LENGTHS[-2]]),
    ),
    "adversarial, r = 0.1, alternated": (
        *("published tree", "negative_sampling", [USUAL]),
    ),
    "uniform": ("uniform", "negative_sampling", LENGTHS),
    "uniform, more regularised": (
        *("uniform", "negative_sampling", [USUAL, 2 * USUAL]),
    ),
    "frequency": ("unigram", "negative_sampling", [USUAL]),
    "NCE by the tree": ("tree", "noise_contrastive", [USUAL]),
    "one-vs-each": ("uniform", "one_vs_each", [USUAL]),
    "augment and reduce": ("uniform", "augment_and_reduce", [USUAL]),
    "adversarial, all labels": ("tree", "negative_sampling", [USUAL]),
    "uniform, all labels": ("uniform", "negative_sampling", [USUAL]),
}
# What is best by 40 epochs, and worse by 160.
PENALTIES = {"uniform, more regularised": 1e-2}
# Components, strength of the regressions' penalty, rounds.
TREES = {
    "tree": (16, 10.0, 0),
    "tree of 32": (32, 10.0, 0),
    "published tree": (16, 0.1, 10),
}


def main():
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--data", type=pathlib.Path, required=True)
    parser.add_argument("--arm", nargs="+", choices=ARMS, default=[*ARMS])
    parser.add_argument("--seeds", type=int, nargs="+", default=range(3))
    parser.add_argument("--choose", action="store_true")
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
    if options.signals:
        results["signals"] = signals(data, chosen)
        options.arm = []
    for arm in options.arm:
        base, *more = arm.split(",")
        if options.choose:
            if not more:
                chosen[arm] = choose(data, arm)
                save()
            continue
        penalty = PENALTIES.get(arm, chosen[base]["regularizer"])
        settings = chosen[base]["rate"], penalty
        of_arm = results.setdefault("runs", {}).setdefault(arm, {})
        for seed in options.seeds:
            spent, sampler = sampler_of(arm, data, seed)
            for epochs in ARMS[arm][2]:
                row = run(data, arm, settings, epochs, seed, sampler)
                row["seconds"] += spent
                of_arm.setdefault(str(epochs), {})[str(seed)] = row
                print(arm, epochs, seed, row, flush=True)
                save()
    if results.get("runs"):
        results["arms"] = summary(results["runs"])
        draw(results["arms"])
    write_results("adversarial_softmax", command, results)


class Data:
    """Rows `(features [n, d], labels [n])` of three kinds, and all labels."""

    def __init__(self, file):
        self.num_labels = int(file["num_labels"])
        names = ("train", "held_out", "test")
        self.train, self.held_out, self.test = (
            (np.float32(file[f"{name}_x"]), file[f"{name}_y"]) for name in names
        )
        self.lists = {
            name: (file[f"{name}_ids"], file[f"{name}_splits"])
            for name in names
        }


def make_features(data, path):
    """Trains an encoder on half of the rows, and keeps vectors of the rest."""
    import dataclasses

    import tfxc
    from models import ngame

    recipe = dataclasses.replace(ngame.Recipe.yso_finna_en(), epochs=3, dim=DIM)
    with prepared_job(recipe, data) as job:
        mine = np.random.default_rng(0).random(len(job.rows)) < 0.5
        ngame.train_encoder(
            recipe, dataclasses.replace(job, rows=job.rows[mine])
        )
        dataset, arrays = job.dataset, {}
        every = np.flatnonzero(dataset.test.relevant.row_counts())
        tested = every[np.linspace(0, len(every) - 1, TESTED).astype(int)]
        for name, bags, relevant, rows in (
            ("train", job.prepared.train, job.relevant, job.rows[~mine]),
            ("held_out", job.prepared.train, job.relevant, job.held_out),
            ("test", job.prepared.test, dataset.test.relevant, tested),
        ):
            vectors = tfxc.encoders.encode(
                job.encoder, bags, rows, dtype=np.float16
            )
            arrays[f"{name}_x"] = vectors
            lists = relevant.take(rows)
            arrays[f"{name}_y"] = one_label(lists, rows)
            arrays[f"{name}_ids"] = lists.ids
            arrays[f"{name}_splits"] = lists.splits
        np.savez(path, num_labels=dataset.num_labels, **arrays)


def one_label(lists, rows):
    """One label of each row, by a hash of its number: `[n]`, int32."""
    mixed = rows.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    counts = lists.row_counts().astype(np.uint64)
    place = (mixed >> np.uint64(33)) % counts
    return lists.ids[lists.splits[:-1] + place.astype(np.int64)].astype("int32")


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


def choose(data, arm):
    """The rate, and then the regulariser, that are best on held-out rows."""
    lengths = ARMS[arm][2]
    usual = USUAL if USUAL in lengths else lengths[-1]
    _, sampler = sampler_of(arm, data, 0)
    tried = {}

    def accuracy(epochs, *settings):
        key = str((epochs, *settings))
        if key not in tried:
            row = run(data, arm, settings, epochs, 0, sampler, judge_test=False)
            print(arm, key, row, flush=True)
            tried[key] = row["held_out"]
        return tried[key]

    usually = REGULARIZERS[len(REGULARIZERS) // 2 - 1]
    rate = uphill(RATES, lambda rate: accuracy(usual, rate, usually))
    regularizer = uphill(
        REGULARIZERS, lambda strength: accuracy(lengths[-1], rate, strength)
    )
    return {"rate": rate, "regularizer": regularizer, "held_out": tried}


def uphill(values, judge):
    """The best of values from the middle on, until both beside are worse."""
    best, before = values[len(values) // 2 - 1], None
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


def run(data, arm, settings, epochs, seed, sampler, judge_test=True):
    """Trains, and returns `{"seconds": of the steps, ...}` of the end."""
    layer, seconds = trained(data, arm, settings, epochs, seed, sampler)
    row = {"seconds": seconds}
    row["held_out"] = figures(layer, data, "held_out", arm)["accuracy"]
    if judge_test:
        row |= figures(layer, data, "test", arm)
    return row


def trained(data, arm, settings, epochs, seed, sampler):
    """`(what ranks, seconds of the steps)`."""
    import tensorflow as tf

    import tfxc

    x, y = data.train
    steps = epochs * (len(x) // BATCH)
    layer, model = model_of(data, arm, sampler, settings, steps)
    step = tf.function(model.train_step, jit_compile=True)
    lists = (y, np.arange(len(y) + 1))
    if arm.endswith("all labels"):
        lists = data.lists["train"]
    lists = tfxc.data.LabelLists(*lists, data.num_labels)
    spent, compiles = 0.0, True
    for epoch in range(epochs):
        plan = tfxc.batching.ShuffledBatches(len(x), BATCH, seed).plan(epoch)
        batches = tfxc.data.full_label_batches(
            lambda epoch=epoch, plan=plan: (epoch, plan[: len(x) // BATCH]),
            *(tfxc.data.Vectors(x), lists, BATCH),
        )
        for batch in batches:
            begun = time.perf_counter()
            step(batch)
            spent += 0.0 if compiles else time.perf_counter() - begun
            compiles = False
    return layer, spent


def sampler_of(arm, data, seed):
    """`(seconds of a tree's fit, what draws)`, fitted to the training rows."""
    import tfxc

    noise = ARMS[arm][0]
    if noise == "uniform":
        return 0.0, tfxc.negatives.Uniform(data.num_labels, seed)
    x, y = data.train
    if noise == "unigram":
        counts = np.bincount(y, minlength=data.num_labels)
        return 0.0, tfxc.negatives.Unigram(counts + 1, seed=seed)
    weights = None
    if arm.endswith("all labels"):
        ids, splits = data.lists["train"]
        counts = np.diff(splits)
        x, y = np.repeat(x, counts, axis=0), ids
        weights = np.repeat(1 / np.maximum(counts, 1), counts)
    begun = time.perf_counter()
    tree = tfxc.negatives.LabelTreeSampler(
        data.num_labels, x.shape[1], *TREES[noise], seed=seed
    )
    tree.fit(x, y, weights)
    return time.perf_counter() - begun, tree


def model_of(data, arm, sampler, settings, steps):
    """What ranks, and the model that trains it."""
    import keras

    import tfxc

    contrast, (rate, regularizer) = ARMS[arm][1], settings
    x, _ = data.train
    size = data.num_labels, x.shape[1]
    classifier = tfxc.layers.LabelClassifier(
        *size,
        cosine=False,
        initial=np.zeros((size[0], size[1] + 1), np.float32),
        bias=True,
    )
    rows = tfxc.training.RowAdagrad(
        size[0],
        tfxc.training.LinearDecay(rate, steps),
        initial=1e-8,
        padding=False,
    )
    parts = (
        *(tfxc.encoders.StoredVectors(size[1], 0.0), None, BATCH),
        *(classifier, rows),
    )
    model = tfxc.encoders.SampledLabelClassifier(
        *(*parts, sampler, 1, contrast, regularizer), len(x)
    )
    model.compile(keras.optimizers.SGD(0.0), jit_compile=True)
    model.optimizer.build(model.trainable_variables)
    corrects = sampler if contrast == "negative_sampling" else None
    return tfxc.layers.CorrectedClassifier(classifier, corrects), model


def figures(layer, data, name, arm):
    """Accuracy and log-likelihood; also of the parts of the scores."""
    import tfxc

    x, y = getattr(data, name)
    ids, splits = data.lists[name]
    every = arm.endswith("all labels")

    def right(scores, start):
        best = scores.argmax(axis=1)
        if not every:
            return best == y[start:][: len(best)]
        rows = [
            ids[splits[row] : splits[row + 1]]
            for row in range(start, start + len(best))
        ]
        return np.array([b in row for b, row in zip(best, rows, strict=True)])

    found = {"accuracy": [], "log_likelihood": [], "without_removal": []}
    found["sampler_alone"] = []
    for start in range(0, len(x), 500):
        block, labels = x[start : start + 500], y[start:][:500]
        log_p = np.asarray(layer.log_probs(block))
        found["accuracy"].append(right(log_p, start))
        found["log_likelihood"].append(log_p[np.arange(len(block)), labels])
        tree = getattr(layer, "sampler", None)
        if isinstance(tree, tfxc.negatives.LabelTreeSampler):
            log_q = np.asarray(tree.log_probs(block))
            found["without_removal"].append(right(log_p - log_q, start))
            found["sampler_alone"].append(right(log_q, start))
    return {
        name: float(np.concatenate(parts).mean())
        * (1 if name == "log_likelihood" else 100)
        for name, parts in found.items()
        if parts
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
        for found in arms.values():
            rows = [*found["lengths"].values()]
            found["as_uniform"] = {
                epochs: reached(rows, row["accuracy"])
                for epochs, row in goal["lengths"].items()
            }
            found["same_accuracy"] = found["as_uniform"][goal["end"]]
    return arms


def means(rows):
    """The means of rows, and the deviation of their accuracy."""
    found = {
        name: statistics.mean(row[name] for row in rows) for name in rows[0]
    }
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
