"""Invariants of the search of a trained run:

- without fusion, the scores of encoder and classifiers are added;
- held-out queries weigh the scores, and are in neither memory nor frequencies
  while they do; then they are in both;
- what weighs nothing, or was not asked for, is not there.
"""

import dataclasses
import importlib
import types

import numpy as np
import pytest

import tfxc
from tfxc.data import LabelLists
from tfxc.training import fused_search

# The package has the function under the name of the module.
module = importlib.import_module("tfxc.training.fused_search")


@pytest.mark.parametrize("classifier", [None, np.eye(3, 4)[::-1]])
def test_without_fusion_encoder_and_classifiers_are_added(classifier):
    job = types.SimpleNamespace(label_vectors=lambda: np.eye(3, 4))
    search = fused_search(job, classifier, "none", memory=5)
    added = 0 if classifier is None else classifier
    np.testing.assert_array_equal(search.vectors(), np.eye(3, 4) + added)
    assert search.memory is search.popularity is None


@pytest.fixture
def job(rng):
    """40 queries of label 0 to learn from, 20 of label 1 held out."""
    ids = np.append(np.zeros(40, int), np.ones(20, int))
    vectors = rng.normal(size=(60, 4)).astype(np.float32)
    return types.SimpleNamespace(
        rows=np.arange(40),
        held_out=np.arange(40, 60),
        relevant=LabelLists.from_pairs(np.arange(60), ids, 60, 3),
        seed=0,
        propensity=(0.6, 2.6),
        filtered=LabelLists.from_pairs([41], [2], 60, 3),
        vectors=vectors,
        label_vectors=lambda: np.eye(3, 4, dtype=np.float32),
        query_vectors=lambda rows, dtype=np.float32: vectors[rows].astype(
            dtype
        ),
    )


@pytest.fixture
def fits(monkeypatch):
    """What weights were fitted to; none is left out."""
    seen = []

    def fit(*arguments, **options):
        seen.append((*arguments, options))
        return dataclasses.replace(arguments[0], popularity_weight=0.1)

    monkeypatch.setattr(module, "fit_fusion", fit)
    return seen


def test_held_out_queries_decide_before_they_count(job, fits):
    """What is learnt from them may not be what is judged by them."""
    found = fused_search(job, memory=5)
    [(search, queries, judged, weights, options)] = fits
    np.testing.assert_array_equal(queries, job.vectors[40:])
    assert judged.ids.tolist() == [1] * 20
    np.testing.assert_allclose(search.popularity, np.log1p([40, 0, 0]))
    expected = tfxc.metrics.inverse_propensity([40, 0, 0], 40, 0.6, 2.6)
    np.testing.assert_allclose(weights, expected)
    assert search.memory.sizes.sum() == 40 and search.memory.neighbours == 5
    assert options.pop("filtered")[1].tolist() == [2]
    assert options == {"tree": False, "seed": 0}
    np.testing.assert_allclose(found.popularity, np.log1p([40, 20, 0]))
    assert found.memory.sizes.sum() == 60 and found.memory.neighbours == 5
    kept = found.memory.keys.reshape(-1, 4)
    for row in (3, 50):  # each with its own label
        place = np.abs(kept - job.vectors[row]).sum(axis=1).argmin()
        np.testing.assert_allclose(kept[place], job.vectors[row], rtol=1e-3)
        assert found.memory.relevant[place].tolist() == [int(row >= 40)]
    assert found.popularity_weight == 0.1


def test_queries_are_encoded_once(job, fits):
    rows, encode = [], job.query_vectors
    job.query_vectors = lambda r, *dtype: (rows.extend(r), encode(r, *dtype))[1]
    fused_search(job, memory=5)
    assert sorted(rows) == list(range(60))


def test_what_was_not_asked_for(job, fits):
    found = fused_search(job, fusion="tree", memory=0, popularity=False)
    [(search, *_, options)] = fits
    assert options["tree"]
    for one in (search, found):
        assert one.memory is one.popularity is None


def test_what_weighs_nothing_is_not_built_again(job, monkeypatch):
    def fit(search, *_, **options):
        return dataclasses.replace(search, memory=None, popularity=None)

    monkeypatch.setattr(module, "fit_fusion", fit)
    found = fused_search(job, memory=5)
    assert found.memory is found.popularity is None
