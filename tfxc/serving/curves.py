"""Training curves as pictures inside a page."""

import base64
import dataclasses
import io
import itertools
import math

MOST_MARKED = 40  # epochs up to which each one gets a dot
KINDS = {  # of columns that share a picture, beside those of one ending
    **dict.fromkeys(("e1", "e2", "missed_share"), "mining"),
    **dict.fromkeys(
        ("refreshes", "failed_refreshes", "rebalanced"), "refreshes"
    ),
    **dict.fromkeys(("encoded_labels", "moved_labels"), "labels"),
}
UNDRAWN = ("radius", "hard")  # what `missed_share` is a share of
INK = "#010203"  # replaced by the colour of the text around the picture
STYLE = (
    "<style>svg{color:#444}@media(prefers-color-scheme:dark)"
    "{svg{color:#bbb}}</style>"
)


@dataclasses.dataclass(frozen=True)
class Curve:
    """One picture.

    Args:
        text: What it shows, in words.
        image: `data:` address of an SVG.
    """

    text: str
    image: str


def draw_curves(history):
    """Draws what was recorded at each epoch.

    One picture for the losses, one for the metrics in percent (names with
    "@"), one for what NGAME's batches miss, two for what refreshes of negatives
    did, one for seconds, and one for every other column. What is not a finite
    number is left out, a column without any number altogether.

    Args:
        history: One dictionary per epoch; values may be strings, as in a CSV
            file.

    Returns:
        List of `Curve`.
    """
    epochs, columns = _columns(history)
    groups = {}
    for name in columns:
        if name not in UNDRAWN:
            groups.setdefault(_kind(name), []).append(name)
    return [
        _draw(kind, epochs, {name: columns[name] for name in names})
        for kind, names in sorted(groups.items(), key=_rank)
    ]


def _kind(name):
    """Columns of one kind share a picture."""
    if "@" in name:
        return "percent"
    if "loss" in name:
        return "loss"
    return "seconds" if name.endswith("seconds") else KINDS.get(name, name)


def _rank(group):
    kind = group[0]
    return (kind != "loss", kind != "percent", kind)


def _columns(history):
    """`(epochs, {name: values})` with NaN for what is missing."""
    names = dict.fromkeys(name for row in history for name in row)
    columns = {n: [_number(row.get(n)) for row in history] for n in names}
    epochs = columns.pop("epoch", [math.nan])
    if not all(map(math.isfinite, epochs)):
        epochs = [float(i) for i in range(1, len(history) + 1)]
    return epochs, {
        name: values
        for name, values in columns.items()
        if any(map(math.isfinite, values))
    }


def _number(value):
    try:
        number = float(value)
    except (TypeError, ValueError):
        return math.nan
    return number if math.isfinite(number) else math.nan


def _draw(kind, epochs, columns):
    import matplotlib
    from matplotlib.figure import Figure  # without pyplot: no global state
    from matplotlib.ticker import MaxNLocator

    with matplotlib.rc_context({**_style(), "svg.hashsalt": kind}):
        figure = Figure(figsize=(4.8, 3), layout="constrained")
        axes = figure.add_subplot()
        _draw_lines(axes, epochs, columns)
        axes.set_xlabel("epoch")
        axes.set_ylabel(_plain(kind))
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(alpha=0.2, color=INK)
        axes.spines[["top", "right"]].set_visible(False)
        if len(columns) > 1:
            figure.legend(
                loc="outside lower center", frameon=False, fontsize=8, ncols=4
            )
        return Curve(_describe(kind, columns), _address(figure))


def _style():
    """Settings of matplotlib: all ink in one colour, text as text."""
    inked = (
        "text.color",
        "axes.labelcolor",
        "axes.edgecolor",
        "xtick.color",
        "ytick.color",
        "legend.labelcolor",
    )
    return {
        **dict.fromkeys(inked, INK),
        "svg.fonttype": "none",
        "font.size": 9,
    }


def _draw_lines(axes, epochs, columns):
    lines = itertools.cycle(["-", "--", "-.", ":"])
    for name, values in columns.items():
        # Missing epochs are bridged: metrics may be measured now and then.
        points = [
            (x, y)
            for x, y in zip(epochs, values, strict=True)
            if not math.isnan(y)
        ]
        axes.plot(
            *zip(*points, strict=True),
            next(lines),  # told apart without colours, too
            marker="o" if len(points) <= MOST_MARKED else "",
            markersize=3,
            label=_plain(name),
        )


def _address(figure):
    memory = io.StringIO()
    # Without a date the same run gives the same page.
    figure.savefig(
        memory, format="svg", transparent=True, metadata={"Date": None}
    )
    svg = memory.getvalue().replace(INK, "currentColor")
    svg = svg.replace("<defs>", STYLE + "<defs>", 1)
    data = base64.b64encode(svg.encode()).decode()
    return f"data:image/svg+xml;base64,{data}"


def _describe(kind, columns):
    parts = []
    for name, values in columns.items():
        known = [value for value in values if not math.isnan(value)]
        change = f"{known[0]:.4g}"
        if len(known) > 1:
            change += f" to {known[-1]:.4g}"
        parts.append(f"{name} {change}")
    lead = "" if list(columns) == [kind] else f"{kind}: "
    return lead + "; ".join(parts)


def _plain(name):
    """`name` without what matplotlib takes for a formula or for hidden."""
    return name.replace("$", r"\$").lstrip("_")
