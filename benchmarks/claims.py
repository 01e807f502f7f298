"""Each measured claim beside its bar: the rows of the README's first table."""

import json
import pathlib
import statistics

import drawn_throughput
import oracle_gap

RESULTS = pathlib.Path(__file__).parent / "results"
ALONE, MINILM = "yso-finna-en, encoder alone, dim 256", "cooking, MiniLM"
# The least percent of each metric, PSP with A = 0.55 and B = 1.5.
BARS = {
    ALONE: {"P@1": 33, "PSP@1": 32, "R@100": 72},
    "yso-finna-en": {"P@1": 40, "P@5": 18, "PSP@1": 35, "R@100": 78},
    "cooking": {"encoder_alone/P@1": 63},
    MINILM: {"P@1": 75.5, "P@5": 32.5, "PSP@1": 58},
    "bibtex": {"P@1": 64},
    "delicious": {"P@1": 69},
}
# The most minutes and gigabytes.
LIMITS = {ALONE: (30, 3), "yso-finna-en": (45, 5), MINILM: (40, None)}
TREE = "tree, 96 opened, 384 exact"
# Of the gap that the tree closes, and the least percent.
GAP_METRICS, GAP_BAR = ("P@1", "PSP@1", "R@100"), 75
SCALE, SCALE_GB = 20_000_000, 12
BEYOND = 150  # percent of a gap from which the exact softmax is no ceiling
# The least percent of the steps without drawn labels.
THROUGHPUT = {"bag encoder, yso-finna-en": 80, "MiniLM, cooking": 85}


def rows():
    """`(what, bar, measured, command)` of each claim."""
    yield from pipeline_rows()
    report = read("cluster_aware")
    more = report["results"]["difference"]
    yield (
        "whole clusters against random batches of 256, 256 labels: "
        "P@1, PSP@1, R@100",
        "ahead",
        ", ".join(f"{more[n]['mean']:+.1f}" for n in ("P@1", "PSP@1", "R@100")),
        report["command"],
    )
    report = read("clustering")
    first = report["results"][0]
    yield (
        "clustering 525,773 x 128 into clusters of 64",
        "≤ 12 s",
        f"{first['wall_seconds']} s ({first['cpu_seconds']} s of CPU)",
        report["command"],
    )
    report = read("input_pipeline")
    rate = report["results"]["1024 candidates"]["rows_per_second"]
    yield (
        "input pipeline alone, length 32, batch 1,024",
        "≥ 500,000 rows/s",
        f"{rate:,} rows/s",
        report["command"],
    )
    report = read("row_optimizer")
    steps = list(report["results"].values())
    yield (
        "training step at 10k / 100k / 1M token rows",
        "does not grow",
        " / ".join(f"{step['row_adagrad_ms']:.0f}" for step in steps)
        + " ms (Keras Adam: "
        + " / ".join(f"{step['keras_adam_ms']:.0f}" for step in steps)
        + ")",
        report["command"],
    )
    report = read("first_step")
    empty, full = (
        report["results"][name] for name in ("empty cache", "full cache")
    )
    yield (
        "preparing yso-finna-en",
        "≤ 60 s, 2 GB",
        f"{empty['prepare_seconds']} s, {empty['prepare_peak_gb']} GB",
        report["command"],
    )
    yield (
        "second start on yso-finna-en, to the first step",
        "≤ 3 s",
        f"{full['first_step_seconds']} s "
        f"(and {full['import_seconds']} s to import TensorFlow)",
        report["command"],
    )
    seconds = read("exact_search")["seconds"]
    ratios = [
        seconds["exact_top_k"] / seconds[name]
        for name in ("numpy_product", "product")
    ]
    yield (
        "exact top-100 of 35,771 x 24,965, against the bare products",
        "≤ 2.5 times",
        f"{ratios[0]:.2f} times NumPy's, {ratios[1]:.2f} times TensorFlow's",
        "python benchmarks/exact_search.py",
    )
    report = read("readers")
    fixture = report["results"]["labels of 134,835 rows: tfxc"]["seconds"]
    yield (
        "reading the 134,835 label rows of LF-AmazonTitles-131K",
        "≤ 1 s",
        f"{fixture} s",
        report["command"],
    )
    report = read("full_label_loss")
    cases = report["results"]["cases"]
    losses = ("binary_cross_entropy", "softmax", "decoupled_softmax")
    for loss in (*losses, "decoupled_softmax, cosine"):
        case = cases[loss]
        yield (
            f"{loss} over 1,000,000 labels, d = 128, batch 1,024",
            "≤ 1.5 products, 1.5 tables more",
            f"{case['in_three_products']} times the bare products, "
            f"{case['extra_memory_in_tables']} tables more",
            report["command"],
        )
    yield from side_by_side()
    yield from negatives_rows()
    report = read("demo")
    demo = report["results"]
    yield (
        "`python train.py`, empty cache",
        "≤ 5 min, 4 GB",
        f"{demo['seconds'] / 60:.1f} min, {demo['peak_gb']} GB",
        report["command"],
    )
    yield (
        f"demo: “{demo['query']}” finds `xml.etree.ElementTree.dump`",
        "in the first 5",
        "yes" if demo["found"] else "no",
        report["command"],
    )


