"""Adversarial softmax beside what it is compared with: accuracy against time.

    python benchmarks/adversarial_softmax.py --data ../shared/data

yso-finna-en with one label a query, drawn once by a hash of its row. Features
are fixed: vectors of an encoder (NGAME's module M1) that was trained on half of
the training rows, which are then set aside, so that no classifier sees what the
encoder learnt by heart. Classifiers train on the other half, by batches of
1,024 and one draw a query, from zero, for the same number of epochs, with a
rate that falls to zero. Accuracy is that of the best label for test queries,
evenly spaced 5,000 of them; log-likelihood is that of a softmax. Times are of
the steps alone, but for the fit of the tree, which counts, where it draws.

Rates are chosen for each arm with seed 0, on 5,000 held-out training rows
(`--choose`). "same accuracy" is the time at which an arm is first as good as
uniform draws are in the end.
"""

import argparse
import contextlib
import pathlib
import statistics
import time

import numpy as np
from prepared_job import prepared_job
from record import RESULTS, read_results, write_results

DIM, BATCH, EPOCHS, HELD_OUT, TESTED = 256, 1024, 20, 5000, 5000
MARKS = (0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.75, 1.0)  # shares of the steps
RATES = (0.1, 0.2, 0.4, 0.8)
# Noise, contrast, and epochs.
ARMS = {
    "adversarial": ("tree", "negative_sampling", EPOCHS),
    "adversarial, 32 components": ("tree of 32", "negative_sampling", EPOCHS),
    "uniform": ("uniform", "negative_sampling", EPOCHS),
    "frequency": ("unigram", "negative_sampling", EPOCHS),
    "NCE, the tree": ("tree", "noise_contrastive", EPOCHS),
    "one-vs-each": ("uniform", "one_vs_each", EPOCHS),
    "augment and reduce": ("uniform", "augment_and_reduce", EPOCHS),
    "full softmax": ("uniform", "softmax", 2),
}
REGULARIZER = {"tree": 1e-3, "tree of 32": 1e-3}  # as published; else 1e-5


def main():
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--data", type=pathlib.Path, required=True)
    parser.add_argument("--arm", nargs="+", choices=ARMS, default=[*ARMS])
    parser.add_argument("--seeds", type=int, nargs="+", default=range(3))
    parser.add_argument("--choose", action="store_true")
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
    rates = results.setdefault("rates", {})

    def save():
        with contextlib.redirect_stdout(None):
            write_results("adversarial_softmax", command, results)

    for arm in options.arm:
        if options.choose:
            found = {}
            for rate in RATES:
                curve = train(data, arm, rate, 0, data.held_out, MARKS[-1:])
                found[str(rate)] = curve[-1]["accuracy"]
                print(arm, rate, found[str(rate)], flush=True)
            rates[arm] = found
            save()
            continue
        rate = float(max(rates[arm], key=rates[arm].get))
        for seed in options.seeds:
            curve = train(data, arm, rate, seed, data.test, MARKS)
            by_seed = results.setdefault("curves", {}).setdefault(arm, {})
            by_seed[str(seed)] = curve
            results["arms"] = summary(results["curves"])
            print(arm, seed, curve[-1], flush=True)
            save()
    if "curves" in results:
        draw(results["curves"])
    write_results("adversarial_softmax", command, results)


class Data:
    """Rows `(features [n, d], labels [n])` of three kinds."""

    def __init__(self, file):
        self.num_labels = int(file["num_labels"])
        self.train, self.held_out, self.test = (
            (file[f"{name}_x"], file[f"{name}_y"])
            for name in ("train", "held_out", "test")
        )


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
            arrays[f"{name}_y"] = one_label(relevant.take(rows), rows)
        np.savez(path, num_labels=dataset.num_labels, **arrays)


def one_label(lists, rows):
    """One label of each row, by a hash of its number: `[n]`, int32."""
    mixed = rows.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    counts = lists.row_counts().astype(np.uint64)
    place = (mixed >> np.uint64(33)) % counts
    return lists.ids[lists.splits[:-1] + place.astype(np.int64)].astype("int32")


