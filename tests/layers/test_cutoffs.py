"""Invariants of the cutoffs of an adaptive softmax:

- they are the cheapest of an enumeration, for any number of tails, among those
  whose head holds enough and whose tails have enough dimensions;
- there are more tails where a call costs little, and none where it is dear;
- frequencies of no labels, or not in their order, are refused.
"""

import itertools

import numpy as np
import pytest

from tfxc.layers import CostModel, choose_cutoffs
from tfxc.layers.cutoffs import cost_of

ZIPF = 1 / np.arange(1, 61)


ANY = {"head_share": 0.0, "least_dim": 1}


@pytest.mark.parametrize("most", [0, 1, 2, 3])
@pytest.mark.parametrize("limits", [ANY, {"head_share": 0.7, "least_dim": 4}])
@pytest.mark.parametrize(
    "model",
    [
        CostModel(0.0, 1.0),
        CostModel(50.0, 1.0),
        CostModel(20.0, 1.0, 2000.0),
        CostModel(1000.0, 0.1),
    ],
)
def test_the_cheapest_of_all(model, most, limits):
    found = choose_cutoffs(ZIPF, model, 16, 32, most_tails=most, **limits)
    shares = np.cumsum(ZIPF) / ZIPF.sum()
    cheapest = min(
        cost_of(cuts, ZIPF, model, 16, 32)
        for tails in range(most + 1)
        for cuts in itertools.combinations(range(1, 60), tails)
        if not cuts
        or (
            shares[cuts[0] - 1] >= limits["head_share"]
            and max(16 // 4**tails, 1) >= limits["least_dim"]
        )
    )
    assert cost_of(found, ZIPF, model, 16, 32) == pytest.approx(cheapest)
    assert len(found) <= most and found == sorted(set(found))


def test_more_tails_where_calls_are_cheap():
    cheap, dear = (
        choose_cutoffs(ZIPF, CostModel(fixed, 1.0), 16, 32, **ANY)
        for fixed in (0.0, 1e6)
    )
    assert len(cheap) > 1 and dear == []


def test_a_million_labels():
    frequencies = 1 / np.arange(1, 1_000_001)
    model = CostModel(1e-4, 1e-11)
    found = choose_cutoffs(frequencies, model, 256, 1024)
    whole = cost_of([], frequencies, model, 256, 1024)
    assert cost_of(found, frequencies, model, 256, 1024) < whole / 5
    assert 1 <= len(found) <= 5 and found[0] < 100_000


def test_one_label():
    assert choose_cutoffs([3.0], CostModel(0.0, 1.0), 16, 32) == []


def test_cost_by_hand():
    model = CostModel(1.0, 2.0, 100.0)
    cost = cost_of([1], [3.0, 1.0], model, dim=8, batch_size=4)
    head = 1 + 2 * max(4 * 8 * (1 + 1), 100)
    tail = 1 + 2 * max(1 * 8 * 2, 100) + 1 + 2 * max(1 * 2 * 1, 100)
    assert cost == head + tail


@pytest.mark.parametrize(
    ("frequencies", "received"),
    [
        ([], r"\[\]"),
        ([0.0, 0.0], "0"),
        ([2.0, -1.0], "-1"),
        ([2.0, np.nan], "nan"),
        ([2.0, 1.0, 3.0], "1.0 before 3.0, of label 2"),
        ([[2.0]], "2"),
    ],
)
def test_wrong_frequencies(frequencies, received):
    with pytest.raises(ValueError, match=f"Received: .*{received}"):
        choose_cutoffs(frequencies, CostModel(0.0, 1.0), 16, 32)
