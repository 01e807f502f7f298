"""Invariants of the negatives that a recipe names:

- each name has its sampler;
- a cache of all labels draws by the softmax, any other takes turns with all;
- vectors that are not finite leave a sampler as it was, and the run says so;
  the next refresh takes over what there is then.
"""

import types
import typing

import numpy as np
import pytest
from refresh_cases import Steps, unit
from scipy.special import softmax

from tfxc.training import Negatives, TextRecipe, drawn_negatives
from tfxc.training import negatives as module

LABELS = 200


def test_every_name_has_its_sampler():
    names = {"none", "in_batch", *module.SAMPLERS}
    assert names == set(typing.get_args(Negatives))
    assert drawn_negatives(TextRecipe(), None, None, None) == (None, [])


@pytest.mark.parametrize("cached", [50, LABELS, 10 * LABELS])
def test_a_cache_of_all_labels_needs_no_others(cached, rng, monkeypatch):
    vectors = unit(rng, LABELS)
    monkeypatch.setattr(module, "encode", lambda e, t, ids: vectors[ids])
    job = job_of(vectors)
    sampler, _ = module.cache(TextRecipe(cached_labels=cached), job)
    probability = np.exp(sampler.law(vectors[:3]))
    if cached < LABELS:
        assert sampler.shares == [1, 3]
        held = np.exp(sampler.samplers[1].law(vectors[:3]))
        assert np.count_nonzero(held[0]) == cached
        np.testing.assert_allclose(
            probability, held * 3 / 4 + 1 / 4 / LABELS, rtol=1e-4
        )
        return
    np.testing.assert_allclose(
        probability, softmax(vectors[:3] @ vectors.T / 0.07, 1), rtol=1e-4
    )


def job_of(vectors):
    """What samplers need of a `Job` of labels with these vectors."""
    return types.SimpleNamespace(
        dataset=types.SimpleNamespace(num_labels=LABELS),
        prepared=types.SimpleNamespace(labels=None),
        encoder=None,
        label_vectors=lambda: vectors,
    )


@pytest.mark.parametrize("name", ["midx", "tree", "cache"])
def test_vectors_that_are_not_finite(name, rng, monkeypatch, capsys):
    vectors = unit(rng, LABELS)
    monkeypatch.setattr(module, "encode", lambda e, t, ids: vectors[ids])
    job = job_of(vectors)
    job.label_vectors = lambda: vectors
    recipe = TextRecipe(
        uniform_steps=0,
        refresh_steps=3,
        landmarks=4,
        encoded_labels=6,
        cached_labels=LABELS,
    )
    sampler, callbacks = module.SAMPLERS[name](recipe, job)
    steps = Steps(*callbacks)
    steps.begin_epoch()
    steps.begin(0)
    before = sampler.state()
    assert capsys.readouterr().out == ""
    good, vectors = vectors, np.full_like(vectors, np.nan)
    steps.begin(3)
    output = capsys.readouterr().out
    assert "the old ones stay: vectors of labels must be finite" in output
    for part, array in sampler.state().items():
        np.testing.assert_array_equal(array, before[part], part)
    vectors = unit(rng, LABELS)
    steps.begin(6)
    changed = [
        part
        for part, array in sampler.state().items()
        if not np.array_equal(array, before[part])
    ]
    assert (
        len(changed) > (0 if name == "cache" else 2)
        and capsys.readouterr().out == ""
    )
    report = callbacks[-1].report
    assert (report["refreshes"], report["failed_refreshes"]) == (2, 1)
    assert report["encoded_labels"] >= LABELS
    assert (vectors != good).all()
