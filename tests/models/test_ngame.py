"""Invariants of the recipe NGAME:

- fields out of their range are refused before anything is written, all in one
  message; the bounds themselves are accepted, and so is every named recipe on
  a data set of its size;
- weights of scores need 20 held-out queries, which are not what frequencies
  and memory are from while they decide; chunks divide what they are of;
- a tree over all scores, of classifiers on a frozen encoder or on one that
  trains on, ends in a model that answers as it was measured.
"""

import dataclasses
import types

import numpy as np
import pytest
from recipe_cases import SmallRun, dataset_of, refusal

import tfxc
from models import ngame
from tfxc.data import LabelLists

TRANSFORMER = {"encoder": "some/folder", "batch_size": 48}


@pytest.mark.parametrize(
    ("rows", "asked", "held_out"),
    [(400, 19, 19), (199, 1000, 19), (400, 0, 0), (5, 1000, 0)],
)
def test_too_few_rows_to_weigh_scores_on(rows, asked, held_out):
    dataset = dataset_of(rows, empty=300)
    fields = {"batch_size": 4, "max_cluster_size": 4, "validation_rows": asked}
    for fusion in ("sum", "tree"):
        message = refusal(ngame, dataset, fusion=fusion, **fields)
        assert "--validation-rows" in message and "--fusion none" in message
        assert message.endswith(f"Received: {held_out}")
    ngame.check(ngame.Recipe(fusion="none", **fields), dataset)


@pytest.mark.parametrize(("rows", "asked"), [(400, 20), (200, 1000)])
def test_just_enough_rows_to_weigh_scores_on(rows, asked):
    recipe = ngame.Recipe(batch_size=64, validation_rows=asked, fusion="tree")
    ngame.check(recipe, dataset_of(rows))


@pytest.mark.parametrize(
    ("chunk", "candidates"), [(32, 96), (5, 96), (96, 96), (24, 100)]
)
def test_chunks_that_do_not_divide(chunk, candidates):
    message = refusal(
        ngame,
        dataset_of(1000),
        **TRANSFORMER,
        num_candidates=candidates,
        chunk_rows=chunk,
    )
    assert "--batch-size" in message and "--num-candidates" in message
    assert message.startswith("--chunk-rows: expected a divisor of ")
    assert message.endswith(f"Received: {chunk}")


@pytest.mark.parametrize("chunk", [0, 1, 24, 48])
def test_chunks_that_divide(chunk):
    recipe = ngame.Recipe(**TRANSFORMER, num_candidates=96, chunk_rows=chunk)
    ngame.check(recipe, dataset_of(1000))


def test_chunks_are_for_transformers():
    message = refusal(
        ngame, dataset_of(1000), batch_size=48, num_candidates=96, chunk_rows=24
    )
    assert message.startswith("--chunk-rows: expected 0 for the bag encoder")
    assert "--encoder" in message and message.endswith("Received: 24")


def test_tokens_are_hidden_from_the_bag_encoder_only():
    dataset = dataset_of(1000)
    message = refusal(ngame, dataset, **TRANSFORMER, token_dropout=0.1)
    assert message.startswith("--token-dropout: expected 0 for a transformer")
    assert message.endswith("Received: 0.1")
    ngame.check(ngame.Recipe(batch_size=48, token_dropout=0.1), dataset)


def test_vectors_that_labels_share_are_for_the_bag_encoder():
    dataset = dataset_of(1000)
    message = refusal(ngame, dataset, **TRANSFORMER, label_clusters=8)
    assert message.startswith("--label-clusters: expected 0 for a transformer")
    assert message.endswith("Received: 8")
    ngame.check(ngame.Recipe(batch_size=48, label_clusters=8), dataset)


def test_what_is_not_trained_may_be_anything():
    recipe = ngame.Recipe(batch_size=64, classifier_candidates=9)
    ngame.check(recipe, dataset_of(1000))
    recipe = {"batch_size": 64, "classifier_candidates": 9}
    message = refusal(ngame, dataset_of(1000), **recipe, classifier_epochs=1)
    assert message.startswith("--classifier-candidates: expected at least 64")


@pytest.mark.parametrize("classifier", [None, np.eye(3, 4)[::-1]])
def test_without_fusion_encoder_and_classifiers_are_added(classifier):
    job = types.SimpleNamespace(label_vectors=lambda: np.eye(3, 4))
    recipe = ngame.Recipe(fusion="none")
    search = ngame.fused(recipe, job, classifier)
    added = 0 if classifier is None else classifier
    np.testing.assert_array_equal(search.vectors(), np.eye(3, 4) + added)


