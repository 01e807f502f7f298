"""Invariants of the check of a recipe's numbers:

- what is in its range passes, its ends included;
- every field that is not is named, in one error, with its range;
- a number that is not finite never passes, listed or not.
"""

import dataclasses

import pytest

from tfxc import InputError
from tfxc.training import ABOVE_0, check_fields


@dataclasses.dataclass(frozen=True)
class Recipe:
    epochs: int = 3
    rate: float = 0.5
    ngrams: tuple[int, ...] = (4, 5)
    free: float = 0.0
    name: str = "x"


RANGES = {"epochs": (1, 3), "rate": (ABOVE_0, None), "ngrams": (1, 5)}


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"epochs": 1},
        {"rate": 1e-300},
        {"ngrams": (1, 5)},
        {"ngrams": ()},
        {"free": -1e30},
    ],
)
def test_good_fields_pass(fields):
    check_fields(Recipe(**fields), RANGES)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"epochs": 0}, "--epochs: expected at least 1 and at most 3"),
        ({"epochs": 4}, "--epochs: .* Received: 4"),
        ({"rate": 0.0}, "--rate: expected a number above 0. Received: 0.0"),
        ({"ngrams": (4, 0)}, r"--ngrams: .* Received: \(4, 0\)"),
        ({"free": float("inf")}, "--free: expected a finite number"),
        ({"rate": float("nan")}, "--rate: .* Received: nan"),
    ],
)
def test_bad_fields_are_named(fields, message):
    with pytest.raises(InputError, match=message):
        check_fields(Recipe(**fields), RANGES)


def test_all_at_once():
    with pytest.raises(InputError) as error:
        check_fields(Recipe(0, -1.0, (9,)), RANGES, "There are 3 rows.")
    lines = str(error.value).split("\n")
    assert len(lines) == 4 and lines[3].strip() == "There are 3 rows."
