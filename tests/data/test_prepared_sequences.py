"""Invariants of data prepared for a pretrained transformer:

- rows are what the tokenizer makes of each text, with lengths of their own
  for queries and labels;
- a second call maps the same arrays and tokenises nothing, unless data,
  lengths or vocabulary differ; a damaged entry of the cache is made anew;
- how many texts were cut is told each time; what is no text is refused.
"""

import dataclasses

import numpy as np
import pytest
from tiny_transformer import TEXTS

import tfxc
from tfxc.data import (
    Dataset,
    LabelLists,
    SequenceTokenizer,
    SparseFeatures,
    Split,
    Texts,
    prepare_sequences,
)
from tfxc.encoders.pretrained import import_keras_hub

keras_hub = import_keras_hub()

LABELS = ["tea", "red wine", "white bread"]


def split_of(queries):
    rows = np.arange(len(queries))
    relevant = LabelLists.from_pairs(rows, rows % 3, len(rows), 3)
    none = LabelLists.from_pairs([], [], len(rows), 3)
    return Split(queries, relevant, none)


def dataset(test=("red tea",)):
    labels = Texts.from_strings(LABELS)
    return Dataset(
        split_of(Texts.from_strings(TEXTS)),
        split_of(Texts.from_strings(test)),
        labels,
        labels,
    )


@pytest.fixture(scope="module")
def tokenizer(tiny_transformers):
    return tiny_transformers["bert"][-1]


def entries(folder):
    return {file.name for file in folder.iterdir()}


def prepared(cache, tokenizer, data=None, key="k", length=12, label_length=4):
    return prepare_sequences(
        data or dataset(), key, tokenizer, length, label_length, cache
    )


def test_equals_each_text_alone(tmp_path, tokenizer):
    found = prepared(tmp_path, tokenizer)
    for rows, texts, length in (
        (found.train, TEXTS, 12),
        (found.test, ["red tea"], 12),
        (found.labels, LABELS, 4),
    ):
        alone = SequenceTokenizer(tokenizer, length)
        assert len(rows) == len(texts)
        for row, text in enumerate(texts):
            expected = alone([text])["token_ids"][0].numpy()
            ids = rows.take(np.array([row]))["token_ids"][0]
            np.testing.assert_array_equal(ids[: len(expected)], expected)
            assert not ids[len(expected) :].any()
    assert isinstance(found.train.ids, np.memmap)
    assert found.key == "k"
    assert (found.tokenizer.length, found.label_tokenizer.length) == (12, 4)


def test_a_second_call_tokenises_nothing(tmp_path, tokenizer, monkeypatch):
    first = prepared(tmp_path, tokenizer)
    assert len(entries(tmp_path)) == 1
    monkeypatch.setattr(SequenceTokenizer, "sequences", None)
    second = prepared(tmp_path, tokenizer)
    np.testing.assert_array_equal(second.train.ids, first.train.ids)
    with pytest.raises(TypeError):
        prepared(tmp_path, tokenizer, key="other")


def test_what_an_entry_depends_on(tmp_path, tokenizer, monkeypatch):
    arrays = {
        part: np.zeros((1, 4), np.int32) for part in ("train", "test", "labels")
    }
    monkeypatch.setitem(
        prepare_sequences.__globals__,
        "sequence_arrays",
        lambda *_: (arrays, {}),
    )
    words = tokenizer.get_vocabulary()
    swapped = [*words[:-2], words[-1], words[-2]]
    assert sorted(swapped) == sorted(words) != swapped
    make = keras_hub.models.BertTokenizer
    for number, options in enumerate(
        [
            {},
            {"key": "other"},
            {"length": 11},
            {"label_length": 5},
            {"tokenizer": make(swapped, lowercase=True, strip_accents=True)},
            {"tokenizer": make(words, lowercase=True, strip_accents=False)},
            {"tokenizer": make(words, lowercase=False)},
        ],
        start=1,
    ):
        for _ in range(2):
            prepared(tmp_path, **{"tokenizer": tokenizer, **options})
            assert len(entries(tmp_path)) == number, options


def test_a_damaged_entry_is_made_anew(tmp_path, tokenizer):
    expected = np.array(prepared(tmp_path, tokenizer).train.ids)
    for file in tmp_path.rglob("*"):
        if file.is_file():
            file.write_bytes(file.read_bytes()[:50])
    found = prepared(tmp_path, tokenizer)
    np.testing.assert_array_equal(found.train.ids, expected)


def test_cut_texts_are_told_each_time(tmp_path, tokenizer, capsys):
    for _ in range(2):
        prepared(tmp_path, tokenizer, length=6, label_length=3)
        assert capsys.readouterr().out.splitlines() == [
            "3 of the train texts were cut: too many tokens",
            "2 of the labels texts were cut: too many tokens",
        ]
    prepared(tmp_path, tokenizer, length=40)
    assert not capsys.readouterr().out


def test_no_test_texts(tmp_path, tokenizer):
    found = prepared(tmp_path, tokenizer, dataset(test=()))
    assert len(found.test) == 0
    assert found.test.take(np.array([], int), 2)["token_ids"].shape == (2, 1)


def test_what_is_no_text(tmp_path, tokenizer):
    features = SparseFeatures(
        np.zeros(1, np.int32), np.ones(1, np.float32), np.array([0, 1]), 5
    )
    for data in (
        dataclasses.replace(dataset(), labels=None),
        dataclasses.replace(dataset(), labels=features),
        dataclasses.replace(dataset(), train=split_of(features)),
    ):
        with pytest.raises(
            tfxc.InputError, match=r"expected texts.*Received: "
        ):
            prepared(tmp_path, tokenizer, data)
    assert not entries(tmp_path)
