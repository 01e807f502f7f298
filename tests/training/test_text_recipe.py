"""Invariants of the fields of recipes that train an encoder of texts:

- those of the bag encoder are refused with a transformer, and the other way
  round; chunks divide all that they are of.
"""

import pytest

from tfxc import InputError
from tfxc.training import TextRecipe, check_encoder

TRANSFORMER = {"encoder": "some/folder", "batch_size": 48}


def refusal(**fields):
    with pytest.raises(InputError) as error:
        check_encoder(TextRecipe(**fields))
    return str(error.value)


@pytest.mark.parametrize(
    ("chunk", "candidates"), [(32, 96), (5, 96), (96, 96), (24, 100)]
)
def test_chunks_that_do_not_divide(chunk, candidates):
    fields = {"num_candidates": candidates, "chunk_rows": chunk}
    message = refusal(**TRANSFORMER, **fields)
    assert "--batch-size" in message and "--num-candidates" in message
    assert message.startswith("--chunk-rows: expected a divisor of ")
    assert message.endswith(f"Received: {chunk}")


@pytest.mark.parametrize("chunk", [0, 1, 24, 48])
def test_chunks_that_divide(chunk):
    fields = {"num_candidates": 96, "chunk_rows": chunk}
    check_encoder(TextRecipe(**TRANSFORMER, **fields))


def test_chunks_are_for_transformers():
    message = refusal(batch_size=48, num_candidates=96, chunk_rows=24)
    assert message.startswith("--chunk-rows: expected 0 for the bag encoder")
    assert "--encoder" in message and message.endswith("Received: 24")


@pytest.mark.parametrize(
    ("field", "value"), [("token_dropout", 0.1), ("label_clusters", 8)]
)
def test_fields_of_the_bag_encoder(field, value):
    message = refusal(**TRANSFORMER, **{field: value})
    flag = field.replace("_", "-")
    assert message.startswith(f"--{flag}: expected 0 for a transformer")
    assert message.endswith(f"Received: {value}")
    check_encoder(TextRecipe(**{field: value}))
