"""Invariants of inverse propensities:

- they equal published figures and napkinXC's;
- a label that occurs once weighs ln N, whatever the constants;
- constants are chosen by a data set's whole name.
"""

import math

import napkinxc.metrics as oracle
import numpy as np
import pytest

from tfxc.metrics import (
    DEFAULT_CONSTANTS,
    PROPENSITY_CONSTANTS,
    inverse_propensity,
    propensity_constants,
)


@pytest.mark.parametrize(
    ("constants", "expected"),
    [
        ((0.55, 1.5), [8.824189, 6.907755, 4.492908, 1.770430]),
        ((0.6, 2.6), [8.181580, 6.907755, 4.773252, 1.791618]),
        ((0.5, 0.4), [12.052398, 6.907755, 4.008082, 1.697621]),
    ],
)
def test_reference_values(constants, expected):
    found = inverse_propensity([0, 1, 5, 100], 1000, *constants)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert found.dtype == np.float64


def test_lf_amazontitles_131k():
    a, b = propensity_constants("LF-AmazonTitles-131K")
    found = inverse_propensity([1, 5, 100], 294_805, a, b)
    np.testing.assert_allclose(found, [12.594069, 8.405071, 2.553563], 1e-6)


def test_equals_napkinxc(rng):
    truth = rng.random((200, 30)) < 0.1
    expected = oracle.Jain_et_al_inverse_propensity(truth.astype(int))
    found = inverse_propensity(truth.sum(axis=0), 200)
    np.testing.assert_allclose(found, expected)


@pytest.mark.parametrize("constants", [(0.55, 1.5), (0.6, 2.6), (0.3, 7.0)])
def test_a_label_that_occurs_once_weighs_the_log_of_rows(constants):
    [weight] = inverse_propensity([1], 5000, *constants)
    assert weight == pytest.approx(math.log(5000))


@pytest.mark.parametrize(
    ("dataset", "expected"),
    [
        ("LF-AmazonTitles-1.3M", (0.6, 2.6)),
        ("amazon-670k", (0.6, 2.6)),
        ("Wikipedia-500K", (0.5, 0.4)),
        ("LF-WikiTitles-500K", (0.5, 0.4)),
        ("AmazonCat-13K", (0.55, 1.5)),  # an Amazon by name only
        ("Wiki10-31K", (0.55, 1.5)),
        ("LF-WikiSeeAlsoTitles-320K", (0.55, 1.5)),
        ("my-amazon-670k", (0.55, 1.5)),
    ],
)
def test_constants_by_name(dataset, expected):
    assert propensity_constants(dataset) == expected


def test_the_table_is_in_lower_case_and_differs_from_the_default():
    for name, constants in PROPENSITY_CONSTANTS.items():
        assert name == name.lower() and constants != DEFAULT_CONSTANTS


@pytest.mark.parametrize("num_rows", [0, 4])
def test_more_occurrences_than_rows(num_rows):
    with pytest.raises(ValueError, match=f"5. Received: num_rows={num_rows}"):
        inverse_propensity([5, 1], num_rows)
