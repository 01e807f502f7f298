"""What a finished run tells on the screen."""

import shlex

from tfxc.serving.metric_tables import print_metrics
from tfxc.serving.report import good_and_bad


def print_summary(run, metrics, examples, console):
    """Metrics, three predictions, where everything is, what to do next.

    Args:
        run: `tfxc.run.Run`.
        metrics: As `metrics.json` holds them.
        examples: See `tfxc.serving.readable_examples`; three are shown.
        console: `rich.console.Console`.
    """
    print_metrics(metrics, console)
    for example in three_kinds(examples):
        console.print(
            f"\n{example['query']}", style="bold", markup=False, soft_wrap=True
        )
        for label in example["predicted"]:
            mark = "+" if label["hit"] else " "
            line = f"  {mark} {label['score']:.3f}  {label['name']}"
            console.print(line, markup=False, highlight=False, soft_wrap=True)
    console.print()
    for name, what in (
        ("report.html", "curves, tables and predictions on one page"),
        ("saved_model/", "to serve: text in, labels out"),
        ("metrics.json", "the figures above and more"),
    ):
        console.print(
            f"{run.folder / name}  {what}", highlight=False, soft_wrap=True
        )
    query = examples[0]["query"] if examples else "a query"
    words = [str(run.folder), " ".join(query.split()[:8])]
    console.print(
        f"\nNext: python -m tfxc.predict {shlex.join(words)} -k 5",
        highlight=False,
        markup=False,
        soft_wrap=True,
    )


def three_kinds(examples):
    """Three examples: right, right further down and wrong, where there are."""
    kinds = [kind["examples"][:1] for kind in good_and_bad(examples)]
    chosen = [example for kind in kinds for example in kind]
    rest = [example for example in examples if example not in chosen]
    return [*chosen, *rest][:3]
