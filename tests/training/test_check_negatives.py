"""Invariants of what a recipe may ask of its negatives:

- a batch shares its draws among its queries, no more than there are labels,
  in whole chunks, and with room for what a mixture draws of all labels;
- candidates must leave out some label, for draws to add any;
- a recipe without negatives may hold anything.
"""

import pytest

from tfxc import InputError
from tfxc.training import TextRecipe, check_negatives

FIELDS = {"batch_size": 16, "num_candidates": 20, "negatives": "tree"}
TRUSTING = {"num_negatives": 8, "estimator": "self_normalized"}


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"num_negatives": 32}, "at most the 30 labels.*Received: 32"),
        ({"num_negatives": 17}, "the 16 queries of a batch or a multiple"),
        ({"num_candidates": 30}, "fewer --num-candidates than 30 labels"),
        (
            {"num_negatives": 3, "negatives": "cache"},
            "--num-negatives: expected 4 to 16, .*of 64, as one of 4.*: 3",
        ),
        (
            {"num_negatives": 32, "negatives": "nearest", "batch_size": 8},
            "--num-negatives: .*Received: 32",
        ),
        (
            {"num_negatives": 24, "negatives": "nearest", "batch_size": 8},
            "--num-negatives: expected 4 to 8, .*Received: 24",
        ),
        (
            {"num_negatives": 8, "negatives": "cache", "cached_labels": 7},
            "--cached-labels: expected at least --num-negatives=8.*: 7",
        ),
        (
            {**TRUSTING, "negatives": "uniform"},
            "--estimator: expected sampled_softmax, .*: self_normalized",
        ),
        *(
            (
                {**TRUSTING, "negatives": kind},
                "--estimator: .*=30.*Received: self_normalized",
            )
            for kind in ("nearest", "midx")
        ),
        (
            {**TRUSTING, "negatives": "cache", "cached_labels": 29},
            "--estimator: .*=30.*Received: self_normalized",
        ),
        (
            {"negatives": "in_batch", "estimator": "hard_negatives"},
            "--estimator: .* in_batch draws nothing.*Received: hard_negatives",
        ),
        (
            {"num_negatives": 6, "chunk_rows": 4},
            "--num-negatives: expected a multiple of --chunk-rows.*: 6",
        ),
    ],
)
def test_refused(fields, message):
    with pytest.raises(InputError, match=message):
        check_negatives(TextRecipe(**{**FIELDS, **fields}), 30)
    check_negatives(TextRecipe(**{**FIELDS, **fields, "negatives": "none"}), 30)


@pytest.mark.parametrize(
    "fields",
    [
        *({"num_negatives": num, "batch_size": 8} for num in (5, 8, 16)),
        {"negatives": "in_batch", "num_negatives": 1000},
        {"num_negatives": 4, "negatives": "nearest"},
        {"num_negatives": 16, "negatives": "nearest", "batch_size": 8},
        {"num_negatives": 16, "negatives": "cache", "batch_size": 4},
        {**TRUSTING, "negatives": "tree"},
        {**TRUSTING, "negatives": "cache", "cached_labels": 30},
        {"num_negatives": 16, "negatives": "cache"},
        {"num_negatives": 30, "batch_size": 30},
        {"num_negatives": 8, "chunk_rows": 4, "num_candidates": 29},
    ],
)
def test_accepted(fields):
    check_negatives(TextRecipe(**{**FIELDS, **fields}), 30)
