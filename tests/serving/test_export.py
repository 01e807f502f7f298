"""Invariants of the SavedModel that searches exactly:

- it is what a loop over labels finds, for any k, batch size and text;
- functions are the same as attributes and as signatures;
- it answers in a process that has neither tfxc nor Keras nor ScaNN;
- what is large is a variable: the graph is as small for many labels;
- an export that fails leaves what was there, and nothing else.
"""

import json
import pathlib
import shutil
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from small_model import (
    COUNTS,
    LABELS,
    METADATA,
    WordEncoder,
    WordTokenizer,
    export_small,
)

import tfxc.serving.export
from tfxc.data.texts import Texts
from tfxc.errors import InputError
from tfxc.search import FusedSearch, top_k
from tfxc.serving import export_saved_model, load_saved_model, search_model

TEXTS = ["red", "Wine KÄSE", "nothing known", "", "bread ☃ \x00 tea"]
ALONE = pathlib.Path(__file__).with_name("serve_alone.py")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("exact") / "saved_model"


@pytest.fixture(scope="module")
def label_vectors(folder):
    return export_small(folder)


@pytest.fixture(scope="module")
def model(folder, label_vectors):
    return load_saved_model(folder)[0]


def loop(texts, label_vectors, k):
    """Labels by falling score, then number, one query at a time."""
    queries = WordEncoder()(WordTokenizer()(tf.constant(texts))).numpy()
    answers = []
    for query in queries:
        scores = [float(np.dot(query, vector)) for vector in label_vectors]
        best = sorted(range(len(scores)), key=lambda i: (-scores[i], i))
        answers.append([(i, scores[i], LABELS[i]) for i in best[:k]])
    return answers


@pytest.mark.parametrize("k", [1, 3, len(LABELS), len(LABELS) + 1, 2**31 - 1])
def test_finds_what_a_loop_finds(model, label_vectors, k):
    found = model.search(TEXTS, k)
    expected = loop(TEXTS, label_vectors, k)
    assert found["ids"].shape == (len(TEXTS), min(k, len(LABELS)))
    assert found["ids"].dtype == tf.int32
    assert found["scores"].dtype == tf.float32
    for row, answer in enumerate(expected):
        ids, scores, names = zip(*answer, strict=True)
        assert found["ids"][row].numpy().tolist() == list(ids)
        np.testing.assert_allclose(found["scores"][row], scores, atol=1e-6)
        assert [n.decode() for n in found["names"][row].numpy()] == list(names)
    firsts = [answer[0][2] for answer in expected]
    assert firsts[0] == "red wine", "would find nothing sensible"


@pytest.mark.parametrize("size", [0, 1, 3000])
def test_any_batch_size(model, size):
    texts = tf.constant((TEXTS * 600)[:size], tf.string)
    found = model.search(texts, 2)
    assert {tuple(part.shape) for part in found.values()} == {(size, 2)}
    assert model.embed_query(texts)["vectors"].shape == (size, 8)
    few = model.search(TEXTS, 2)["ids"].numpy()
    for start in range(0, size, len(TEXTS)):
        part = found["ids"][start : start + len(TEXTS)].numpy()
        np.testing.assert_array_equal(part, few[: len(part)])


def test_default_k(tmp_path, model):
    assert model.serving_default(["tea"])["ids"].shape == (1, len(LABELS))
    names = [f"wine {i}" for i in range(30)]
    export_small(tmp_path / "many", names, np.ones(30, int))
    many, _ = load_saved_model(tmp_path / "many")
    assert many.serving_default(["tea"])["ids"].shape == (1, 10)
    assert many.search(["tea"], 17)["ids"].shape == (1, 17)


def test_attributes_and_description(folder, label_vectors):
    model, description = load_saved_model(folder)
    np.testing.assert_array_equal(model.label_vectors, label_vectors)
    assert model.label_names.numpy().tolist() == [n.encode() for n in LABELS]
    assert model.label_counts.numpy().tolist() == COUNTS
    assert description.items() > METADATA.items()
    assert description["index"] == "exact"
    assert description["num_labels"] == len(LABELS)


def test_queries_and_labels_have_their_own_tokenizers(tmp_path):
    swapped = WordTokenizer(["white", "red"])
    export_small(tmp_path / "m", label_tokenizer=swapped)
    model, _ = load_saved_model(tmp_path / "m")
    query = model.embed_query(["red", "white"])["vectors"].numpy()
    label = model.embed_label(["white", "red"])["vectors"].numpy()
    np.testing.assert_array_equal(query, label)
    assert not np.allclose(query[0], query[1])


@pytest.mark.parametrize("k", [0, -1])
def test_k_below_one(model, k):
    with pytest.raises(tf.errors.InvalidArgumentError, match="at least 1"):
        model.search(["tea"], k)


