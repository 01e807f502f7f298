"""Invariants of the metrics of held-out queries:

- they are those of the queries asked for, with the constants asked for;
- labels that a query shall not get are left out.
"""

import numpy as np

from tfxc.data import LabelLists, Split
from tfxc.search import ExactSearch
from tfxc.training.validate import validate

ROWS, LABELS = 9, 6


def split(filtered=()):
    rows = np.arange(ROWS)
    relevant = LabelLists.from_pairs(rows, rows % LABELS, ROWS, LABELS)
    filtered = np.array(filtered, int).reshape(-1, 2)
    lists = LabelLists.from_pairs(*filtered.T, ROWS, LABELS)
    return Split(range(ROWS), relevant, lists)


def test_filtered_labels_are_left_out():
    held_out = np.array([1, 7])
    vectors = np.eye(LABELS, dtype=np.float32)
    search = ExactSearch(vectors)
    queries = vectors[held_out % LABELS] + 2 * vectors[[3, 4]]
    assert validate(queries, search, split(), held_out)["P@1"] == 0
    some = split([(1, 3), (7, 2), (2, 4)])
    assert validate(queries, search, some, held_out)["P@1"] == 50
    some = split([(1, 3), (7, 4)])
    assert validate(queries, search, some, held_out)["P@1"] == 100


def test_constants_of_the_propensity():
    held_out = np.arange(ROWS)
    vectors = np.eye(LABELS, dtype=np.float32)
    queries = vectors[held_out % LABELS]
    queries[:3] = 0
    found = [
        validate(queries, ExactSearch(vectors), split(), held_out, a, b)
        for a, b in ((0.55, 1.5), (0.9, 0.1))
    ]
    assert found[0]["P@1"] == found[1]["P@1"]
    assert found[0]["PSP@1"] != found[1]["PSP@1"]