def train(data, arm, rate, seed, judged, marks):
    """`[{"seconds", "accuracy", ...}]` at some shares of the steps."""
    import tensorflow as tf

    import tfxc

    noise, _, epochs = ARMS[arm]
    x, y = data.train
    started = time.perf_counter()
    sampler = sampler_of(noise, data, seed)
    spent = time.perf_counter() - started if "tree" in noise else 0.0
    steps = epochs * (len(x) // BATCH)
    layer, model = model_of(data, arm, sampler, rate, steps)
    step = tf.function(model.train_step, jit_compile=True)
    lists = tfxc.data.LabelLists(y, np.arange(len(y) + 1), data.num_labels)
    stops = {max(round(mark * steps), 1) for mark in marks}
    curve, done = [], 0
    if len(marks) > 1 and "tree" in noise:
        curve.append({"seconds": spent, **figures(layer, *judged)})
    for epoch in range(epochs):
        plan = tfxc.batching.ShuffledBatches(len(x), BATCH, seed).plan(epoch)
        batches = tfxc.data.full_label_batches(
            lambda epoch=epoch, plan=plan: (epoch, plan[: len(x) // BATCH]),
            *(tfxc.data.Vectors(x), lists, BATCH),
        )
        for batch in batches:
            begun = time.perf_counter()
            step(batch)
            # The first step compiles.
            spent += time.perf_counter() - begun if done else 0.0
            done += 1
            if done in stops:
                row = {"epoch": done / (len(x) // BATCH), "seconds": spent}
                curve.append({**row, **figures(layer, *judged)})
    return curve


def sampler_of(noise, data, seed):
    """What draws, fitted to the training rows if it is a tree."""
    import tfxc

    if noise == "uniform":
        return tfxc.negatives.Uniform(data.num_labels, seed)
    x, y = data.train
    if noise == "unigram":
        counts = np.bincount(y, minlength=data.num_labels)
        return tfxc.negatives.Unigram(counts + 1, seed=seed)
    dim = 32 if noise == "tree of 32" else 16
    tree = tfxc.negatives.LabelTreeSampler(
        data.num_labels, x.shape[1], dim, seed=seed
    )
    return tree.fit(x, y)


def model_of(data, arm, sampler, rate, steps):
    """What ranks, and the model that trains it."""
    import keras

    import tfxc

    noise, contrast, _ = ARMS[arm]
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
    if contrast == "softmax":
        model = tfxc.encoders.FullLabelClassifier(*parts, "softmax")
    else:
        model = tfxc.encoders.SampledLabelClassifier(
            *(*parts, sampler, 1, contrast, REGULARIZER.get(noise, 1e-5)),
            len(x),
        )
    model.compile(keras.optimizers.SGD(0.0), jit_compile=True)
    model.optimizer.build(model.trainable_variables)
    corrects = sampler if contrast == "negative_sampling" else None
    return tfxc.layers.CorrectedClassifier(classifier, corrects), model


def figures(layer, x, y):
    """Accuracy and log-likelihood; also of the parts of the scores."""
    import tfxc

    found = {"accuracy": [], "log_likelihood": [], "without_removal": []}
    found["sampler_alone"] = []
    for start in range(0, len(x), 500):
        block, labels = np.float32(x[start : start + 500]), y[start:][:500]
        log_p = np.asarray(layer.log_probs(block))
        found["accuracy"].append(log_p.argmax(axis=1) == labels)
        found["log_likelihood"].append(log_p[np.arange(len(block)), labels])
        tree = getattr(layer, "sampler", None)
        if isinstance(tree, tfxc.negatives.LabelTreeSampler):
            log_q = np.asarray(tree.log_probs(block))
            for name, scores in (
                ("without_removal", log_p - log_q),
                ("sampler_alone", log_q),
            ):
                found[name].append(scores.argmax(axis=1) == labels)
    return {
        name: float(np.concatenate(parts).mean())
        * (1 if name == "log_likelihood" else 100)
        for name, parts in found.items()
        if parts
    }


def summary(curves):
    """Means over seeds of what arms end at, and when they are good enough."""
    ends = {arm: [c[-1] for c in by.values()] for arm, by in curves.items()}
    result = {}
    for arm, rows in ends.items():
        result[arm] = {
            name: statistics.mean(row[name] for row in rows) for name in rows[0]
        }
        accuracies = [row["accuracy"] for row in rows]
        if len(rows) > 1:
            result[arm]["deviation"] = statistics.stdev(accuracies)
        if "uniform" in ends:
            goal = statistics.mean(r["accuracy"] for r in ends["uniform"])
            times = [reached(curve, goal) for curve in curves[arm].values()]
            result[arm]["same_accuracy"] = (
                None if None in times else statistics.mean(times)
            )
    return result


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


def draw(curves):
    """`adversarial_softmax.png`: accuracy against seconds, seed 0."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, 2, figsize=(10, 4))
    for arm, by_seed in curves.items():
        curve = next(iter(by_seed.values()))
        for axis, name in zip(
            axes, ("accuracy", "log_likelihood"), strict=True
        ):
            seconds = [max(row["seconds"], 0.05) for row in curve]
            axis.plot(seconds, [row[name] for row in curve], label=arm)
            axis.set(xscale="log", xlabel="seconds", ylabel=name)
    axes[1].legend(fontsize=7)
    figure.tight_layout()
    figure.savefig(RESULTS / "adversarial_softmax.png", dpi=120)


if __name__ == "__main__":
    main()
