"""Invariants of the recipe NGAME:

- fields out of their range are refused before anything is written, all in one
  message; the bounds themselves are accepted, and so is every named recipe on
  a data set of its size;
- weights of scores need 20 held-out queries;
- a tree over all scores, of classifiers on a frozen encoder or on one that
  trains on, ends in a model that answers as it was measured.
"""

import pytest
from recipe_cases import SmallRun, dataset_of, refusal

from models import ngame


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
    ("fields", "message"),
    [
        ({"chunk_rows": 24}, "--chunk-rows: expected 0 for the bag encoder"),
        ({"encoder": "x", "chunk_rows": 9}, "--chunk-rows: expected a div"),
        ({"negatives": "tree"}, "--negatives: expected fewer --num-candid"),
        (
            {"label_queries": True, "label_length": 20, "length": 19},
            "--length: expected at least 20, what labels have",
        ),
        (
            {"label_queries": True, "label_length": 9, "length": 9}
            | {"label_clusters": 2},
            "--length: expected at least 10, what labels have",
        ),
        (
            {"negatives": "in_batch", "num_candidates": 20, "cluster_start": 1},
            "--negatives: expected --cluster-start of at least --epochs for ",
        ),
        (
            {"negatives": "tree", "num_candidates": 20, "loss": "soft_top_k"},
            "--negatives: expected --loss decoupled_softmax or ",
        ),
    ],
)
def test_refused_as_any_recipe_with_texts(fields, message):
    """What else is, is tested in test_text_recipe and test_check_negatives."""
    few = {"batch_size": 16, "num_candidates": 32}
    found = refusal(ngame, dataset_of(1000), **{**few, **fields})
    assert found.startswith(message), found


def test_what_is_not_trained_may_be_anything():
    never = ngame.Recipe(batch_size=8, cluster_start=99, label_length=48)
    ngame.check(never, dataset_of(1000))
    recipe = ngame.Recipe(batch_size=64, classifier_candidates=9)
    ngame.check(recipe, dataset_of(1000))
    recipe = {"batch_size": 64, "classifier_candidates": 9}
    message = refusal(ngame, dataset_of(1000), **recipe, classifier_epochs=1)
    assert message.startswith("--classifier-candidates: expected at least 64")


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
