"""Invariants of readable examples:

- names, scores and hits are those of the sample; padding is left out;
- queries without relevant labels are left out, long ones are cut.
"""

import numpy as np

from tfxc.data.dataset import Split
from tfxc.data.label_lists import LabelLists
from tfxc.data.sparse_features import SparseFeatures
from tfxc.data.texts import Texts
from tfxc.metrics import Sample
from tfxc.serving import readable_examples

NAMES = Texts.from_strings(["red", "white", "Käse"])
RELEVANT = LabelLists.from_pairs([0, 0, 2], [0, 2, 1], 3, 3)
NONE = LabelLists.from_pairs([], [], 3, 3)


def sample(rows, ids):
    ids = np.array(ids, np.int32)
    return Sample(
        np.array(rows), ids, np.linspace(1, 0, ids.size).reshape(ids.shape)
    )


def test_names_scores_and_hits():
    texts = Texts.from_strings(["first é", "second", "w" * 1000])
    split = Split(texts, RELEVANT, NONE)
    ids = [[2, 1, 0], [0, 1, 2], [0, -1, -1]]
    first, last = readable_examples(sample([0, 1, 2], ids), split, NAMES)
    assert first["query"] == "first é"
    assert first["relevant"] == ["red", "Käse"]
    assert [
        (label["name"], label["score"], label["hit"])
        for label in first["predicted"]
    ] == [("Käse", 1, True), ("white", 0.875, False), ("red", 0.75, True)]
    assert last["query"] == "w" * 300 + "…"
    assert [label["name"] for label in last["predicted"]] == ["red"]
    assert not last["predicted"][0]["hit"]


def test_sparse_features():
    features = SparseFeatures(
        np.array([4, 7], np.int32),
        np.array([0.5, 1], np.float32),
        np.array([0, 2, 2, 2]),
        9,
    )
    split = Split(features, RELEVANT, NONE)
    [example] = readable_examples(sample([0], [[0]]), split, NAMES)
    assert example["query"] == "4:0.5 7:1"


def test_nothing():
    split = Split(Texts.from_strings("abc"), NONE, NONE)
    assert readable_examples(sample([1], [[0]]), split, NAMES) == []
