"""Invariants of the recipe of dynamic indexes, and of `--negatives`:

- draws that cannot be made as asked are refused before anything is written;
- whatever the sampler, a run ends in a model that answers as it was measured.

That a run goes on where it was stopped is tested in test_train.py.
"""

import re

import pytest
from recipe_cases import SmallRun, dataset_of, refusal

from models import dynamic_index, ngame

FIELDS = {"batch_size": 64, "negatives": "tree"}


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"num_negatives": 31}, "at most the 30 labels.*Received: 31"),
        ({"num_negatives": 0}, "--num-negatives: expected at least 1"),
        ({"loss": "soft_top_k"}, "--negatives: .*Received: soft_top_k"),
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
    found = refusal(ngame, dataset_of(1000), **fields, num_negatives=12)
    assert "the 8 queries of a batch or a multiple" in found
    for num in (8, 16, 5):
        ngame.check(ngame.Recipe(**fields, num_negatives=num), dataset_of(1000))
    dynamic_index.check(dynamic_index.Recipe(), dataset_of(2000, labels=99))


@pytest.mark.slow
@pytest.mark.parametrize(
    "negatives", ["uniform", "unigram", "cache", "midx", "tree"]
)
def test_a_run(tmp_path, negatives):
    options = ["--negatives", negatives, "--num-negatives", 8, "--epochs", 4]
    options += ["--uniform-steps", 5, "--refresh-steps", 4, "--landmarks", 12]
    options += ["--encoded-labels", 20]
    small = SmallRun(tmp_path, "dynamic_index", *options)
    small.assert_it_learnt_and_serves_as_measured()
