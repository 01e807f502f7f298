"""Invariants of the SavedModel of a pretrained transformer:

- strings give the vectors that its tokenizer and encoder give, for queries
  and labels, whatever else is in the batch; no texts are no error;
- it answers where neither tfxc nor KerasHub can be imported, but TensorFlow
  Text can; `load_saved_model` imports that, or says how to get it.
"""

import json
import pathlib
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from tiny_transformer import TEXTS

from tfxc.data import SequenceTokenizer, Texts
from tfxc.encoders import TransformerEncoder
from tfxc.errors import InputError
from tfxc.search import FusedSearch
from tfxc.serving import export_saved_model, load_saved_model

LABELS = ["tea", "Red wine", "white bread with tea", "?"]
ALONE = pathlib.Path(__file__).with_name("serve_alone.py")


def export(folder, encoder, hub):
    """Exports; returns the tokenizers of queries and labels."""
    queries = SequenceTokenizer(hub, 12)
    labels = queries.with_length(4)
    export_saved_model(
        folder,
        encoder,
        queries,
        FusedSearch(encoder(labels(LABELS)).numpy()),
        Texts.from_strings(LABELS),
        [1] * len(LABELS),
        label_tokenizer=labels,
    )
    return queries, labels


@pytest.fixture(
    scope="module",
    params=["bert", pytest.param("roberta", marks=pytest.mark.slow)],
)
def exported(request, tiny_transformers, tmp_path_factory):
    """`(folder, encoder, tokenizer, label tokenizer)`."""
    _, _, encoder, hub = tiny_transformers[request.param]
    if request.param == "bert":
        encoder = TransformerEncoder(encoder.backbone, "cls", exact_gelu=True)
    folder = tmp_path_factory.mktemp("exported") / "m"
    return folder, encoder, *export(folder, encoder, hub)


def test_strings_give_the_same_vectors(exported):
    folder, encoder, queries, labels = exported
    model, description = load_saved_model(folder)
    assert description["packages"] == ["tensorflow_text"]
    for embed, tokenizer in (
        (model.embed_query, queries),
        (model.embed_label, labels),
    ):
        expected = encoder(tokenizer(TEXTS)).numpy()
        assert np.abs(expected[:3] - expected[1:4]).max(axis=1).min() > 0.01
        vectors = embed(TEXTS)["vectors"]
        np.testing.assert_allclose(vectors, expected, atol=1e-6)
        alone = [embed([text])["vectors"][0] for text in TEXTS]
        np.testing.assert_allclose(alone, expected, atol=1e-6)
    scores = encoder(queries(TEXTS)).numpy() @ encoder(labels(LABELS)).numpy().T
    found = model.search(TEXTS, 2)
    np.testing.assert_array_equal(
        found["ids"], np.argsort(-scores, axis=1)[:, :2]
    )
    assert model.search(["?"], 1)["names"].numpy() == [[b"?"]]
    none = tf.constant([], tf.string)
    assert model.embed_query(none)["vectors"].shape == (0, 12)
    assert model.search(none, 2)["ids"].shape == (0, 2)


@pytest.mark.slow
def test_serves_alone(exported):
    folder, encoder, queries, labels = exported
    refused = ["tfxc", "keras_hub", "tokenizers", "scann"]
    arguments = [folder, json.dumps(TEXTS), "3", "tensorflow_text", *refused]
    done = subprocess.run(
        [sys.executable, "-I", ALONE, *arguments],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    answers = json.loads(done.stdout)
    for name, tokenizer in (("query", queries), ("label", labels)):
        expected = encoder(tokenizer(TEXTS))
        np.testing.assert_allclose(answers[name], expected, atol=1e-6)
    assert answers["empty"] == [[0, 2]] * 3


@pytest.mark.slow
@pytest.mark.parametrize("exported", ["bert"], indirect=True)
def test_loading_imports_what_the_graph_needs(exported):
    program = (
        "import sys; from tfxc.saved_model import load_saved_model as load\n"
        f"model, _ = load({str(exported[0])!r})\n"
        "print(model.search(['?'], 1)['names'].numpy().tolist())\n"
        "assert 'keras_hub' not in sys.modules"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "[[b'?']]\n"


def test_tensorflow_text_is_missing(exported, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow_text", None)
    message = r"tensorflow_text; pip install 'tfxc\[text\]'. Received: "
    with pytest.raises(InputError, match=message):
        load_saved_model(exported[0])
