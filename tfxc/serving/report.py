"""A training run on one page."""

import json
import pathlib

import jinja2

from tfxc.data.arrays import write_text
from tfxc.run import flatten
from tfxc.serving.curves import draw_curves
from tfxc.serving.metric_tables import metric_tables

TEMPLATE = pathlib.Path(__file__).with_name("report.html")
EXAMPLES = 5  # of good and of bad predictions
SHOWN = 10  # relevant labels of one query


def write_report(path, recipe, history, metrics, examples):
    """Writes one HTML page that needs nothing else, not even a network.

    Args:
        path: Path of the file; replaced if it exists.
        recipe: Dictionary of the run's settings; may be nested.
        history: One dictionary per epoch, see `draw_curves`.
        metrics: As `tfxc.metrics.evaluate_split` returns them; what is missing
            is left out.
        examples: As `readable_examples` returns them.

    Example:

    >>> tfxc.serving.write_report(
    ...     "report.html", {"epochs": 1}, [], metrics, [])
    """
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True
    )
    template = environment.from_string(TEMPLATE.read_text("utf-8"))
    settings = flatten(recipe, ".")
    page = template.render(
        title=_title(settings, path),
        summary=_summary(metrics),
        tables=metric_tables(metrics),
        curves=draw_curves(history),
        examples=good_and_bad(examples),
        recipe=[(name, _shown(value)) for name, value in settings.items()],
        shown=SHOWN,
    )
    write_text(path, page)


def good_and_bad(examples):
    """Sorts the first few examples by what came of them.

    Args:
        examples: As `readable_examples` returns them.

    Returns:
        List of `{"title", "examples"}`.
    """
    parts = {
        "Right at the first place": lambda hits: hits[:1] == [True],
        "Right further down": lambda hits: any(hits) and not hits[0],
        "None right": lambda hits: not any(hits),
    }
    return [
        {
            "title": title,
            "examples": [
                example
                for example in examples
                if belongs([label["hit"] for label in example["predicted"]])
            ][:EXAMPLES],
        }
        for title, belongs in parts.items()
    ]


def _shown(value):
    return value if isinstance(value, str) else json.dumps(value, default=str)


def _title(settings, path):
    name = settings.get("options.name") or settings.get("name") or "tfxc"
    return f"{name} · {pathlib.Path(path).absolute().parent.name}"


def _summary(metrics):
    """What the run cost, in a line."""
    parts = []
    for name, text in (
        ("train_seconds", "trained in {:,.0f} s"),
        ("evaluate_seconds", "evaluated in {:,.1f} s"),
        ("peak_rss_gb", "peak memory {:.2f} GB"),
    ):
        if isinstance(metrics.get(name), int | float):
            parts.append(text.format(metrics[name]))
    return " · ".join(parts)
