"""Writes the tables of the README from `benchmarks/results/`.

python benchmarks/table.py
"""

import pathlib
import statistics

import output_layer_tables
from claims import GAP_METRICS, MINILM, percent, read, rows, shown_as

README = pathlib.Path(__file__).parents[1] / "README.md"
# The rows of tfxc in the comparison with other packages.
OURS = {
    "yso-finna-en": {"tfxc ngame": "yso-finna-en"},
    "cooking": {"tfxc ngame": "cooking", "tfxc ngame, MiniLM": MINILM},
}
PEERS = {
    "centroid": "label centroids of TF-IDF",
    "pecos-xrlinear": "PECOS XR-Linear",
    "napkinxc-plt": "napkinXC PLT",
    "one-vs-rest-svm": "scikit-learn one-vs-rest SVM",
    "st-minilm-zeroshot": "sentence-transformers, MiniLM as it comes",
    "st-minilm-mnrl-3ep": "sentence-transformers, three epochs",
}
COMPARED = ("P@1", "P@3", "P@5", "PSP@1", "PSP@3", "PSP@5", "R@10", "R@100")


def lines():
    """The lines of the table, one for each measured claim."""
    yield "| what | bar | measured | command |"
    yield "|---|---|---|---|"
    claims = [*rows(), *output_layer_tables.rows()]
    for what, bar, measured, command in claims:
        yield f"| {what} | {bar} | {measured} | `{command}` |"


def comparison():
    """The lines of the comparison with other packages."""
    yield f"| | {' | '.join(COMPARED)} | train s | predict s | GB |"
    yield "|---|" + "---|" * (len(COMPARED) + 3)
    ours, peers = read("pipeline")["results"], read("peers")["results"]
    for dataset, tasks in OURS.items():
        yield f"| **{dataset}** |" + " |" * (len(COMPARED) + 3)
        for name, task in tasks.items():
            figures = ours[task]["mean"]
            predict = figures["evaluate_seconds"]
            train = figures["seconds"] - predict
            count = len(ours[task]["seeds"])
            name = f"{name} (mean of {count})" if count > 1 else name
            yield line(f"**{name}**", figures, train, predict)
        for name, text in PEERS.items():
            figures = peers[dataset].get(name)
            if figures is not None:
                train = figures["features_s"] + figures["train_s"]
                yield line(text, figures, train, figures["predict_s"])
    runs = read("same_epochs")["results"]  # of cooking, the last
    theirs = [run["sentence-transformers"] for run in runs]
    mean = {
        name: statistics.mean(run[name] for run in theirs) for name in theirs[0]
    }
    text = f"sentence-transformers, one epoch (mean of {len(theirs)})"
    yield line(text, mean, mean["train_seconds"])


def line(name, figures, train, predict=None):
    """One line of the comparison; what was not measured is left out."""
    shown = [shown_as(figures.get(metric), 1) for metric in COMPARED]
    shown += [shown_as(train, 0), shown_as(predict, 0)]
    shown += [shown_as(figures.get("peak_gb"), 1)]
    return f"| {name} | {' | '.join(shown)} |"


def samplers():
    """The lines of samplers beside the exact softmax."""
    yield (
        "| | total variation | median | KL | bias | deviation | effective | "
        "accepted | cost % | ms | MB | s to build | stale | s to refresh |"
    )
    yield "|---|" + "---|" * 13
    for dataset, found in read("negatives")["results"].items():
        mean = found["mean"]
        labels = f"{mean['labels']:,.0f} labels"
        yield f"| **{dataset}, {labels}** |" + " |" * 13
        yield (
            "| exact softmax | 0 | 0 | 0 | 0 | | 1 | 1 | 100 | "
            f"{mean['exact_ms']:.0f} | | | | |"
        )
        seeds = [row["samplers"] for row in found["by_seed"].values()]
        for name, row in mean["samplers"].items():
            count = sum(name in of_seed for of_seed in seeds)
            cost = row.get("cost_percent")
            shown = [
                f"{row['total_variation']:.3f}",
                f"{row['median_total_variation']:.3f}",
                "∞" if row["kl"] is None else f"{row['kl']:.2f}",
                f"{row['bias']:.2f}",
                f"{row['deviation']:.2f}",
                f"{row['effective']:.2f}",
                f"{row['acceptance']:.2f}",
                shown_as(cost, 1),
                f"{row['ms']:.0f}",
                f"{row['bytes'] / 1e6:.1f}",
                f"{row['seconds_to_build']:.1f}",
                f"{row['staleness']:.2f}",
                f"{row['seconds_to_refresh']:.1f}",
            ]
            name += f" (of {count} seeds)" if count < len(seeds) else ""
            yield f"| {name} | {' | '.join(shown)} |"
        for name, row in mean["partitions"].items():
            distance = row["median_total_variation"]
            built = row["seconds_to_build"]
            refreshed = shown_as(row.get("seconds_to_refresh"), 1)
            yield (
                f"| groups of {name} | | {distance:.3f} | | | | | | | | | "
                f"{built:.1f} | | {refreshed} |"
            )