def pipeline_rows():
    """The rows of whole runs on real data."""
    report = read("pipeline")
    command = f"{report['command']} --task "
    for task, bars in BARS.items():
        figures = report["results"][task]["mean"]
        seeds = len(report["results"][task]["seeds"])
        for name, bar in bars.items():
            what = f"{task}: {name.removeprefix('encoder_alone/')}"
            if "/" in name:
                what = f"{task}, encoder alone: {name.split('/')[1]}"
            yield (
                f"{what}, mean of {seeds}" if seeds > 1 else what,
                f"≥ {bar}",
                f"{figures[name]:.2f}",
                f"{command}'{task}'",
            )
        minutes, memory = LIMITS.get(task, (None, None))
        if minutes is None:
            continue
        limit = [f"≤ {minutes} min"] + [f"{memory} GB"] * (memory is not None)
        yield (
            f"{task}: all of `train.py`",
            ", ".join(limit),
            f"{figures['seconds'] / 60:.1f} min, {figures['peak_gb']} GB",
            f"{command}'{task}'",
        )
    for task, kind, bar in (
        (ALONE, "bag encoder", 10),
        (MINILM, "transformer", 2),
    ):
        share = report["results"][task]["mean"]["planning_percent"]
        yield (
            f"planning, share of the epochs ({kind})",
            f"≤ {bar}%",
            f"{share:.1f}%",
            f"{command}'{task}'",
        )


def side_by_side():
    """The lines of tfxc and sentence-transformers after as many epochs."""
    report = read("same_epochs")
    runs = report["results"]
    ours, theirs = (
        statistics.mean(run[name]["P@1"] for run in runs)
        for name in ("tfxc", "sentence-transformers")
    )
    times = statistics.median(run["times as many pairs"] for run in runs)
    what = "cooking, MiniLM, one epoch beside sentence-transformers"
    yield (
        f"{what}: P@1",
        "ahead",
        f"{ours:.1f} against {theirs:.1f}",
        report["command"],
    )
    yield (
        f"{what}: pairs per second",
        "≥ 1.0 times as many",
        f"{times:.2f} times",
        report["command"],
    )


def negatives_rows():
    """The rows of samplers of negatives."""
    report = read("negatives")
    found = report["results"]["yso-finna-en"]
    row = found["mean"]["samplers"][TREE]
    yield (
        "draws near the softmax over 24,965 labels, inverse temperature 20, by "
        "a tree of vectors: median total variation, mean of "
        f"{len(found['by_seed'])}",
        "≤ 0.05 at 5% of the products",
        f"{row['median_total_variation']:.3f} at {row['cost_percent']:.1f}%, "
        f"in {row['ms']:.0f} ms; exact draws take "
        f"{found['mean']['exact_ms']:.0f} ms",
        report["command"],
    )
    report = read("drawn_throughput")
    for case, arms in report["results"].items():
        arm, steps_alone = arms["tree"], arms["tree, without refreshes"]
        bar, rate = THROUGHPUT[case], arm["throughput_percent"]
        num = drawn_throughput.CASES[case][2]["num_negatives"]
        yield (
            f"{case}: rate of training with {num} labels that a batch draws by "
            "the tree, beside none",
            f"≥ {bar}%" + (", not met" if rate < bar else ""),
            f"{rate:.0f}% "
            f"({steps_alone['throughput_percent']:.0f}% without refreshes), "
            f"{arm['ms_per_negative']:.1f} ms for each label",
            report["command"],
        )
    report = read("moving_codes")
    last = report["results"][-1]
    names = ("moved", "published", "untouched", "encoded")
    yield (
        f"codes by 1% of the labels, moved for {last['steps']} steps: median "
        "total variation; moved as published; not moved; encoded anew",
        "≤ as published",
        "; ".join(f"{last[name]:.2f}" for name in names),
        report["command"],
    )
    report = read("label_index")
    found = report["results"]["summary"]
    what = "ScaNN takes over a tenth of 50,000 labels"
    yield (
        f"{what}: share of the time of a build, with training anew",
        "≤ 10%",
        f"{100 * found['share_of_a_build']:.1f}%, "
        f"{100 * found['share_of_a_build_with_rebalancing']:.1f}%",
        report["command"],
    )
    yield (
        f"{what}, 50 times: recall@100 that a new index has more, at most",
        "≤ 1 point",
        f"{found['recall_lost_most']:.1f}, {found['recall_lost_last']:.1f} "
        f"in the end, when it finds {found['recall_last']:.0f}%",
        report["command"],
    )
    yield from gap_rows()
    yield from scale_rows()


