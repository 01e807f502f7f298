"""The lines of the README's tables of output layers, and their claims."""

import statistics

from claims import read, shown_as

NAMED = "500000"  # labels of the bar
USUAL = "20"  # epochs
LARGE = "adversarial, 64 components"
ENDS = ("160", "80")  # of uniform draws, about as good on held-out rows


def rows():
    """`(what, bar, measured, command)` of each claim."""
    report = read("adversarial_softmax")
    arms = report["results"]["arms"]
    ours, uniform = arms["adversarial"], arms["uniform"]
    large = arms[LARGE]
    what = "yso-finna-en, one label a query, fixed features: draws of a tree"
    of_uniform = uniform["lengths"][uniform["end"]]
    gain, measured = 0.0, []
    for components, arm in ((64, large), (16, ours)):
        end = arm["lengths"][arm["end"]]
        gain = max(gain, end["accuracy"] - of_uniform["accuracy"])
        measured.append(
            f"{components} components: {compared([end, of_uniform])} "
            f"({arm['end']} and {uniform['end']} epochs)"
        )
    same = [arm["lengths"][USUAL] for arm in (large, uniform)]
    measured.append(f"by {USUAL} epochs {compared(same)}")
    kinds = (arms[f"{kind}, all labels"] for kind in ("adversarial", "uniform"))
    same = [arm["lengths"][USUAL] for arm in kinds]
    measured.append(f"all labels of a query: {compared(same)}")
    yield (
        f"{what} against uniform ones: accuracy where either ends",
        "≥ 2 points more" + ("" if gain >= 2 else ", not met"),
        *("; ".join(measured), report["command"]),
    )
    measured, met = [], []
    for epochs in ENDS:
        row, seconds = uniform["lengths"][epochs], ours["as_uniform"][epochs]
        share = seconds / row["seconds"]
        met += [epochs] if share <= 0.2 else []
        measured.append(
            f"{seconds:.0f} s and {row['seconds']:.0f} s for "
            f"{row['accuracy']:.1f}% ({epochs} epochs): {share:.2f}"
        )
    [*_, sooner] = arms["uniform, more regularised"]["lengths"].values()
    measured.append(
        f"more regularised, uniform ones have {sooner['accuracy']:.1f}% after "
        f"{sooner['seconds']:.0f} s"
    )
    bar = "≤ 1/5 of theirs"
    if len(met) < len(ENDS):
        bar += f", met at {', '.join(met)} epochs alone" if met else ", not met"
    yield (
        f"{what} of 16 components: time to what uniform ones end at, with the "
        "tree's fit",
        *(bar, "; ".join(measured), report["command"]),
    )
    fit = report["results"]["fit"]
    yield (
        f"a label tree, {fit['rows']:,} rows, {fit['labels']:,} labels: fit",
        "≤ 60 s",
        f"{fit['seconds']:.0f} s",
        report["command"] + " --fit",
    )
    report = read("adaptive_softmax")
    found = report["results"]["likelihood"]
    settings = best_settings(found)
    faster = report["results"]["steps"][NAMED]["adaptive"][settings]
    yield (
        f"adaptive softmax, {int(NAMED):,} labels, batch 1,024: a training "
        "step, against the full softmax",
        "≥ 3 times faster",
        f"{faster['times_faster']:.1f} times",
        report["command"],
    )
    lower = found[settings]["percent_lower"]
    yield (
        "adaptive softmax with the same settings, yso-finna-en, 2 epochs: "
        "log-likelihood of test queries, against the full softmax",
        "≤ 2% lower" + ("" if lower <= 2 else ", not met"),
        f"{found[settings]['log_likelihood']:.3f} and "
        f"{found['full']['log_likelihood']:.3f}: {lower:.1f}% lower",
        report["command"] + " --likelihood",
    )
    report = read("large_margin")
    for dataset, found in report["results"].items():
        falls = [
            f"{row['fall']:.2f} ± {row['fall_deviation']:.2f}"
            for margin, row in found.items()
            if margin != "1"
        ]
        yield (
            f"{dataset}: error with a margin of 2, 3, 4 below that without, "
            f"{len(found['1']['errors'])} seeds",
            "≥ 0; on one set beyond a deviation",
            ", ".join(falls),
            report["command"],
        )