def test_held_out_queries_decide_before_they_count(monkeypatch):
    """What is learnt from them may not be what is judged by them."""
    rows, held_out = np.arange(40), np.arange(40, 60)
    ids = np.append(np.zeros(40, int), np.ones(20, int))
    relevant = LabelLists.from_pairs(np.arange(60), ids, 60, 3)
    vectors = np.random.default_rng(0).normal(size=(60, 4)).astype(np.float32)
    job = types.SimpleNamespace(
        rows=rows,
        held_out=held_out,
        relevant=relevant,
        label_vectors=lambda: np.eye(3, 4, dtype=np.float32),
        query_vectors=lambda rows, dtype=np.float32: vectors[rows].astype(
            dtype
        ),
    )
    seen = []

    def fit(search, queries, relevant, weights, **options):
        seen.append((search, queries, relevant, weights))
        return dataclasses.replace(search, popularity_weight=0.1)

    monkeypatch.setattr(tfxc.search, "fit_fusion", fit)
    recipe = ngame.Recipe(memory=5)
    found = ngame.fused(recipe, job, None)
    [(search, queries, judged, weights)] = seen
    np.testing.assert_array_equal(queries, vectors[40:])
    assert judged.ids.tolist() == [1] * 20
    np.testing.assert_allclose(search.popularity, np.log1p([40, 0, 0]))
    expected = tfxc.metrics.inverse_propensity([40, 0, 0], 40)
    np.testing.assert_allclose(weights, expected)
    assert search.memory.sizes.sum() == 40
    np.testing.assert_allclose(found.popularity, np.log1p([40, 20, 0]))
    assert found.memory.sizes.sum() == 60


BOUNDS = {
    "batch_size": (1001, 900),  # refused, accepted
    "num_candidates": (63, 64),
    "classifier_candidates": (63, 64),
    "max_cluster_size": (65, 64),
    "cluster_size": (17, 16),
    "classifier_epochs": (-1, 0),
    "classifier_dropout": (1.0, 0.99),
    "classifier_margin": (-0.1, 0.0),
    "token_dropout": (1.0, 0.99),
    "classifier_learning_rate": (0.0, 1e-9),
    "refresh_interval": (0, 1),
    "cluster_growth": (-1, 0),
    "cluster_start": (-1, 0),
    "memory": (481, 0),
    "margin": (float("inf"), 0.0),
    "shift": (float("nan"), -3.0),
    "epochs": (0, 1),
    "temperature": (0.0, 1e-3),
    "seed": (2**32, 2**32 - 1),
}


@pytest.mark.parametrize("field", BOUNDS)
def test_bounds(field):
    dataset, fields = dataset_of(1000), {"batch_size": 64}
    wrong, right = BOUNDS[field]
    if field == "classifier_candidates":
        fields["classifier_epochs"] = 1
    message = refusal(ngame, dataset, **{**fields, field: wrong})
    assert message.startswith(f"--{field.replace('_', '-')}: expected ")
    assert f"Received: {wrong}" in message
    assert "900 training queries have labels" in message
    ngame.check(ngame.Recipe(**{**fields, field: right}), dataset)


def test_all_that_is_wrong_is_one_message():
    wrong = {"margin": -1.0, "memory": -2, "length": 0}
    message = refusal(ngame, dataset_of(1000), batch_size=64, **wrong)
    lines = message.splitlines()
    assert len(lines) == 4
    for field, value in wrong.items():
        [line] = [line for line in lines if f"--{field}:" in line]
        assert line.endswith(f"Received: {value}")


@pytest.mark.parametrize(
    ("name", "rows", "labels"),
    [
        ("yso_finna_en", 525_773, 24_965),
        ("cooking", 12_404, 736),
        ("python_api", 50_000, 11_000),
        ("bibtex", 4_880, 159),
        ("delicious", 12_920, 983),
        ("transformer", 1_000, 100),
        ("lf_amazontitles_131k_transformer", 294_805, 131_073),
    ],
)
def test_named_recipes(name, rows, labels):
    recipe = getattr(ngame.Recipe, name)()
    ngame.check(recipe, dataset_of(rows, labels))
    assert recipe != ngame.Recipe()


@pytest.mark.parametrize("weighting", ["ngame", "dexa"])
def test_triplets_of_the_classifiers(weighting):
    recipe = ngame.Recipe(loss=f"{weighting}_triplet", margin=0.4)
    one, other = ngame.loss(recipe), ngame.classifier_loss(recipe)
    assert one.settings["margin"] == 0.4
    assert one.settings["num_negatives"] == 10
    settings = {"margin": 0.2, "num_positives": 3, "num_negatives": 5}
    assert settings.items() <= other.settings.items()
    assert one.settings["weighting"] == weighting
    assert other.settings["weighting"] == "hinge"
    assert other.settings["temperature"] == 1.0


@pytest.mark.slow
@pytest.mark.parametrize(
    "more", [[], ["--train-encoder"], ["--loss", "ngame_triplet"]]
)
def test_a_run_with_classifiers_and_a_tree_if_it_helps(tmp_path, more):
    fields = ["--epochs", 3, "--classifier-epochs", 1, "--fusion", "tree"]
    fields += ["--validation-rows", 50, "--seed", 1]
    run = SmallRun(tmp_path, "ngame", *fields, *more)
    assert "encoder 3/3" in run.output and "classifier 1/1" in run.output
    assert 0 < run.metrics["encoder_alone/P@1"] <= 100
    run.assert_it_learnt_and_serves_as_measured()