def gap_rows():
    """The rows of what the tree closes of the gap to the exact softmax."""
    report = read("oracle_gap")
    for dataset, found in report["results"].items():
        closed = found["gap_closed"]["tree, Nystrom"]
        _, _, queries, drawn, (_, landmarks, *_) = oracle_gap.CASES[dataset]
        arms = [
            found["equal steps"]["by_seed"][arm]
            for arm in ("uniform", "tree, Nystrom", "exact")
        ]
        seeds = sorted(set.intersection(*map(set, arms)))
        low, tree, high = ([arm[seed]["P@1"] for seed in seeds] for arm in arms)
        shares = [closed[name] for name in GAP_METRICS]
        met = all(share is None or share >= GAP_BAR for share in shares)
        yield (
            f"{dataset}: gap between uniform draws and the exact softmax that "
            f"the tree closes in as many steps, {drawn // queries} drawn for "
            f"each query, self_normalized, by {landmarks} vectors of labels: "
            f"{', '.join(GAP_METRICS)}",
            f"≥ {GAP_BAR}%" + ("" if met else ", not met yet"),
            f"{', '.join(map(percent, shares))}; P@1 {gain(tree, low)} of "
            f"{gain(high, low)}, {len(seeds)} seeds",
            report["command"],
        )


def gain(figures, others):
    """The mean difference of two lists as text, with its standard error."""
    each = [one - other for one, other in zip(figures, others, strict=True)]
    error = statistics.stdev(each) / len(each) ** 0.5
    return f"{statistics.mean(each):+.1f} ± {error:.1f}"


def percent(share):
    """A share of a gap as text, or why there is none to close."""
    if share is None:
        return "no gap"
    return f"{share:.0f}%" if share < BEYOND else "ahead of exact"


def scale_rows():
    """The rows of very many labels."""
    report = read("negatives_scale")
    sizes = {int(size): row for size, row in report["results"].items()}
    small, large = min(sizes), max(sizes)
    row = sizes[large]
    met = large >= SCALE and row["peak_gb"] <= SCALE_GB

    def listed(name, digits):
        found = (sizes[size][name] for size in sorted(sizes))
        return " / ".join(f"{figure:.{digits}f}" for figure in found)

    yield (
        f"{large:,} labels of 128 dimensions on 2 cores: build, move all "
        "codes, take them over, group them anew; peak of memory",
        f"≤ {SCALE_GB} GB for {SCALE:,}" + ("" if met else ", not met yet"),
        f"{row['build_seconds']:.0f} s, {row['move_seconds']:.0f} s, "
        f"{row['refresh_seconds']:.0f} s, {row['rebuild_seconds']:.0f} s; "
        f"{row['peak_gb']:.1f} GB",
        report["command"],
    )
    yield (
        f"64 draws for each of 256 queries, {small:,} to {large:,} labels; "
        "their median total variation from the softmax over the codes",
        "grows with the logarithm",
        listed("draw_ms", 0) + " ms; " + listed("draws_from_codes", 2),
        report["command"],
    )


def read(name):
    """One file of results; wherever the data was, it is "DATA" here."""
    text = (RESULTS / f"{name}.json").read_text()
    return json.loads(text.replace("../shared/data", "DATA"))


def shown_as(figure, digits):
    """A figure as text, empty for none."""
    return "" if figure is None else f"{figure:.{digits}f}"
