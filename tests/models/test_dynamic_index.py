"""Invariants of the recipes that draw negatives, and of `--negatives`:

- what draws is what the recipe is named for, beside fewer candidates than there
  are labels, in all named recipes, each on a data set of its size;
- no batch is clustered, and no epoch is without draws;
- fields of the draws out of their range are refused;
- a run ends in a model that answers as it was measured, whether no sampler,
  a search or a tree draws.

What draws can be made is tested in training/test_check_negatives.py, and that a
run of any sampler goes on where it was stopped in training/test_drawn_runs.py.
"""

import dataclasses
import inspect

import pytest
from recipe_cases import SmallRun, dataset_of, refusal

from models import ance, dynamic_index, ngame

MODULES = [(dynamic_index, "tree"), (ance, "nearest")]


@pytest.mark.parametrize("field", ["num_negatives", "refresh_steps"])
@pytest.mark.parametrize("module", [dynamic_index, ance])
def test_refused(module, field):
    found = refusal(module, dataset_of(2000, labels=2000), **{field: 0})
    flag = field.replace("_", "-")
    assert found.startswith(f"--{flag}: expected at least 1. Received: 0")


@pytest.mark.parametrize(
    ("field", "least"),
    [
        ("landmarks", 1),
        ("encoded_labels", 1),
        ("full_refresh", 1),
        ("uniform_steps", 0),
    ],
)
def test_bounds(field, least):
    dataset = dataset_of(2000, labels=2000)
    found = refusal(dynamic_index, dataset, **{field: least - 1})
    assert f"expected at least {least}. Received: {least - 1}" in found
    dynamic_index.check(dynamic_index.Recipe(**{field: least}), dataset)


NAMED = {  # rows, labels, candidates
    "yso_finna_en": (525_773, 24_965, 1024),
    "cooking": (12_404, 736, 256),
    "python_api": (15_444, 11_148, 1024),
    "bibtex": (4_880, 159, 64),
    "delicious": (12_920, 983, 256),
    "transformer": (12_404, 736, 128),
    "lf_amazontitles_131k_transformer": (294_805, 131_073, 128),
}


def test_every_named_recipe_is_tested():
    names = {
        name
        for name, value in inspect.getmembers_static(ngame.Recipe)
        if isinstance(value, classmethod) and not name.startswith("_")
    }
    assert names == set(NAMED)


@pytest.mark.parametrize(("module", "negatives"), MODULES)
@pytest.mark.parametrize("name", [*NAMED, None])
def test_named_recipes(module, negatives, name):
    rows, labels, candidates = NAMED.get(name, (2000, 2000, 1024))
    recipe = getattr(module.Recipe, name)() if name else module.Recipe()
    if name and "transformer" in name:
        recipe = dataclasses.replace(recipe, encoder="some/folder")
        assert recipe.batch_size == 128 and recipe.num_negatives == 16
    module.check(recipe, dataset_of(rows, labels))
    assert type(recipe) is module.Recipe and recipe.negatives == negatives
    assert recipe.num_candidates == candidates < labels
    assert recipe.cluster_start > recipe.epochs, "draws are hard already"
    assert recipe.classifier_epochs == 0, "classifiers' batches are clustered"
    rows = 0.9 * rows + labels * recipe.label_queries
    steps = recipe.epochs * rows / recipe.batch_size
    if name:
        assert steps > 1.5 * recipe.uniform_steps, "half are of the warm-up"


@pytest.mark.parametrize("name", ["yso_finna_en", "cooking", "bibtex"])
def test_what_is_tuned_for_the_data_stays(name):
    recipe, same = getattr(ance.Recipe, name)(), getattr(ngame.Recipe, name)()
    assert recipe.epochs == same.epochs != ngame.Recipe.epochs
    assert recipe.temperature == same.temperature


@pytest.mark.slow
@pytest.mark.parametrize("negatives", ["in_batch", "nearest", "tree"])
def test_a_run(tmp_path, negatives):
    options = ["--negatives", negatives, "--num-negatives", 8, "--epochs", 4]
    options += ["--uniform-steps", 5, "--refresh-steps", 4, "--landmarks", 12]
    options += ["--encoded-labels", 20, "--batch-size", 16]
    options += ["--num-candidates", 16]
    if negatives == "in_batch":  # is of random batches
        options += ["--cluster-start", 9]
    small = SmallRun(tmp_path, "dynamic_index", *options)
    small.assert_it_learnt_and_serves_as_measured()
