"""The lines of the README's tables of output layers, and their claims."""

from claims import read


def percent_or_none(figure, digits=1):
    return "" if figure is None else f"{figure:.{digits}f}"


def adversarial():
    """The lines of adversarial softmax and what it is compared with."""
    yield (
        "| | accuracy | log-likelihood | s | s to the accuracy of uniform | "
        "without bias removal | sampler alone |"
    )
    yield "|---|" + "---|" * 6
    report = read("adversarial_softmax")["results"]
    for arm, row in report["arms"].items():
        seeds = len(report["curves"][arm])
        cells = [
            f"{row['accuracy']:.2f} ± {row.get('deviation', 0):.2f}",
            f"{row['log_likelihood']:.2f}",
            f"{row['seconds']:.0f}",
            percent_or_none(row.get("same_accuracy"), 0),
            percent_or_none(row.get("without_removal")),
            percent_or_none(row.get("sampler_alone")),
        ]
        yield f"| {arm} ({seeds}) | {' | '.join(cells)} |"


def adaptive():
    """The lines of the time of a step with an adaptive softmax."""
    yield "| labels | cutoffs | full, s | adaptive, s | times faster |"
    yield "|---|---|---|---|---|"
    for size, row in read("adaptive_softmax")["results"]["steps"].items():
        cutoffs = ", ".join(f"{cut:,}" for cut in row["cutoffs"])
        yield (
            f"| {int(size):,} | {cutoffs} | {row['full']:.2f} | "
            f"{row['adaptive']:.2f} | {row['times_faster']:.1f} |"
        )


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
