"""Invariants of the tokenizer of pretrained transformers:

- between start and end stand the tokens of the `tokenizers` package, accents
  stripped where the model wants it, cut to fit; cut texts are counted;
- texts that read like special tokens, and odd ones, are texts like others;
- all texts at once, in chunks, give what each alone gives, in any process:
  the eager call runs the graph that is exported;
- no texts are no error, and still have a first column.
"""

import json

import numpy as np
import pytest
import tensorflow as tf
import tokenizers
from tiny_transformer import KINDS, TEXTS, write_folder

from tfxc.data import SequenceTokenizer, Texts
from tfxc.data.tokens import bag_tokenizer
from tfxc.encoders import load_pretrained

ODD = [
    "tea " * 45,
    " ",
    "red  wine\n",
    "wine" * 60,
    "☃ 東京",
    "redwine",
    "RED\tÉÀ",
]
SPECIAL = {
    "bert": ["[PAD] red [SEP]", "[CLS]"],
    "distilbert": ["[PAD] red [SEP]", "[MASK]"],
    "roberta": ["<pad> red </s> wine", "<s>"],
}


@pytest.fixture(scope="module")
def hubs(tiny_transformers):
    """KerasHub's tokenizers."""
    return {kind: tiny_transformers[kind][-1] for kind in KINDS}


def reference(folder, kind):
    """The same tokenizer by another package: from a text to ids."""
    if kind == "roberta":
        files = [str(folder / name) for name in ("vocab.json", "merges.txt")]
        other = tokenizers.ByteLevelBPETokenizer(*files)
        ends = [0, 2]
    else:
        words = str(folder / "vocab.txt")
        other = tokenizers.BertWordPieceTokenizer(words, lowercase=True)
        ends = [2, 3]

    def ids(text, length):
        tokens = other.encode(text, add_special_tokens=False).ids
        return [ends[0], *tokens[: length - 2], ends[1]]

    return ids


def listed(tokenizer, texts):
    """Token ids of each text without padding."""
    ids = tokenizer(texts)["token_ids"].numpy()
    pad = tokenizer.pad_id
    return [row[: len(row) - count_of(pad, row)].tolist() for row in ids]


def count_of(pad, row):
    """How many at the end of a row are padding."""
    return int(np.argmax(row[::-1] != pad))


@pytest.mark.parametrize("length", [3, 7, 64])
@pytest.mark.parametrize("kind", KINDS)
def test_equals_another_package(tiny_transformers, hubs, kind, length):
    slow = reference(tiny_transformers[kind][0], kind)
    texts = TEXTS + ODD
    expected = [slow(text, length) for text in texts]
    longest = max(map(len, expected))
    assert longest >= min(length, 40), "would cut nothing"
    assert expected[5] == expected[5][:1] + expected[5][-1:], "an empty text"
    found = SequenceTokenizer(hubs[kind], length)(texts)["token_ids"]
    assert found.dtype == tf.int32 and found.shape == (len(texts), longest)
    assert listed(SequenceTokenizer(hubs[kind], length), texts) == expected


def test_accents_are_stripped_as_the_model_wants(tmp_path, hubs):
    tokenizer = SequenceTokenizer(hubs["bert"], 30)
    accented, plain = listed(tokenizer, ["Crème brûlée", "creme brulee"])
    assert accented == plain and 1 not in plain
    write_folder(tmp_path / "m", "bert")
    settings = {"do_lower_case": True, "strip_accents": False}
    (tmp_path / "m" / "tokenizer_config.json").write_text(json.dumps(settings))
    keeps = SequenceTokenizer(load_pretrained(tmp_path / "m")[1], 30)
    assert listed(keeps, ["Crème brûlée"]) == [[2, 1, 1, 3]]


@pytest.mark.parametrize("kind", KINDS)
def test_texts_that_read_like_special_tokens(hubs, kind):
    tokenizer = SequenceTokenizer(hubs[kind], 30)
    texts = Texts.from_strings(SPECIAL[kind] + ["red"])
    sequences = tokenizer.sequences(texts)
    for row in range(len(texts)):
        alone = tokenizer([texts[row]])["token_ids"].numpy()[0]
        taken = sequences.take(np.array([row]))["token_ids"][0]
        np.testing.assert_array_equal(taken[: len(alone)], alone)
        assert (taken[len(alone) :] == tokenizer.pad_id).all()
        assert alone[-1] == hubs[kind].end_token_id


@pytest.mark.parametrize("kind", KINDS)
def test_all_texts_equal_each_alone(monkeypatch, hubs, kind):
    monkeypatch.setattr(bag_tokenizer, "CHUNK", 4)
    texts = [*TEXTS, *ODD, *TEXTS[:3]]
    tokenizer = SequenceTokenizer(hubs[kind], 12)
    sequences = tokenizer.sequences(Texts.from_strings(texts))
    assert len(sequences) == 16 and sequences.ids.dtype == np.int32
    assert sequences.pad_id == tokenizer.pad_id == hubs[kind].pad_token_id
    for text, row in zip(texts, sequences.ids, strict=True):
        [alone] = listed(tokenizer, [text])
        assert row.tolist() == alone + [sequences.pad_id] * (12 - len(alone))


def test_cut_texts_are_counted(hubs):
    tokenizer = SequenceTokenizer(hubs["bert"], 5)
    texts = ["red wine tea", "red wine tea with", "x" * 9, ""]
    sequences = tokenizer.sequences(Texts.from_strings(texts))
    assert tokenizer.num_cut == 2
    assert sequences.ids.shape == (4, 5)
    tokenizer.sequences(Texts.from_strings(texts[:1]))
    assert tokenizer.num_cut == 0, "of the last call"


def test_no_longer_than_the_longest(hubs):
    tokenizer = SequenceTokenizer(hubs["bert"], 30)
    assert tokenizer.sequences(Texts.from_strings(["red"])).ids.shape == (1, 3)
    assert tokenizer.sequences(Texts.from_strings([])).ids.shape == (0, 1)


@pytest.mark.parametrize("kind", KINDS)
def test_no_texts(hubs, kind):
    none = tf.constant([], tf.string)
    ids = SequenceTokenizer(hubs[kind], 9)(none)["token_ids"]
    assert ids.shape == (0, 2) and ids.dtype == tf.int32


def test_lengths(hubs):
    tokenizer = SequenceTokenizer(hubs["bert"], 30)
    short = tokenizer.with_length(4)
    assert listed(short, [TEXTS[2]])[0][:3] == listed(tokenizer, TEXTS)[2][:3]
    assert len(listed(short, [TEXTS[2]])[0]) == 4
    assert len(tokenizer) == len(short) == 93
    with pytest.raises(ValueError, match="Received: length=2"):
        tokenizer.with_length(2)
