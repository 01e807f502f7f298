"""Invariants of loading pretrained transformers:

- a folder of Hugging Face is loaded, with its weights, dropout and pooling;
  real weights give the vectors of sentence-transformers;
- the activation is read from the config, of a hub's preset too;
- the name of a folder's content survives a move, and no change of a file;
- whatever is missing or broken is an `InputError` that says what to give.
"""

import json
import pathlib
import shutil
import sys

import numpy as np
import pytest
from tiny_transformer import KINDS, write_folder

from tfxc.data import SequenceTokenizer
from tfxc.encoders import content_of, load_pretrained, pretrained
from tfxc.errors import InputError

keras_hub = pretrained.import_keras_hub()
REFERENCE = pathlib.Path(__file__).with_name("minilm_reference.npz")
LOCAL = "config.json, model.safetensors and the vocabulary"


@pytest.fixture
def folder(tmp_path):
    write_folder(tmp_path / "m", "bert")
    return tmp_path / "m"


@pytest.mark.parametrize("kind", KINDS)
def test_sizes_and_pooling(tiny_transformers, kind):
    folder, _, encoder, tokenizer = tiny_transformers[kind]
    assert (encoder.dim, encoder.max_length) == (12, 40)
    assert encoder.pooling == "mean" and encoder.exact_gelu
    assert encoder.pad_id == tokenizer.pad_token_id == (kind == "roberta")
    assert tokenizer.vocabulary_size() == encoder.backbone.vocabulary_size
    cls, _ = load_pretrained(str(folder), "cls")
    assert cls.pooling == "cls"
    for one, other in zip(encoder.weights, cls.weights, strict=True):
        if "seed" not in one.path:
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("kind", KINDS)
def test_dropout(tiny_transformers, kind):
    folder, _, encoder, _ = tiny_transformers[kind]
    ids = {"token_ids": np.array([[2, 7, 9, 30, 3]])}
    without, _ = load_pretrained(folder, dropout=0.0)
    expected = encoder(ids).numpy()
    assert not np.allclose(encoder(ids, training=True), expected, atol=1e-3)
    np.testing.assert_allclose(without(ids, training=True), expected, atol=1e-6)


def test_a_preset_of_a_hub_has_a_config_too(folder, monkeypatch):
    """The name is no folder here, so `check_folder` can read nothing."""
    from_hub = pretrained.read_json, keras_hub.models.Backbone.from_preset
    vocabulary = keras_hub.models.Tokenizer.from_preset

    monkeypatch.setattr(
        pretrained, "read_json", lambda _, file: from_hub[0](folder, file)
    )
    for part, load in (("Backbone", from_hub[1]), ("Tokenizer", vocabulary)):
        monkeypatch.setattr(
            getattr(keras_hub.models, part),
            "from_preset",
            lambda _, load=load: load(str(folder)),
        )
    encoder, tokenizer = load_pretrained("hf://someone/something")
    assert encoder.exact_gelu and tokenizer.strip_accents


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("config.json", None, "expected config.json.*No such file"),
        ("config.json", "{", "expected config.json.*property name"),
        ("config.json", b"\xff", "expected config.json.*codec"),
        ("config.json", "[]", "expected a preset"),
        ("config.json", "{}", "expected a preset.*Unrecognized format"),
        ("config.json", '{"model_type": "nonsense"}', "no converter.*nonsense"),
        ("model.safetensors", None, "expected weights.*vocab.txt"),
        ("model.safetensors", "short", "expected a preset.*Safetensor"),
        ("vocab.txt", None, "expected a vocabulary.*config.json"),
        ("vocab.txt", "red\n", "expected a preset.*UNK"),
        ("tokenizer_config.json", "{}", "expected a preset.*do_lower_case"),
    ],
)
def test_broken_folders(folder, name, text, message):
    if text is None:
        (folder / name).unlink()
    else:
        data = text if isinstance(text, bytes) else text.encode()
        (folder / name).write_bytes(data)
    with pytest.raises(InputError, match=message) as caught:
        load_pretrained(folder)
    assert "Received: " in str(caught.value)
    assert str(folder) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_other_architectures(folder, monkeypatch):
    class Backbone:
        hidden_dim = 3

    monkeypatch.setattr(
        keras_hub.models.Backbone, "from_preset", lambda _: Backbone()
    )
    with pytest.raises(InputError, match=r"BERT family. Received: Backbone"):
        load_pretrained(folder)


@pytest.mark.parametrize("name", ["/no/such folder", "./none", "../none"])
def test_no_such_folder(name):
    with pytest.raises(InputError, match=f"Received: {name}, which") as caught:
        load_pretrained(name)
    assert LOCAL in str(caught.value)


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "m").write_text("")
    with pytest.raises(InputError, match=r"expected config.json.*Received: "):
        load_pretrained(tmp_path / "m")


@pytest.mark.parametrize(
    "error", [ConnectionError("unreachable\nand more"), RuntimeError()]
)
def test_a_preset_that_cannot_be_reached(monkeypatch, error):
    def refuse(_):
        raise error

    monkeypatch.setattr(keras_hub.models.Backbone, "from_preset", refuse)
    first = str(error).partition("\n")[0]
    message = rf"Received: bert_tiny \({type(error).__name__}: {first}\)"
    with pytest.raises(InputError, match=message) as caught:
        load_pretrained("bert_tiny")
    assert LOCAL in str(caught.value)


def test_an_unknown_preset():
    with pytest.raises(InputError, match="Received: nonsense") as caught:
        load_pretrained("nonsense")
    assert LOCAL in str(caught.value)


def test_keras_hub_is_missing(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "keras_hub", None)
    with pytest.raises(InputError, match=r"pip install 'tfxc\[text\]'.*Receiv"):
        load_pretrained(folder)


def test_config_of_another_name_decides(folder):
    config = json.loads((folder / "config.json").read_text())
    config["activation"] = config.pop("hidden_act")
    (folder / "config.json").write_text(json.dumps(config))
    assert load_pretrained(folder)[0].exact_gelu


def test_name_of_the_content(tmp_path):
    (tmp_path / "a").write_text("x")
    (tmp_path / "b").write_text("y")
    before = content_of(tmp_path)
    assert len(before) == 32 and int(before, 16) >= 0
    moved = shutil.copytree(tmp_path, tmp_path / "copy")
    assert content_of(str(tmp_path)) == content_of(moved) == before
    (moved / "b").rename(moved / "c")
    assert content_of(moved) != before
    (tmp_path / "b").write_text("z")
    assert content_of(tmp_path) not in (before, content_of(moved))
    assert content_of("bert_tiny_en_uncased") == "bert_tiny_en_uncased"


@pytest.mark.slow
def test_real_weights_equal_sentence_transformers(minilm):
    with np.load(REFERENCE, allow_pickle=False) as arrays:
        titles, vectors = arrays["titles"], arrays["vectors"]
    assert vectors.shape == (100, 384) and len(set(titles.tolist())) == 100
    encoder, tokenizer = load_pretrained(minilm)
    tokens = SequenceTokenizer(tokenizer, 64)(titles)
    np.testing.assert_allclose(encoder(tokens), vectors, atol=1e-4)
    similar = vectors @ vectors.T - np.eye(100)
    assert 0.3 < similar.max() < 0.99, "would tell nothing apart"