def test_serves_alone(folder, label_vectors):
    refused = [
        "tfxc",
        "keras",
        "tf_keras",
        "keras_hub",
        "scann",
        "tensorflow_recommenders",
    ]
    arguments = [folder, json.dumps(TEXTS), "3", "tensorflow", *refused]
    done = subprocess.run(
        [sys.executable, "-I", ALONE, *arguments],
        cwd=folder.parent,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    answers = json.loads(done.stdout)
    assert answers["refused"] == refused
    expected = loop(TEXTS, label_vectors, 3)
    names = [[name for _, _, name in answer] for answer in expected]
    assert answers["search"]["names"] == names
    assert answers["signature"] == answers["search"]
    assert answers["empty"] == [[0, 2]] * 3
    assert [row[:3] for row in answers["default"]["names"]] == names
    queries = WordEncoder()(WordTokenizer()(tf.constant(TEXTS)))
    np.testing.assert_allclose(answers["query"], queries, atol=1e-6)
    np.testing.assert_allclose(answers["label"], queries, atol=1e-6)


def test_many_labels_leave_the_graph_small(tmp_path, folder, label_vectors):
    names = [f"a rather long name of label {i}" for i in range(50_000)]
    export_small(tmp_path / "many", names, np.ones(50_000, int))
    small = (folder / "saved_model.pb").stat().st_size
    large = (tmp_path / "many" / "saved_model.pb").stat().st_size
    assert large < 1.1 * small
    variables = (tmp_path / "many" / "variables").iterdir()
    assert sum(file.stat().st_size for file in variables) > 50_000 * 50


@pytest.mark.parametrize("num_queries", [0, 1, 7, 12])
@pytest.mark.parametrize("rows", [1, 3, 100])
def test_blocks_change_nothing(rng, monkeypatch, num_queries, rows):
    queries = rng.normal(size=(num_queries, 4)).astype(np.float32)
    labels = rng.normal(size=(5, 4)).astype(np.float32)
    monkeypatch.setattr(search_model, "BLOCK_SCORES", 5 * rows)
    search = tf.function(search_model.top_k_in_blocks)
    for k in (tf.constant(1), tf.constant(5)):
        found, expected = search(queries, labels, k), top_k(queries, labels, k)
        np.testing.assert_array_equal(found[1], expected[1])
        np.testing.assert_allclose(found[0], expected[0], rtol=1e-5)


def files_below(folder):
    return {
        str(file.relative_to(folder)): file.read_bytes()
        for file in folder.rglob("*")
        if file.is_file()
    }


def test_exporting_again_replaces(tmp_path):
    export_small(tmp_path / "m", index="exact")
    (tmp_path / "m" / "stray").write_text("of the first export")
    export_small(tmp_path / "m", names=LABELS[:2], counts=[1, 1])
    model, description = load_saved_model(tmp_path / "m")
    assert description["num_labels"] == 2
    assert model.search(["tea"], 9)["ids"].shape == (1, 2)
    assert [file.name for file in tmp_path.iterdir()] == ["m"]
    assert not (tmp_path / "m" / "stray").exists()


@pytest.mark.parametrize("failing", ["save", "describe", "rename"])
def test_a_failed_export_changes_nothing(
    tmp_path, folder, label_vectors, monkeypatch, failing
):
    shutil.copytree(folder, tmp_path / "m")
    before = files_below(tmp_path)
    assert before, "would compare nothing"

    def fail(*args, **kwargs):
        if failing == "save":
            pathlib.Path(args[1], "half.pb").write_text("half")
        raise OSError("disk full")

    if failing == "save":
        monkeypatch.setattr(tf.saved_model, "save", fail)
    elif failing == "describe":
        monkeypatch.setattr(pathlib.Path, "write_text", fail)
    else:
        monkeypatch.setattr(tfxc.serving.export, "replace_folder", fail)
    with pytest.raises(OSError, match="disk full"):
        export_small(tmp_path / "m")
    monkeypatch.undo()
    assert files_below(tmp_path) == before


def test_scann_that_is_missing(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "scann", None)
    names = [f"wine {i}" for i in range(20)]
    with pytest.raises(InputError, match=r"--index exact.*Received: "):
        export_small(tmp_path / "m", names, np.ones(20, int), index="scann")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "change",
    [
        {"search": FusedSearch(np.zeros((2, 3)))},
        {"search": FusedSearch(np.zeros(6))},
        {"search": FusedSearch(np.full((6, 8), np.nan))},
        {"label_names": Texts.from_strings(["a"])},
        {"label_counts": [1, 2]},
        {"index": "faiss"},
    ],
)
def test_bad_arguments(tmp_path, change):
    arguments = {
        "encoder": WordEncoder(),
        "tokenizer": WordTokenizer(),
        "search": FusedSearch(np.ones((6, 8))),
        "label_names": Texts.from_strings(LABELS),
        "label_counts": COUNTS,
    }
    with pytest.raises(ValueError, match="Received: "):
        export_saved_model(tmp_path / "m", **{**arguments, **change})
    assert not list(tmp_path.iterdir())
