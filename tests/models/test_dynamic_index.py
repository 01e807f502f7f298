"""Invariants of the recipe of dynamic indexes, and of `--negatives`:

- draws that cannot be made as asked are refused before anything is written;
- whatever the sampler, a run ends in a model that answers as it was measured.

That a run goes on where it was stopped is tested in test_train.py.
"""

import re

import pytest
from recipe_cases import SmallRun, dataset_of, refusal

from models import ance, dynamic_index, ngame

FIELDS = {"batch_size": 16, "num_candidates": 20, "negatives": "tree"}


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"num_negatives": 31}, "at most the 30 labels.*Received: 31"),
        ({"num_negatives": 0}, "--num-negatives: expected at least 1"),
        ({"loss": "soft_top_k"}, "--negatives: .*Received: soft_top_k"),
        ({"num_candidates": 30}, "fewer --num-candidates than 30 labels"),
        ({"refresh_steps": 0}, "--refresh-steps: expected at least 1"),
        ({"landmarks": 0}, "--landmarks: expected at least 1"),
        ({"uniform_steps": -1}, "--uniform-steps: expected at least 0"),
    ],
)
def test_refused(fields, message):
    found = refusal(ngame, dataset_of(1000), **{**FIELDS, **fields})
    assert re.search(message, found), found


def test_more_draws_than_queries_are_a_multiple():
    fields = {**FIELDS, "batch_size": 8, "max_cluster_size": 8}
    fields["num_candidates"] = 8
    found = refusal(ngame, dataset_of(1000), **fields, num_negatives=12)
    assert "the 8 queries of a batch or a multiple" in found
    for num in (8, 16, 5):
        ngame.check(ngame.Recipe(**fields, num_negatives=num), dataset_of(1000))
    dataset = dataset_of(2000, labels=2000)
    dynamic_index.check(dynamic_index.Recipe(), dataset)
    ance.check(ance.Recipe(), dataset)


@pytest.mark.parametrize("module", [dynamic_index, ance])
@pytest.mark.parametrize(
    ("name", "rows", "labels"),
    [("yso_finna_en", 525_773, 24_965), ("cooking", 12_404, 736)],
)
def test_named_recipes(module, name, rows, labels):
    module.check(getattr(module.Recipe, name)(), dataset_of(rows, labels))


@pytest.mark.slow
@pytest.mark.parametrize(
    "negatives", ["uniform", "unigram", "cache", "nearest", "midx", "tree"]
)
def test_a_run(tmp_path, negatives):
    options = ["--negatives", negatives, "--num-negatives", 8, "--epochs", 4]
    options += ["--uniform-steps", 5, "--refresh-steps", 4, "--landmarks", 12]
    options += ["--encoded-labels", 20, "--batch-size", 16]
    options += ["--num-candidates", 16]
    small = SmallRun(tmp_path, "dynamic_index", *options)
    small.assert_it_learnt_and_serves_as_measured()
