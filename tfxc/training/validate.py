"""How good a model is on held-out training queries, epoch by epoch."""

from tfxc.data.dataset import Split
from tfxc.metrics import evaluate_split

SHOWN = ("P@1", "P@5", "nDCG@5", "PSP@1", "PSP@5", "R@10", "R@100")


def validate(query_vectors, search, train, rows, a=0.55, b=1.5):
    """The main metrics of some training queries.

    Args:
        query_vectors: `[n, d]`; of the queries `rows`.
        search: See `tfxc.metrics.evaluate_split`.
        train: `Split` of all training queries.
        rows: `[n]`, int.
        a: Constant of the propensity, see `tfxc.metrics.inverse_propensity`.
        b: Constant of the propensity.

    Returns:
        `{"P@1": percent, ...}`.
    """
    split = Split(
        range(len(rows)), train.relevant.take(rows), train.filtered.take(rows)
    )
    metrics, _ = evaluate_split(
        *(query_vectors, search, split),
        *(train.relevant.counts(), len(train), a, b),
    )
    return {name: metrics[name] for name in SHOWN}