def gap():
    """The lines of what each kind of negatives closes of the oracle gap."""
    shown = ("P@1", "P@5", "PSP@1", "R@100")
    yield (
        f"| | {' | '.join(shown)} | gap closed: {' | '.join(GAP_METRICS)} | "
        "ms | s | same time: P@1 | R@100 |"
    )
    yield "|---|" + "---|" * 11
    for dataset, found in read("oracle_gap")["results"].items():
        yield f"| **{dataset}** |" + " |" * 11
        for arm, mean in found["equal steps"]["mean"].items():
            closed = found["gap_closed"].get(arm, {})
            timed = found["equal time"].get("mean", {}).get(arm, {})
            cells = [shown_as(mean[name], 1) for name in shown]
            cells += [
                percent(closed[name]) if closed else "" for name in GAP_METRICS
            ]
            cells += [
                shown_as(1000 * mean["step_seconds"], 0),
                shown_as(mean["seconds"], 0),
                *(shown_as(timed.get(name), 1) for name in ("P@1", "R@100")),
            ]
            if timed:
                times = len(found["equal time"]["by_seed"][arm])
                cells[-2] += f" ({times})"
            seeds = len(found["equal steps"]["by_seed"][arm])
            yield f"| {arm} ({seeds}) | {' | '.join(cells)} |"


def accelerator():
    """The lines of what draws cost on an accelerator."""
    found = read("accelerator")["results"]
    sizes, steps = found["draws"], found["steps"]
    heads = [f"{int(size):,} labels: ms" for size in sizes]
    heads += ["s to refresh", *(f"{case}: rate, %" for case in steps)]
    yield f"| {found['device']} | {' | '.join(heads)} |"
    yield "|---|" + "---|" * len(heads)
    *_, last = sizes.values()
    for name, row in last.items():
        cells = [f"{rows[name]['milliseconds']:.2f}" for rows in sizes.values()]
        cells.append(shown_as(row["refresh_seconds"], 1))
        cells += [
            shown_as(arms.get(name, {}).get("throughput_percent"), 0)
            for arms in steps.values()
        ]
        yield f"| {name} | {' | '.join(cells)} |"


def ablations():
    """The lines of what each addition to NGAME is worth."""
    shown = [f"held out {name}" for name in ("P@1", "P@5", "PSP@1", "R@100")]
    shown += [f"test {name}" for name in ("P@1", "PSP@1", "R@100")]
    yield f"| | {' | '.join(shown)} | train s |"
    yield "|---|" + "---|" * (len(shown) + 1)
    for dataset, arms in read("ablations")["results"].items():
        yield f"| **{dataset}** |" + " |" * (len(shown) + 1)
        for arm, figures in arms.items():
            means = " | ".join(f"{figures[n]['mean']:.1f}" for n in shown)
            seconds = figures["train_seconds"]["mean"]
            seeds = figures["seeds"]
            name = arm if seeds > 2 else f"{arm} (of {seeds} seeds)"
            yield f"| {name} | {means} | {seconds:.0f} |"


def with_tables(text):
    """The README with the tables of today's results."""
    tables = {
        "results": lines(),
        "peers": comparison(),
        "ablations": ablations(),
        "samplers": samplers(),
        "gap": gap(),
        "accelerator": accelerator(),
        "adversarial": output_layer_tables.adversarial(),
        "trees": output_layer_tables.trees(),
        "signals": output_layer_tables.signals(),
        "adaptive": output_layer_tables.adaptive(),
        "likelihoods": output_layer_tables.likelihoods(),
        "margins": output_layer_tables.margins(),
    }
    for name, table in tables.items():
        start, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->"
        before, rest = text.split(start)
        after = rest.split(end)[1]
        joined = "\n".join(table)
        text = f"{before}{start}{joined}\n{end}{after}"
    return text


def main():
    README.write_text(with_tables(README.read_text()))


if __name__ == "__main__":
    main()
