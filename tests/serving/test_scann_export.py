"""Invariants of the SavedModel that searches with ScaNN:

- it always returns k different labels with their exact scores, best first,
  also where ScaNN alone returns fewer or pads;
- nearly all of them are what exact search finds; all, for few labels;
- it answers in a process that has ScaNN and TensorFlow, but not tfxc;
- label vectors are stored once.
"""

import json
import pathlib
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from small_model import LABELS, WordEncoder, WordTokenizer, export_small

from tfxc.data.texts import Texts
from tfxc.search import FusedSearch
from tfxc.serving import (
    export_saved_model,
    load_saved_model,
    scann_index,
)
from tfxc.serving.scann_index import REORDERED, ScannIndex

pytest.importorskip("scann")
ALONE = pathlib.Path(__file__).with_name("serve_alone.py")
NUM_LABELS = 2000
TEXTS = ["red wine", "white meat", "bread", "tea butter", "käse"]


def unit_vectors(rng, rows, dim=8):
    vectors = rng.normal(size=(rows, dim)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def exact_ids(queries, labels, k):
    return np.argsort(-(queries @ labels.T), axis=1, kind="stable")[:, :k]


def share_found(ids, expected):
    pairs = zip(ids.tolist(), expected.tolist(), strict=True)
    return np.mean([len({*a} & {*b}) / len(b) for a, b in pairs])


def check_rows(scores, ids, queries, labels, k):
    """Exactly k different labels a row, with their scores, best first."""
    scores, ids = np.asarray(scores), np.asarray(ids)
    assert scores.shape == ids.shape == (len(queries), k)
    assert all(len(set(row)) == k for row in ids.tolist())
    expected = np.take_along_axis(queries @ labels.T, ids, axis=1)
    np.testing.assert_allclose(scores, expected, atol=1e-5)
    assert (np.diff(scores, axis=1) <= 1e-6).all()


@pytest.fixture(scope="module")
def labels():
    return unit_vectors(np.random.default_rng(1), NUM_LABELS)


@pytest.fixture(scope="module")
def index(labels):
    return ScannIndex(labels)


@pytest.mark.parametrize("k", [1, 10, 300, REORDERED, 1100, NUM_LABELS])
def test_always_k_labels(rng, index, labels, k):
    queries = unit_vectors(rng, 20)
    scores, ids = tf.function(index)(queries, tf.constant(k))
    check_rows(scores, ids, queries, labels, k)
    share = share_found(ids.numpy(), exact_ids(queries, labels, k))
    # Of the last of the 1,000 there are as many just outside of them.
    assert share > (0.98 if k != REORDERED else 0.9)


def test_scann_alone_would_return_fewer(index, rng):
    queries = unit_vectors(rng, 20)
    _, ids = index.layer(tf.constant(queries), k=1100)
    assert ids.shape[1] <= REORDERED  # else `ScannIndex` need not look


def test_padding_does_not_come_out(rng, monkeypatch):
    """The leaves that are looked into hold fewer labels than asked for."""
    monkeypatch.setattr(scann_index, "ONE_LEAF", 1000)
    labels, queries = unit_vectors(rng, 1200), unit_vectors(rng, 50)
    index = ScannIndex(labels)
    alone, _ = index.layer(tf.constant(queries), k=400)
    assert np.isnan(alone).any(), "would test nothing"
    scores, ids = index(tf.constant(queries), tf.constant(400))
    check_rows(scores, ids, queries, labels, 400)


@pytest.mark.parametrize("num_labels", [16, 17, 100, 500])
def test_few_labels_are_found_exactly(rng, num_labels):
    labels, queries = unit_vectors(rng, num_labels), unit_vectors(rng, 9)
    index = ScannIndex(labels)
    for k in (1, 5, num_labels):
        scores, ids = index(tf.constant(queries), tf.constant(k))
        check_rows(scores, ids, queries, labels, k)
        np.testing.assert_array_equal(ids, exact_ids(queries, labels, k))


def test_leaves(rng, monkeypatch):
    """As for more labels than are all looked at."""
    monkeypatch.setattr(scann_index, "ONE_LEAF", 1000)
    labels = np.repeat(unit_vectors(rng, 100), 50, axis=0)
    labels += 0.02 * rng.normal(size=labels.shape).astype(np.float32)
    labels /= np.linalg.norm(labels, axis=1, keepdims=True)
    queries = labels[::37]
    scores, ids = ScannIndex(labels)(tf.constant(queries), tf.constant(10))
    check_rows(scores, ids, queries, labels, 10)
    assert share_found(ids.numpy(), exact_ids(queries, labels, 10)) > 0.9


def test_equal_labels(rng):
    labels = np.repeat(unit_vectors(rng, 1), 1500, axis=0)
    scores, ids = ScannIndex(labels)(tf.constant(labels[:2]), tf.constant(20))
    check_rows(scores, ids, labels[:2], labels, 20)


def test_serves_alone(tmp_path, labels):
    folder = tmp_path / "saved_model"
    encoder, tokenizer = WordEncoder(), WordTokenizer()
    names = Texts.from_strings(f"wine {i}" for i in range(NUM_LABELS))
    export_saved_model(
        folder,
        encoder,
        tokenizer,
        FusedSearch(labels),
        names,
        [1] * NUM_LABELS,
        "scann",
    )
    refused = ["tfxc", "keras", "tensorflow_recommenders"]
    arguments = [folder, json.dumps(TEXTS), "7", "scann", *refused]
    done = subprocess.run(
        [sys.executable, "-I", ALONE, *arguments],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    answers = json.loads(done.stdout)
    found, queries = answers["search"], np.float32(answers["query"])
    check_rows(found["scores"], found["ids"], queries, labels, 7)
    expected = exact_ids(queries, labels, 7)
    assert share_found(np.array(found["ids"]), expected) > 0.98
    names = [[f"wine {i}" for i in row] for row in found["ids"]]
    assert found["names"] == names
    assert answers["signature"] == found
    assert answers["empty"] == [[0, 2]] * 3

    sizes = [file.stat().st_size for file in folder.rglob("*")]
    assert sum(sizes) < 2 * labels.nbytes + 400_000
    model, description = load_saved_model(folder)
    assert description["index"] == "scann"
    np.testing.assert_array_equal(model.label_vectors, labels)
    assert model.search(TEXTS, 900)["ids"].shape == (len(TEXTS), 900)


def test_fewer_labels_than_scann_takes(tmp_path):
    export_small(tmp_path / "m", index="scann")
    model, description = load_saved_model(tmp_path / "m")
    assert description["index"] == "exact"
    assert model.search(["tea"], 9)["ids"].shape == (1, len(LABELS))
