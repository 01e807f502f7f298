"""Invariants of what the phases of a run share:

- rows with labels are trained on or held out, never both, others neither; who
  is held out is a function of the seed, and at most a tenth are;
- vectors are those of the encoder, and the metrics of held-out rows those of
  an exact search among all labels;
- a batch has room for all labels at most, but for whole chunks.
"""

import dataclasses
import types

import numpy as np
import pytest
import tiny_training
from rich.console import Console

from tfxc.batching import Curriculum
from tfxc.data import LabelLists
from tfxc.encoders import BagEncoder
from tfxc.metrics import evaluate_split
from tfxc.run import Run
from tfxc.search import ExactSearch
from tfxc.training import Job, num_held_out, split_rows
from tfxc.training import job as job_module


def random_lists(rng, rows=200, labels=9):
    counts = rng.integers(0, 3, rows)
    return LabelLists.from_pairs(
        np.repeat(np.arange(rows), counts),
        rng.integers(0, labels, counts.sum()),
        rows,
        labels,
    )


@pytest.mark.parametrize("asked", [0, 5, 10_000])
def test_every_row_with_labels_once(rng, asked):
    relevant = random_lists(rng)
    labelled = [row for row in range(200) if len(relevant[row])]
    assert 100 < len(labelled) < 200
    rows, held_out = split_rows(relevant, asked, seed=1)
    assert sorted([*rows, *held_out]) == labelled
    assert rows.tolist() == sorted(rows)
    assert held_out.tolist() == sorted(held_out)
    assert len(held_out) == num_held_out(len(labelled), asked)
    assert rows.dtype == held_out.dtype == np.int64


def test_a_function_of_the_seed(rng):
    relevant = random_lists(rng)
    first, again, other = (
        split_rows(relevant, 5, seed)[1].tolist() for seed in (0, 0, 1)
    )
    assert first == again != other
    more = split_rows(relevant, 9, seed=0)[1].tolist()
    assert set(first) < set(more), "the same order, and more of it"


@pytest.mark.parametrize(
    ("rows", "asked", "expected"),
    [(100, 5, 5), (100, 10, 10), (100, 11, 10), (9, 3, 0), (0, 3, 0)],
)
def test_at_most_a_tenth(rows, asked, expected):
    assert num_held_out(rows, asked) == expected
    assert num_held_out(rows, -asked) == 0
    lists = LabelLists.identity(rows)
    kept, held_out = split_rows(lists, asked, 0)
    assert (len(kept), len(held_out)) == (rows - expected, expected)


@pytest.fixture(scope="module")
def job(tmp_path_factory):
    folder = tmp_path_factory.mktemp("job")
    prepared = tiny_training.prepared(folder)
    dataset = prepared.dataset
    encoder = BagEncoder(len(prepared.tokenizer), dim=8, hidden=0)
    rows, held_out = split_rows(dataset.train.relevant, 4, 0)
    return Job(
        *(dataset, prepared, encoder, rows, held_out),
        *(Run(folder / "run"), Console()),
    )


def test_vectors_are_those_of_the_encoder(job):
    rows = np.array([7, 2])
    bags = job.prepared
    np.testing.assert_allclose(
        job.query_vectors(rows), job.encoder(bags.train.take(rows)), atol=1e-6
    )
    labels = np.arange(tiny_training.LABELS)
    np.testing.assert_allclose(
        job.label_vectors(), job.encoder(bags.labels.take(labels)), atol=1e-6
    )
    assert job.relevant is job.dataset.train.relevant


def test_validation_is_an_exact_search(job):
    held_out = job.held_out
    assert len(held_out) == 3
    train = job.dataset.train
    split = dataclasses.replace(
        train,
        queries=held_out,
        relevant=train.relevant.take(held_out),
        filtered=train.filtered.take(held_out),
    )
    expected, _ = evaluate_split(
        job.query_vectors(held_out),
        ExactSearch(job.label_vectors()),
        split,
        train.relevant.counts(),
        tiny_training.ROWS,
    )
    found = job.validate(job.label_vectors)
    assert found.items() <= expected.items()
    assert found["P@5"] > 0
    one = np.ones((tiny_training.LABELS, 8), np.float32)
    assert job.validate(lambda: one) != found


@pytest.mark.parametrize(
    ("asked", "chunk_rows", "room"),
    [(10, None, 10), (99, None, 12), (10, 5, 10), (100, 5, 15), (96, 4, 12)],
)
def test_room_for_all_labels_in_whole_chunks(
    job, monkeypatch, asked, chunk_rows, room
):
    """There are 12 labels; what they leave of the last chunk is padding."""
    monkeypatch.setattr(job_module, "fit", lambda model, batches, *_: batches)
    model = types.SimpleNamespace(
        encoder=job.encoder, query_vectors=np.zeros((10, 8))
    )
    model.chunk_rows, model.negatives = chunk_rows, None
    batches = job.train(model, "encoder", 1, asked, Curriculum())
    assert batches.element_spec["relevance"].shape == (10, room)
    assert batches.element_spec["candidates"]["ids"].shape[0] == room
