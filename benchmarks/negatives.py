"""Samplers of negatives beside the exact softmax: distance, bias, cost.

    python benchmarks/negatives.py --data ../shared/data

An encoder is trained for one epoch; the samplers then draw for 256 queries that
it was not trained on, at an inverse temperature of 20. "cost" is the share of
the products that the exact softmax takes, which compares a query with all
labels; "ms" is the time of a compiled call for all queries. Figures are means
over queries, but for bias and deviation, which are medians: they are shares of
the length of the gradient, which is next to nothing for a query that the
encoder answers rightly. Samplers of labels as they were at half of the epoch
have a "staleness", and a "refresh". All are means over seeds. Writes a drawing
beside the results.
"""

import argparse
import contextlib
import functools
import itertools
import os
import pathlib
import statistics
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))
sys.path.insert(0, str(pathlib.Path(__file__).parent))  # for `python -m`

from label_groups import partitions
from prepared_job import prepared_job
from record import RESULTS, read_results, write_results

from tfxc.allocator import keep_freed_memory

QUERIES, DRAWS, NEAREST = 256, 64, 32
FIGURES = ("total_variation", "kl", "effective", "acceptance")
# Lines of the drawing: what names of samplers begin and end with.
LINES = (
    *(("uniform", ""), ("unigram", ""), ("in-batch", ""), ("cache", "")),
    *(("nearest", "32"), ("nearest", "uniform"), ("midx", "words")),
    *(("tree", "no sketches"), ("tree", "chain of 4")),
    *(("tree", "exact"), ("tree", "landmarks")),
)
ROOTS = {"bias": "squared_bias", "deviation": "variance"}


def main():
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--data", type=pathlib.Path, required=True)
    parser.add_argument(
        "--dataset", nargs="+", default=["yso-finna-en", "cooking"]
    )
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--seeds", type=int, nargs="+", default=range(5))
    parser.add_argument(
        "--keep", type=pathlib.Path, help="folder for vectors, to go on with"
    )
    parser.add_argument("--inverse-temperature", type=float, default=20.0)
    options = parser.parse_args()
    keep_freed_memory()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    command = f"python benchmarks/negatives.py --data {options.data}"
    results = read_results("negatives")
    for dataset in options.dataset:
        by_seed = results.get(dataset, {}).get("by_seed", {})
        for seed in options.seeds:
            vectors = kept_vectors(options, dataset, seed)
            by_seed[str(seed)] = measured(
                **vectors, beta=options.inverse_temperature
            )
            results[dataset] = {"mean": mean(by_seed), "by_seed": by_seed}
            with contextlib.redirect_stdout(None):  # so that none is lost
                write_results("negatives", command, results)
    write_results("negatives", command, results)
    draw(results)


def mean(by_seed):
    """The means of all figures over the seeds, of the same form."""
    first, *_ = found = list(by_seed.values())
    if isinstance(first, dict):
        return {
            name: mean({seed: row[name] for seed, row in by_seed.items()})
            for name in first
        }
    return None if None in found else statistics.mean(found)


def kept_vectors(options, dataset, seed):
    """`trained_vectors`, from `--keep` if they are there."""
    import numpy as np

    data = options.data / dataset
    if options.keep is None:
        return trained_vectors(data, options.epochs, seed)
    file = options.keep / f"{dataset}-{options.epochs}-{seed}.npz"
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        part = file.with_suffix(".part.npz")
        np.savez(part, **trained_vectors(data, options.epochs, seed))
        part.replace(file)
    with np.load(file) as arrays:
        return dict(arrays)


def trained_vectors(data, epochs, seed):
    """Arrays of an encoder on real data, by name: see `measured`."""
    import dataclasses

    import numpy as np
    from keras.callbacks import LambdaCallback

    from models import ngame
    from tfxc.negatives import drawn_frequency

    constructor = getattr(ngame.Recipe, data.name.replace("-", "_"))
    recipe = dataclasses.replace(constructor(), epochs=epochs, seed=seed)
    half_way = []
    with prepared_job(recipe, data) as job:
        half = epochs * len(job.rows) // recipe.batch_size // 2
        steps = itertools.count(1)  # of all epochs

        def keep_labels(step, logs=None):
            if next(steps) == half:
                half_way.append(job.label_vectors())

        ngame.train_encoder(
            recipe, job, [LambdaCallback(on_train_batch_end=keep_labels)]
        )
        rows = job.held_out[:QUERIES]
        relevant = job.relevant.take(rows)
        positives = relevant.ids[relevant.splits[:-1]]
        learned = job.relevant.take(job.rows)
        return {
            "queries": job.query_vectors(rows),
            "labels": job.label_vectors(),
            "labels_half_way": half_way[0],
            "positives": np.asarray(positives),
            "counts": learned.counts(),
            "frequency": drawn_frequency(learned),
        }


