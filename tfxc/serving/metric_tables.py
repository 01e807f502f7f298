"""Metrics as tables, for the terminal and for the report."""

import dataclasses

KS = (1, 3, 5)
RANKED = ("P", "nDCG", "PSP", "PSnDCG")
RECALL = ("R@10", "R@100")
GROUPS = ("P@1", "P@3", "P@5", *RECALL, "coverage@5")


@dataclasses.dataclass(frozen=True)
class Table:
    """Rows of strings under a heading.

    Args:
        title: What the table is about.
        columns: Names of the columns; the first holds names of rows.
        rows: Lists of strings.
        note: What a reader must know besides.
    """

    title: str
    columns: list[str]
    rows: list[list[str]]
    note: str = ""


def metric_tables(metrics):
    """The tables of an evaluation; of what is missing there is none.

    Args:
        metrics: As `tfxc.metrics.evaluate_split` returns them.

    Returns:
        List of `Table`: all queries; by group of labels; queries with labels
        unseen in training.
    """
    queries, labels = metrics.get("num_queries"), metrics.get("num_labels")
    note = f"{_whole(queries)} queries, {_whole(labels)} labels."
    constants = {n: metrics.get(n) for n in ("propensity_A", "propensity_B")}
    tables = [_ranked("Test queries", metrics, constants, note)]
    if part := metrics.get("encoder_alone"):
        alone = "The same queries, ranked by the encoder alone."
        tables.append(_ranked("Encoder alone", part, constants, alone))
    if metrics.get("groups"):
        tables.append(_groups(metrics["groups"]))
    if part := metrics.get("zero_shot"):
        queries = _whole(part.get("num_queries"))
        note = f"Queries with a label that no training query has: {queries}."
        tables.append(_ranked("Zero-shot", part, constants, note))
    return tables


def print_metrics(metrics, console):
    """Prints the tables on a `rich.console.Console`."""
    from rich import box, table

    for part in metric_tables(metrics):
        shown = table.Table(
            box=box.SIMPLE_HEAD, collapse_padding=True, pad_edge=False
        )
        for number, column in enumerate(part.columns):
            justify = "right" if number else "left"
            shown.add_column(column, justify=justify)
        for row in part.rows:
            shown.add_row(*row)
        console.print(f"\n{part.title}", style="bold")
        console.print(shown)
        console.print(part.note, style="dim", highlight=False)


def percentage(value):
    """`value` with two decimals; a dash where there is none."""
    if not isinstance(value, int | float) or value != value:
        return "-"
    return f"{value:.2f}"


def _whole(value):
    return f"{value:,}" if isinstance(value, int) else "-"


def _ranked(title, metrics, constants, note):
    columns = ["percent", *(f"@{k}" for k in (*KS, 10, 100))]
    rows = [
        [name, *(percentage(metrics.get(f"{name}@{k}")) for k in KS), "", ""]
        for name in RANKED
    ]
    recall = [percentage(metrics.get(name)) for name in RECALL]
    rows.append(["R", "", "", "", *recall])
    a, b = ("-" if x is None else x for x in constants.values())
    return Table(title, columns, rows, f"{note} PSP with A = {a}, B = {b}.")


def _groups(groups):
    rows = [
        [
            name,
            _whole(group.get("labels")),
            _whole(group.get("pairs")),
            *(percentage(group.get(metric)) for metric in GROUPS),
        ]
        for name, group in groups.items()
    ]
    note = (
        "Labels by how often they occur in training: the head makes up a third "
        "of all training pairs, the torso the next third. P of the groups adds "
        "up to P of all."
    )
    columns = ["group", "labels", "pairs", *GROUPS]
    return Table("Frequent and rare labels", columns, rows, note)
