"""Invariants of the recipe DEXML:

- it is refused what NGAME is, and its own defaults need no held-out queries;
- its named recipes are its own, not NGAME's;
- a run ends in a model of the encoder alone, which answers as it was
  measured, and a finished run is left alone.
"""

import dataclasses

import pytest
from recipe_cases import SmallRun, dataset_of, refusal

import tfxc.options
from models import dexml


def test_defaults():
    dexml.check(dexml.Recipe(), dataset_of(2000))
    pretrained = dataclasses.replace(
        dexml.Recipe.transformer(), encoder="some/folder"
    )
    dexml.check(pretrained, dataset_of(2000))
    few = {"epochs": 1, "batch_size": 8}
    dexml.check(dexml.Recipe(**few, validation_rows=0), dataset_of(9))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"fusion": "sum", "validation_rows": 5}, "--fusion none"),
        ({"batch_size": 3000}, "--batch-size: expected at least 1"),
        ({"num_candidates": 9}, "--num-candidates: expected at least 1,024"),
        ({"encoder": "x", "chunk_rows": 100}, "--chunk-rows: expected a div"),
        ({"chunk_rows": 64}, "--chunk-rows: expected 0 for the bag encoder"),
        ({"classifier_epochs": 1}, "DEXML has no classifiers."),
        ({"temperature": 0.0}, "--temperature: expected a number above 0"),
    ],
)
def test_refused(fields, message):
    assert message in refusal(dexml, dataset_of(2000), **fields)


@pytest.mark.parametrize(
    ("name", "rows", "labels"),
    [
        ("yso_finna_en", 525_773, 24_965),
        ("lf_amazontitles_131k_transformer", 294_805, 131_073),
        ("transformer", 2000, 30),
    ],
)
def test_named_recipes(name, rows, labels):
    """NGAME's constructors of these names would not do."""
    recipe = getattr(dexml.Recipe, name)()
    if "transformer" in name:
        recipe = dataclasses.replace(recipe, encoder="some/folder")
    dexml.check(recipe, dataset_of(rows, labels))
    assert recipe.fusion == "none" and recipe.cluster_start > recipe.epochs
    assert recipe.num_candidates >= (24_965 if name[0] == "y" else 1024)


def test_a_fusion_that_does_not_exist(capsys):
    with pytest.raises(SystemExit) as error:
        tfxc.options.parse_options(
            "dexml", dexml.Recipe, ["--fusion", "nonsense"]
        )
    assert error.value.code == 2
    assert "nonsense" in capsys.readouterr().err


@pytest.mark.slow
def test_a_run(tmp_path):
    run = SmallRun(tmp_path, "dexml", "--epochs", 4, alone=True)
    assert "encoder 4/4" in run.output and "classifier" not in run.output
    assert not any("encoder_alone" in name for name in run.metrics)
    run.assert_it_learnt_and_serves_as_measured()
    run.assert_a_second_start_changes_nothing()
