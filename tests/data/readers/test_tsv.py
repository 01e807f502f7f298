"""Invariants of the reader of tab-separated text:

- labels are numbered in the order of their names, wherever they occur;
- the rows held out are the ones with the smallest hashes, at most a tenth and
  at most 10,000, equal queries on one side, whatever the order of the file;
- every malformed file is an `InputError` that names the file and the line.
"""

import numpy as np
import pytest
import slow_readers

from tfxc.data import Texts, held_out_rows, read_dataset, read_tsv
from tfxc.data.readers import held_out as held_out_module
from tfxc.data.readers import text_files
from tfxc.data.readers.held_out import hash_texts
from tfxc.errors import InputError

FILES = {
    "train.tsv": "one\tb\ta\tb\n\ntwo\nthree\tb\t\n",
    "test.tsv.gz": "four\tnew\n",
    "labels.tsv": "b\tb, bee\nz\tlast\n\na\n",
}


def test_a_folder(tmp_path):
    dataset = read_tsv(slow_readers.write_files(tmp_path, FILES))
    assert slow_readers.as_lists(dataset) == {
        "train": [("one", [0, 1], []), ("two", [], []), ("three", [1], [])],
        "test": [("four", [2], [])],
        "labels": ["a", "b, bee", "new", "z last"],
        "names": ["a", "b", "new", "z"],
    }
    assert slow_readers.as_lists(dataset) == slow_readers.read(tmp_path)


def test_names_are_sorted_as_python_sorts_them(tmp_path):
    names = ["a", "B", "\u00e9", "ab", "\uffee", "\U0001f600", "_", "10", "9"]
    line = "\t".join(["query", *names])
    slow_readers.write_files(tmp_path, {"train.tsv": line})
    dataset = read_tsv(tmp_path)
    assert slow_readers.rows_of(dataset.label_names) == sorted(names)


@pytest.mark.parametrize("name", ["any.tsv", "any.tsv.gz"])
def test_one_file(tmp_path, name):
    lines = "".join(f"query {n}\tlabel {n % 7}\n" for n in range(300))
    # Neighbours of the one file are none of its business.
    files = {name: lines, "test.tsv": "x\ty\n", "labels.tsv": "x\ty\tz\n"}
    path = slow_readers.write_files(tmp_path, files) / name
    dataset = read_dataset(path)
    assert len(dataset.train) == 270 and len(dataset.test) == 30
    assert slow_readers.as_lists(dataset) == slow_readers.read(path)


def test_hashes_are_the_documented_ones(rng, monkeypatch):
    monkeypatch.setattr(held_out_module, "BLOCK_BYTES", 50)
    strings = ["", "a", "b", "ab", "ba", "\0", "\u00e9" * 40, "x" * 200]
    texts = Texts.from_strings(strings)
    expected = [slow_readers.hash_text(string) for string in strings]
    assert hash_texts(texts).tolist() == expected
    assert len(set(expected)) == len(strings)


def test_hashes_never_change():
    # Another hash would move test queries of data sets in use into training.
    texts = Texts.from_strings(["How to knead?"])
    assert hash_texts(texts).tolist() == [17138539872210875889]


def test_held_out_rows_do_not_depend_on_the_order(rng):
    strings = [f"query {n % 400}" for n in range(1000)]
    held_out = held_out_rows(Texts.from_strings(strings))
    assert 80 <= held_out.sum() <= 100
    chosen = {s for s, h in zip(strings, held_out, strict=True) if h}
    kept = {s for s, h in zip(strings, held_out, strict=True) if not h}
    assert not chosen & kept
    order = rng.permutation(len(strings))
    shuffled = Texts.from_strings([strings[row] for row in order])
    np.testing.assert_array_equal(held_out_rows(shuffled), held_out[order])


def test_held_out_rows_look_random():
    held_out = held_out_rows(
        Texts.from_strings([f"query {n}" for n in range(20_000)])
    )
    assert held_out.sum() == 2000
    by_part = held_out.reshape(20, -1).sum(axis=1)
    assert by_part.min() > 60 and by_part.max() < 140


def test_most_held_out_rows(monkeypatch):
    monkeypatch.setattr(held_out_module, "MOST_ROWS", 7)
    texts = Texts.from_strings([str(n) for n in range(500)])
    assert held_out_rows(texts).sum() == 7


@pytest.mark.parametrize("strings", [[], ["a"] * 9, ["a"] * 50])
def test_nothing_is_held_out_where_nothing_can_be(strings):
    assert held_out_rows(Texts.from_strings(strings)).sum() == 0


BAD_FILES = {
    "empty": ({"train.tsv": ""}, "train.tsv: .*Received: an empty file"),
    "blank": ({"train.tsv": "\n\r\n"}, "train.tsv: .*Received: an empty file"),
    "empty test": (
        {"test.tsv.gz": ""},
        "test.tsv.gz: .*Received: an empty file",
    ),
    "three fields": (
        {"labels.tsv": "a\talpha\nb\tbeta\tb\n"},
        "labels.tsv, line 2: expected `label<TAB>text`. Received: ",
    ),
    "no name": (
        {"labels.tsv": "a\n\talpha\n"},
        "labels.tsv, line 2: .*Received: ",
    ),
    "repeated": (
        {"labels.tsv": "a\talpha\n\nb\na\tagain\n"},
        "labels.tsv, line 4: expected every label once, but line 1 has it too. "
        "Received: 'a'",
    ),
    "not UTF-8": (
        {"train.tsv": b"a\tb\n\xe9\tb\n"},
        "train.tsv, line 2: .*0xe9",
    ),
}


@pytest.mark.parametrize("block_bytes", [3, 1 << 24])
@pytest.mark.parametrize("change, message", BAD_FILES.values(), ids=BAD_FILES)
def test_bad_file(tmp_path, monkeypatch, change, message, block_bytes):
    monkeypatch.setattr(text_files, "BLOCK_BYTES", block_bytes)
    folder = slow_readers.write_files(tmp_path, FILES | change)
    with pytest.raises(InputError, match=message):
        read_tsv(folder)