def best_settings(found):
    """The settings of an adaptive softmax that are best on held-out rows."""
    return max(found.keys() - {"full"}, key=lambda x: found[x]["held_out"])


def compared(rows):
    """The accuracies of two rows, and by how much the first is better."""
    ours, other = (row["accuracy"] for row in rows)
    return f"{ours:.1f} and {other:.1f}: {ours - other:+.1f}"


def adversarial():
    """The lines of adversarial softmax and what it is compared with."""
    yield (
        "| | epochs | accuracy | log-likelihood | s | "
        "s to the accuracy of uniform | without bias removal | sampler alone |"
    )
    yield "|---|" + "---|" * 7
    report = read("adversarial_softmax")["results"]
    for arm, found in report["arms"].items():
        for epochs, row in found["lengths"].items():
            ends = epochs == found["end"]
            same = found.get("same_accuracy") if ends else None
            cells = [
                epochs,
                f"{row['accuracy']:.2f} ± {row['deviation']:.2f}",
                f"{row['log_likelihood']:.2f}",
                f"{row['seconds']:.0f}",
                shown_as(same, 0),
                shown_as(row.get("without_removal"), 1),
                shown_as(row.get("sampler_alone"), 1),
            ]
            yield f"| {arm} ({row['seeds']}) | {' | '.join(cells)} |"


def trees():
    """The lines of trees on held-out rows, by components and penalties."""
    found = read("adversarial_softmax")["results"]["trees"]
    table = {}
    for settings, values in found.items():
        components, penalty = settings.split(", ")
        table.setdefault(components, {})[penalty] = statistics.mean(values)
    [penalties] = {(*row,) for row in table.values()}
    yield f"| components | {' | '.join(f'r = {r}' for r in penalties)} |"
    yield "|---|" + "---|" * len(penalties)
    for components, row in table.items():
        cells = [f"{mean:.1f}" for mean in row.values()]
        yield f"| {components} | {' | '.join(cells)} |"


def signals():
    """The lines of what one draw teaches."""
    yield "| | epochs | slope of a draw | signal by noise |"
    yield "|---|---|---|---|"
    for arm, found in read("adversarial_softmax")["results"]["signals"].items():
        for epochs, row in found.items():
            yield (
                f"| {arm} | {epochs} | {row['slope']:.2f} | "
                f"{row['ratio']:.3f} |"
            )


def adaptive():
    """The lines of the time of a step with an adaptive softmax."""
    yield (
        "| labels | dimensions by, share of head | cutoffs | full, s | "
        "adaptive, s | times faster |"
    )
    yield "|---|---|---|---|---|---|"
    for size, row in read("adaptive_softmax")["results"]["steps"].items():
        for settings, ours in row["adaptive"].items():
            yield (
                f"| {int(size):,} | {settings} | {listed(ours['cutoffs'])} | "
                f"{row['full']:.2f} | {ours['seconds']:.2f} | "
                f"{ours['times_faster']:.1f} |"
            )


def likelihoods():
    """The lines of likelihoods, with and without a network that learns."""
    yield (
        "| | dimensions by, share of head | cutoffs | log-likelihood | "
        "lower, % | accuracy |"
    )
    yield "|---|---|---|---|---|---|"
    for name, what in (
        ("likelihood", "a network of two layers learns with it"),
        ("likelihood, fixed", "fixed features"),
    ):
        found = read("adaptive_softmax")["results"].get(name, {})
        for settings, row in found.items():
            yield (
                f"| {what} | {settings} | {listed(row['cutoffs'])} | "
                f"{row['log_likelihood']:.3f} | {row['percent_lower']:.1f} | "
                f"{row['accuracy']:.1f} |"
            )


def listed(cutoffs):
    """Cutoffs, for readers."""
    return ", ".join(f"{cut:,}" for cut in cutoffs)


def margins():
    """The lines of errors by margin."""
    yield "| | margin | error, % | below that of no margin |"
    yield "|---|---|---|---|"
    for dataset, found in read("large_margin")["results"].items():
        for margin, row in found.items():
            fall = f"{row['fall']:+.2f} ± {row['fall_deviation']:.2f}"
            yield (
                f"| {dataset} ({len(row['errors'])}) | {margin} | "
                f"{row['mean']:.2f} ± {row['deviation']:.2f} | "
                f"{'' if margin == '1' else fall} |"
            )
