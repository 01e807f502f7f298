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
import os
import pathlib
import statistics
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))
sys.path.insert(0, str(pathlib.Path(__file__).parent))  # for `python -m`

from compared_samplers import DRAWS, find_lists, renew, samplers_of
from label_groups import partitions
from record import RESULTS, read_results, write_results
from trained_vectors import QUERIES, kept_vectors

from tfxc.allocator import keep_freed_memory

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
            means = mean([*by_seed.values()])
            results[dataset] = {"mean": means, "by_seed": by_seed}
            with contextlib.redirect_stdout(None):  # so that none is lost
                write_results("negatives", command, results)
    write_results("negatives", command, results)
    draw(results)


def mean(found):
    """The means of figures of the same form, over the seeds that have each."""
    if not isinstance(found[0], dict):
        return None if None in found else statistics.mean(found)
    names = dict.fromkeys(name for row in found for name in row)
    return {
        name: mean([row[name] for row in found if name in row])
        for name in names
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
    rng = np.random.default_rng(0)  # labels that a training batch brings along
    candidates = rng.choice(len(labels), len(queries), p=frequency)
    batch = {"rows": np.arange(len(queries)), "candidates": candidates}
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
        "partitions": partitions(queries, labels, labels_half_way, beta),
    }


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
