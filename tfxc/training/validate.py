"""How good a model is on held-out training queries, epoch by epoch."""

from tfxc.data.dataset import Split
from tfxc.data.label_lists import LabelLists
from tfxc.metrics import evaluate_split

SHOWN = ("P@1", "P@5", "nDCG@5", "PSP@1", "PSP@5", "R@10", "R@100")


def validate(query_vectors, search, relevant, rows):
    """The main metrics of some training queries.

    Args:
        query_vectors: `[n, d]`; of the queries `rows`.
        search: See `tfxc.metrics.evaluate_split`.
        relevant: `LabelLists` of all training queries.
        rows: `[n]`, int.

    Returns:
        `{"P@1": percent, ...}`; empty if there are no rows.
    """
    if not len(rows):
        return {}
    none = LabelLists.from_pairs([], [], len(rows), relevant.num_columns)
    split = Split(range(len(rows)), relevant.take(rows), none)
    metrics, _ = evaluate_split(
        query_vectors, search, split, relevant.counts(), len(relevant)
    )
    return {name: metrics[name] for name in SHOWN}
