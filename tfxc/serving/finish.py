"""The end of a run: measured, exported, on one page."""

import resource
import sys
import time

from tfxc.data.sparse_features import SparseFeatures
from tfxc.encoders import encode
from tfxc.metrics import evaluate_split, propensity_constants
from tfxc.search.exact import ExactSearch
from tfxc.serving.examples import readable_examples
from tfxc.serving.export import export_saved_model
from tfxc.serving.report import write_report


def finish(run, trained, dataset, name, index="exact"):
    """Evaluates, exports and reports; `metrics.json` comes last.

    Args:
        run: `tfxc.run.Run`.
        trained: `tfxc.training.Trained`.
        dataset: `tfxc.data.Dataset`.
        name: Name of the data set; decides the constants of the propensity.
        index: See `export_saved_model`.

    Returns:
        `(metrics, examples)`: what `metrics.json` holds, and predictions for
        some test queries, see `readable_examples`.
    """
    start = time.perf_counter()
    counts = dataset.train.relevant.counts()
    a, b = propensity_constants(name)
    vectors = encode(trained.encoder, trained.test)
    rest = dataset.test, counts, len(dataset.train), a, b
    metrics, sample = evaluate_split(vectors, trained.search, *rest)
    if trained.search.combines:
        encoder = ExactSearch(trained.search.label_vectors)
        alone, _ = evaluate_split(vectors, encoder, *rest)
        metrics["encoder_alone"] = {n: alone[n] for n in alone if "@" in n}
    metrics["train_seconds"] = sum(row["seconds"] for row in trained.history)
    metrics["evaluate_seconds"] = time.perf_counter() - start
    described = {
        "num_train_rows": len(dataset.train),
        "propensity_A": a,
        "propensity_B": b,
    }
    if isinstance(dataset.train.queries, SparseFeatures):
        described["num_features"] = dataset.train.queries.num_columns
    export(run, trained, dataset, counts, index, described)
    metrics["peak_rss_gb"] = peak_rss_gb()
    examples = readable_examples(sample, dataset.test, dataset.label_names)
    write_report(
        run.folder / "report.html",
        run.settings(),
        trained.history,
        metrics,
        examples,
    )
    run.write_metrics(metrics)
    return metrics, examples


def export(run, trained, dataset, counts, index, described):
    """Writes `saved_model/`; see `export_saved_model`."""
    export_saved_model(
        run.folder / "saved_model",
        trained.encoder,
        trained.tokenizer,
        trained.search,
        dataset.label_names,
        counts,
        index,
        trained.label_tokenizer,
        described,
    )


def peak_rss_gb():
    """The most memory that this process has had, in GB (10^9 bytes)."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak * (1 if sys.platform == "darwin" else 1024) / 1e9