def samplers_of(labels, counts, frequency, beta, lists):
    """`{name: (what it knows of labels, function of it that makes it)}`.

    Args:
        labels: `[L, d]`, float32.
        counts: `[L]`, int; training rows of each label.
        frequency: `[L]`, float; of each label in batches.
        beta: The inverse temperature.
        lists: Function of `NearestNegatives` and labels that finds its lists.
    """
    import numpy as np

    from tfxc import negatives

    size = len(labels)
    some = np.random.default_rng(0).permutation(size)[: max(size // 16, 32)]

    def cache(labels):
        return negatives.NegativeCache(some, labels[some], size, beta)

    def midx(words):
        return lambda labels: negatives.Midx(labels, beta, words=words)

    def nearest(labels):
        sampler = negatives.NearestNegatives(QUERIES, size, NEAREST)
        lists(sampler, labels)
        return sampler

    def mixed(labels):
        parts = [negatives.Uniform(size), nearest(labels)]
        return negatives.MixedNegatives(parts, [1, 1])

    def tree(opened, exact, **options):
        return lambda labels: negatives.ClusterTreeSampler(
            labels, beta, opened=opened, exact=exact, **options
        )

    def tree_of_codes(codes, basis):
        return negatives.ClusterTreeSampler(codes, beta, projection=basis)

    def coded(landmarks):
        rows = np.random.default_rng(1).permutation(size)[:landmarks]
        nystrom = negatives.Nystrom(labels[rows])
        return nystrom.codes(labels), nystrom.basis

    of_labels = {
        "uniform": lambda labels: negatives.Uniform(size),
        "unigram": lambda labels: negatives.Unigram(counts),
        "in-batch, log q": lambda labels: negatives.InBatch(frequency),
        f"nearest {NEAREST}": nearest,
        f"nearest {NEAREST} and uniform": mixed,
        "cache of a sixteenth": cache,
        **{f"midx, {n} words": midx(n) for n in (64, 256)},
        **{f"tree, {n} opened, no sketches": tree(n, size) for n in (2, 4, 8)},
        "tree, 8 opened, chain of 4": tree(8, size, steps=4),
        **{
            f"tree, {n} opened, {k} exact": tree(n, k)
            for n, k in ((24, 96), (48, 192), (96, 384), (192, 768))
        },
    }
    return {
        **{name: ((labels,), make) for name, make in of_labels.items()},
        **{
            f"tree, {n} landmarks": (coded(n), tree_of_codes)
            for n in (128, 256)
        },
    }


def measured(
    queries, labels, labels_half_way, positives, counts, frequency, beta
):
    """The figures of all samplers: means over the queries.

    Args:
        queries: `[QUERIES, d]`, float32.
        labels: `[L, d]`, float32.
        labels_half_way: The same, as they were at half of the training.
        positives: `[QUERIES]`, int; a right label of each query.
        counts: `[L]`, int; training rows of each label.
        frequency: `[L]`, float; of each label in batches.
        beta: The inverse temperature.

    Returns:
        A nested dictionary of numbers.
    """
    import numpy as np

    from tfxc.negatives import ClusterTreeSampler, diagnose

    rows = {}
    lists = functools.partial(find_lists, queries, positives)
    of_all = counts, frequency, beta, lists
    older = samplers_of(labels_half_way, *of_all)
    batch = {"rows": np.arange(len(queries)), "candidates": positives}
    exact = exact_milliseconds(queries, labels, beta)
    for name, (now, make) in samplers_of(labels, *of_all).items():
        begun = time.perf_counter()
        sampler = make(*now)
        made = time.perf_counter() - begun
        common = queries, labels, beta, positives, DRAWS
        found = diagnose(sampler, *common, 20, refresh=lambda: None, **batch)
        stale = make(*older[name][0])
        refresh = functools.partial(renew, stale, now, lists)
        aged = diagnose(stale, *common, 1, refresh=refresh, **batch)
        rows[name] = {
            **{figure: finite_mean(found[figure]) for figure in FIGURES},
            **{
                root: max(float(np.median(found[square])), 0) ** 0.5
                for root, square in ROOTS.items()
            },
            "ms": found["microseconds"] * len(queries) / 1000,
            "bytes": int(found["bytes"]),
            "seconds_to_build": made,
            "staleness": finite_mean(aged["staleness"]),
            "seconds_to_refresh": aged["refresh_seconds"],
        }
        if isinstance(sampler, ClusterTreeSampler):
            products = sampler.products_per_query()
            if sampler.steps:  # all draws of a chain are scored
                products += DRAWS * (sampler.steps + 1)
            # Codes are shorter than vectors; the query is coded, too.
            if sampler.projection is not None:
                products *= sampler.dim / labels.shape[1]
                products += sampler.dim
            rows[name]["cost_percent"] = 100 * products / len(labels)
            bound = np.asarray(sampler.bound(queries))
            rows[name]["median_log_bound"] = float(np.median(bound))
        rows[name]["median_total_variation"] = float(
            np.median(found["total_variation"])
        )
        print(name, rows[name], flush=True)
    return {
        "labels": len(labels),
        "exact_ms": exact,
        "samplers": rows,
        "partitions": partitions(queries, labels, beta),
    }


def find_lists(queries, positives, sampler, labels):
    """Gives `NearestNegatives` the nearest wrong labels of each query."""
    import numpy as np

    from tfxc.data import LabelLists
    from tfxc.negatives import LabelIndex

    index = LabelIndex()
    index.build(labels)
    rows = np.arange(len(queries))
    relevant = LabelLists.from_pairs(rows, positives, len(rows), len(labels))
    sampler.start(index, queries, relevant)
    sampler.finish()


def renew(sampler, now, lists):
    """Lets a sampler follow the labels: `now`, see `samplers_of`."""
    from tfxc.negatives import NearestNegatives

    for part, _ in sampler.components(DRAWS):
        if isinstance(part, NearestNegatives):
            lists(part, *now)
        else:
            part.refresh(*now)


def finite_mean(figures):
    """The mean; `None` where one is infinite, as JSON has no infinity."""
    import numpy as np

    mean = float(np.mean(figures))
    return mean if np.isfinite(mean) else None


def exact_milliseconds(queries, labels, beta):
    """The time to draw from the exact softmax, compiled or not: all queries."""
    import tensorflow as tf

    from tfxc.negatives.categorical import categorical

    table = tf.constant(labels)

    def draw(x):
        scores = beta * tf.matmul(x, table, transpose_b=True)
        return categorical(scores, DRAWS, 0)

    return min(
        milliseconds(tf.function(draw, jit_compile=jit), queries)
        for jit in (False, True)
    )


def milliseconds(draw, queries):
    """The median time of a call, without the first."""
    import numpy as np

    times = []
    for _ in range(8):
        begun = time.perf_counter()
        draw(queries).numpy()
        times.append(time.perf_counter() - begun)
    return 1000 * float(np.median(times[1:]))


def draw(results):
    """Median distance against cost, a line for each kind of sampler."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 4), layout="constrained")
    panels = figure.subplots(1, len(results), squeeze=False)[0]
    for axes, (dataset, found) in zip(panels, results.items(), strict=True):
        found = found["mean"]
        for first, last in LINES:
            rows = [
                row
                for name, row in found["samplers"].items()
                if name.startswith(first) and name.endswith(last)
            ]
            axes.plot(
                [row["ms"] for row in rows],
                [row["median_total_variation"] for row in rows],
                marker="o",
                label=f"{first}, {last}".strip(", "),
            )
        axes.axvline(found["exact_ms"], color="black", linestyle=":")
        axes.set(
            xlabel=f"ms for {QUERIES} queries",
            ylabel="median total variation",
            xscale="log",
            yscale="log",
            title=f"{dataset}, {found['labels']:,.0f} labels",
        )
    panels[0].legend(fontsize=7)
    figure.savefig(RESULTS / "negatives.svg")


if __name__ == "__main__":
    main()
