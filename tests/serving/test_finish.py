"""Invariants of the end of a run:

- where scores are combined, the encoder's alone are measured too, by an exact
  search among its label vectors, on the same queries;
- where they are not, there is one set of metrics;
- tables show both, those of the whole first;
- `metrics.json` holds what is returned, flat, and the model and page are there.
"""

import json

import numpy as np
import pytest
from training import tiny_training

from tfxc.encoders import BagEncoder, encode
from tfxc.metrics import evaluate_split
from tfxc.run import Run
from tfxc.search import ExactSearch, FusedSearch
from tfxc.serving import finish, load_saved_model, metric_tables
from tfxc.training import Trained


def finished(folder, prepared, **parts):
    """Ends a run with such a search; returns metrics, encoder and search."""
    encoder = BagEncoder(len(prepared.tokenizer), dim=8, hidden=0)
    search = FusedSearch(encode(encoder, prepared.labels), **parts)
    run = Run(folder)
    run.start({"options": {"name": "tiny"}, "recipe": {}, "content": {}})
    trained = Trained(
        encoder,
        prepared.tokenizer,
        prepared.label_tokenizer,
        prepared.test,
        search,
        [{"epoch": 1, "loss": 1.0, "seconds": 2.0}],
    )
    metrics, _ = finish(run, trained, prepared.dataset, "tiny")
    return metrics, encoder, search


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    return tiny_training.prepared(tmp_path_factory.mktemp("prepared"))


@pytest.fixture(scope="module")
def combined(tmp_path_factory, prepared):
    """Encoder and classifier: `(folder, metrics, encoder, search)`."""
    folder = tmp_path_factory.mktemp("combined") / "run"
    rng = np.random.default_rng(0)
    classifier = rng.normal(size=(tiny_training.LABELS, 8)).astype(np.float32)
    parts = {"classifier": classifier, "classifier_weight": 2.0}
    return folder, *finished(folder, prepared, **parts)


def evaluated(prepared, encoder, search):
    dataset = prepared.dataset
    counts = dataset.train.relevant.counts()
    vectors = encode(encoder, prepared.test)
    return evaluate_split(
        vectors, search, dataset.test, counts, len(dataset.train)
    )[0]


def test_the_encoder_alone(prepared, combined):
    _, metrics, encoder, search = combined
    exact = evaluated(prepared, encoder, ExactSearch(search.label_vectors))
    alone = metrics["encoder_alone"]
    assert alone == {name: exact[name] for name in alone}
    assert {"P@1", "nDCG@3", "PSP@5", "PSnDCG@1", "R@10", "R@100"} <= set(alone)
    assert all("@" in name for name in alone)
    whole = evaluated(prepared, encoder, search)
    assert {name: metrics[name] for name in alone} == {
        name: whole[name] for name in alone
    }
    assert metrics["nDCG@5"] != alone["nDCG@5"], "would tell nothing apart"


def test_nothing_is_combined(tmp_path, prepared):
    metrics, encoder, search = finished(tmp_path / "run", prepared)
    assert "encoder_alone" not in metrics
    assert metrics["P@1"] == evaluated(prepared, encoder, search)["P@1"]
    titles = [table.title for table in metric_tables(metrics)]
    assert "Encoder alone" not in titles


def test_what_a_run_leaves(combined):
    folder, metrics, *_ = combined
    written = json.loads((folder / "metrics.json").read_text())
    names = [name for name in metrics if "@" in name]
    assert len(names) > 10
    assert all(written[name] == metrics[name] for name in names)
    assert written["encoder_alone/P@1"] == metrics["encoder_alone"]["P@1"]
    assert metrics["train_seconds"] == 2.0 and metrics["peak_rss_gb"] > 0.1
    page = (folder / "report.html").read_text("utf-8")
    assert "Encoder alone" in page
    model, description = load_saved_model(folder)
    assert description["num_train_rows"] == tiny_training.ROWS
    assert model.search(["word3"], 2)["ids"].shape == (1, 2)


def test_tables_show_both(combined):
    metrics = combined[1]
    first, second, *_ = metric_tables(metrics)
    assert (first.title, second.title) == ("Test queries", "Encoder alone")
    assert first.columns == second.columns
    for table, values in ((first, metrics), (second, metrics["encoder_alone"])):
        assert table.rows[0][:2] == ["P", f"{values['P@1']:.2f}"]
        assert table.rows[-1][-2] == f"{values['R@10']:.2f}"
    assert "by the encoder alone. PSP with A = 0.55, B = 1.5." in second.note
