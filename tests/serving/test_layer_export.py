"""Invariants of the SavedModel that ranks by an output layer:

- it finds what the search finds, for any number of texts and k, also in a
  process without tfxc and Keras, and evaluation restores the same;
- its label vectors are the texts', whatever the layer knows of labels.
"""

import json
import pathlib
import subprocess
import sys

import numpy as np
import pytest
from small_model import METADATA, WordEncoder, WordTokenizer

from tfxc.data import Texts
from tfxc.layers import AdaptiveSoftmax, CorrectedClassifier, LabelClassifier
from tfxc.negatives import LabelTreeSampler
from tfxc.search import LayerSearch
from tfxc.serving import export_saved_model, load_saved_model
from tfxc.serving.fused_find import restored_search

LABELS, DIM = 40, 8
TEXTS = ["red", "white wine", "meat red bread", "", "unknown", "tea butter"]
ALONE = pathlib.Path(__file__).with_name("serve_alone.py")


def layer_of(kind, rng):
    if kind == "adaptive":
        layer = AdaptiveSoftmax(LABELS, [9, 20], shrink=2.0)
        layer.build((None, DIM))
        for weight in layer.trainable_variables:
            weight.assign(4 * weight)
        return layer
    labels = rng.integers(0, LABELS, 500)
    x = rng.normal(size=(LABELS, DIM))[labels] + rng.normal(size=(500, DIM))
    tree = LabelTreeSampler(LABELS, DIM).fit(x.astype(np.float32), labels)
    classifier = LabelClassifier(LABELS, DIM, cosine=False, bias=True)
    shortlist = 20 if kind == "shortlist" else 0
    return CorrectedClassifier(classifier, tree, shortlist)


def export(folder, search):
    export_saved_model(
        folder,
        WordEncoder(),
        WordTokenizer(),
        search,
        Texts.from_strings(f"label {i}" for i in range(LABELS)),
        [1] * LABELS,
        metadata=METADATA,
    )
    return load_saved_model(folder)


def joined(blocks):
    _, scores, ids = zip(*blocks, strict=True)
    return np.concatenate(scores), np.concatenate(ids)


@pytest.mark.parametrize("kind", ["adaptive", "corrected", "shortlist"])
def test_finds_what_the_search_finds(tmp_path, rng, kind):
    vectors = rng.normal(size=(LABELS, DIM)).astype(np.float32)
    search = LayerSearch(layer_of(kind, rng), vectors)
    model, description = export(tmp_path / "m", search)
    np.testing.assert_array_equal(model.label_vectors, vectors)
    assert description["fusion"] is None and description["index"] == "exact"
    queries = model.embed_query(TEXTS)["vectors"].numpy()
    for k in (1, 5, LABELS):
        scores, ids = joined(search.top_k(queries, k))
        found = model.search(TEXTS * 4, k)
        np.testing.assert_allclose(found["scores"][:6], scores, atol=1e-5)
        np.testing.assert_array_equal(found["ids"][-6:], ids)
        restored = restored_search(model, None)
        _, again = joined(restored.top_k(queries, k))
        np.testing.assert_array_equal(again, ids)
    assert len(np.unique(ids[:, 0])) > 2, "would find nothing in particular"
    assert model.search([], 3)["ids"].shape == (0, 3)

    refused = ["tfxc", "keras", "scann"]
    done = subprocess.run(
        [
            *(sys.executable, "-I", ALONE, tmp_path / "m"),
            *(json.dumps(TEXTS), "5", "tensorflow", *refused),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    served = json.loads(done.stdout)["search"]
    scores, ids = joined(search.top_k(queries, 5))
    np.testing.assert_array_equal(served["ids"], ids)
    np.testing.assert_allclose(served["scores"], scores, atol=1e-5)
