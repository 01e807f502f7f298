"""Invariants of the SavedModel that ranks by several scores:

- it finds what `FusedSearch` finds, for any parts, k and number of texts, with
  either index, also in a process without tfxc, and where only the memory names
  a label;
- the search that evaluation restores from it finds the same;
- its graph does not grow with the memory.
"""

import json
import pathlib
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from small_model import METADATA, WORDS, WordEncoder, WordTokenizer

from tfxc.data import LabelLists, Texts
from tfxc.search import FusedSearch, Memory, ScoreTree, fused, memory
from tfxc.serving import export_saved_model, fused_find, load_saved_model
from tfxc.serving.fused_find import restored_search

LABELS = 40
TEXTS = ["red", "white wine", "meat red bread", "", "unknown", "tea butter"]
ALONE = pathlib.Path(__file__).with_name("serve_alone.py")
PARTS = ["memory", "tree", "classifier memory", "popularity"]
PARTS.append("classifier tree memory popularity")


def unit(vectors):
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(
        np.float32
    )


def random_search(rng, parts, monkeypatch, rows=70):
    """A search whose memory has several clusters of unequal size."""
    monkeypatch.setattr(memory, "EXACT", 20)
    monkeypatch.setattr(memory, "CLUSTER_SIZE", 16)
    texts = [" ".join(rng.choice(WORDS, 3)) for _ in range(rows)]
    keys = WordEncoder()(WordTokenizer()(tf.constant(texts))).numpy()
    counts = rng.integers(0, 4, rows)
    lists = LabelLists.from_pairs(
        np.repeat(np.arange(rows), counts),
        rng.integers(0, LABELS, counts.sum()),
        rows,
        LABELS,
    )
    given = {}
    if "classifier" in parts:
        given["classifier"] = unit(rng.normal(size=(LABELS, 8)))
        given["classifier_weight"] = 0.5
    if "memory" in parts:
        given["memory"] = Memory.build(
            keys, lists, neighbours=7, temperature=0.2, probes=2
        )
        given["memory_weight"] = 0.6
    if "popularity" in parts:
        given["popularity"] = rng.random(LABELS).astype(np.float32)
        given["popularity_weight"] = 0.2
    if "tree" in parts:
        features = [rng.normal(size=(80, 9)) for _ in range(3)]
        ids = rng.integers(0, LABELS, (80, 9))
        given["tree"] = ScoreTree.fit(
            features, ids, features[0] > 0.3, rng.random(LABELS)
        )
        given["tree_weight"] = 0.3
    return FusedSearch(unit(rng.normal(size=(LABELS, 8))), **given)


def export(folder, search, index="exact"):
    names = Texts.from_strings(f"label {i}" for i in range(LABELS))
    counts = [1] * LABELS
    export_saved_model(
        folder,
        WordEncoder(),
        WordTokenizer(),
        search,
        names,
        counts,
        index,
        metadata=METADATA,
    )
    return load_saved_model(folder)


def joined(blocks):
    _, scores, ids = zip(*blocks, strict=True)
    return np.concatenate(scores), np.concatenate(ids)


@pytest.mark.parametrize("index", ["exact", "scann"])
@pytest.mark.parametrize("parts", PARTS)
def test_finds_what_the_search_finds(tmp_path, rng, monkeypatch, parts, index):
    search = random_search(rng, parts, monkeypatch)
    model, description = export(tmp_path / "m", search, index)
    assert description["index"] == index
    queries = model.embed_query(TEXTS)["vectors"].numpy()
    restored = restored_search(model, description["fusion"])
    for k in (1, 5, LABELS):
        scores, ids = joined(search.top_k(queries, k))
        found = model.search(TEXTS, k)
        np.testing.assert_allclose(found["scores"], scores, atol=2e-5)
        # Equal scores may differ in the last bit and change places.
        same = found["ids"].numpy() == ids
        assert same.mean() > 0.95
        again, same_ids = joined(restored.top_k(queries, k))
        np.testing.assert_allclose(again, scores, atol=2e-5)
        assert (same_ids == ids).mean() > 0.95
    assert len(np.unique(ids[:, 0])) > 2, "would find nothing in particular"


@pytest.mark.parametrize("parts", ["memory", PARTS[-1]])
def test_labels_that_only_the_memory_names(tmp_path, rng, monkeypatch, parts):
    for part in (fused, fused_find):
        monkeypatch.setattr(part, "SHORTLIST", 3)
    search = random_search(rng, parts, monkeypatch)
    model, _ = export(tmp_path / "m", search)
    queries = model.embed_query(TEXTS)["vectors"].numpy()
    assert not queries[TEXTS.index("unknown")].any(), "would test less"
    scores, ids = joined(search.top_k(queries, 3))
    found = model.search(TEXTS, 3)
    np.testing.assert_allclose(found["scores"], scores, atol=2e-5)
    assert (found["ids"].numpy() == ids).mean() > 0.95
    near = np.argsort(-queries @ search.vectors().T, axis=1)[:, :3]
    named = [len(np.setdiff1d(*pair)) for pair in zip(ids, near, strict=True)]
    assert sum(named) > 3, "the memory named nothing"


@pytest.mark.parametrize("size", [0, 1, 300])
def test_any_number_of_texts(tmp_path, rng, monkeypatch, size):
    search = random_search(rng, "memory", monkeypatch)
    model, _ = export(tmp_path / "m", search)
    found = model.search(["red wine"] * size, 3)
    assert found["ids"].shape == found["names"].shape == (size, 3)
    if size:
        assert len({tuple(row) for row in found["ids"].numpy()}) == 1
    best = model.serving_default(tf.constant(["red wine"]))
    assert best["ids"].shape == (1, 10)


def test_serves_alone(tmp_path, rng, monkeypatch):
    search = random_search(rng, "classifier tree memory", monkeypatch)
    folder = tmp_path / "m"
    model, _ = export(folder, search)
    expected = model.search(TEXTS, 7)
    refused = ["tfxc", "keras", "scann", "sklearn"]
    arguments = [folder, json.dumps(TEXTS), "7", "tensorflow", *refused]
    done = subprocess.run(
        [sys.executable, "-I", ALONE, *arguments],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)["search"]
    np.testing.assert_array_equal(found["ids"], expected["ids"])
    np.testing.assert_allclose(found["scores"], expected["scores"], rtol=1e-5)


def test_the_graph_does_not_grow(tmp_path, rng, monkeypatch):
    sizes = []
    for rows in (70, 2000):
        search = random_search(rng, "memory", monkeypatch, rows)
        export(tmp_path / "m", search)
        sizes.append((tmp_path / "m" / "saved_model.pb").stat().st_size)
    assert abs(sizes[1] - sizes[0]) < 2000
