"""Invariants of the reader of raw text:

- texts are made of title and content as documented, for queries and labels;
- every malformed file is an `InputError` that names the file and the line,
  whether the block that holds it is the first or a later one;
- names are unique, and a repeated one is reported with both lines;
- what Arrow would crash on, or read as something else, is refused.
"""

import json

import pytest
import slow_readers

from tfxc.data import read_json_labels, read_json_lines
from tfxc.data.readers import text_files
from tfxc.errors import InputError

LABELS = '{"uid": "a", "title": "A"}\n{"uid": "b", "title": "B"}\n'
QUERY = '{"uid": "q", "title": "query", "target_ind": [0]}\n'


def write(tmp_path, queries=QUERY, labels=LABELS, **more):
    files = {"trn.json": queries, "lbl.json": labels, **more}
    return slow_readers.write_files(tmp_path, files)


TEXTS = {
    "no content": ({"title": "a b"}, "a b", "a b"),
    "null": ({"title": "a", "content": None}, "a", "a"),
    "empty": ({"title": "a", "content": ""}, "a", "a"),
    "the title": ({"title": "a", "content": "a"}, "a", "a"),
    "more": ({"title": "a", "content": "x y"}, "a x y", "a x y"),
    "title first": ({"title": "a", "content": "a, b"}, "a a, b", "a, b"),
    "part of the title": ({"title": "ab", "content": "a"}, "ab a", "ab a"),
    "empty title": ({"title": "", "content": "x"}, " x", "x"),
    "both empty": ({"title": "", "content": ""}, "", ""),
    "other letters": ({"title": "\u00e9", "content": "\u00e8"},)
    + ("\u00e9 \u00e8",) * 2,
    "escapes": ({"title": '"\\\n\t\0', "content": "\U0001f600"},)
    + ('"\\\n\t\0 \U0001f600',) * 2,
}


@pytest.mark.parametrize("ascii_only", [False, True])
@pytest.mark.parametrize("value, query, label", TEXTS.values(), ids=TEXTS)
def test_texts(tmp_path, value, query, label, ascii_only):
    line = json.dumps(value, ensure_ascii=ascii_only) + "\n"
    tagged = json.dumps({**value, "target_ind": [1]}, ensure_ascii=ascii_only)
    dataset = read_json_lines(write(tmp_path, tagged, line + LABELS))
    assert dataset.train.queries[0] == query
    assert dataset.labels[0] == label
    assert dataset.label_names[0] == value["title"]


def test_rows_without_labels_are_kept_and_repeats_merged(tmp_path):
    lines = (
        '{"title": "x", "target_ind": []}\n'
        '{"title": "y", "target_ind": [1, 0, 1]}'
    )
    train = read_json_lines(write(tmp_path, lines)).train
    assert train.relevant[0].tolist() == []
    assert train.relevant[1].tolist() == [0, 1]


def test_a_test_split_is_optional(tmp_path):
    dataset = read_json_lines(write(tmp_path / "without"))
    assert len(dataset.test) == 0 and dataset.test.relevant.num_columns == 2
    dataset = read_json_lines(
        write(tmp_path / "with", **{"tst.json.gz": QUERY})
    )
    assert dataset.test.queries[0] == "query"


def test_filters(tmp_path):
    filters = {"filter_labels_train.txt": "0 1\n"}
    dataset = read_json_lines(write(tmp_path, **filters))
    assert dataset.train.filtered[0].tolist() == [1]


@pytest.mark.parametrize("uids", [[5, 6], ["5", None], [None, 6], [None, None]])
def test_uids_are_strings_or_integers_or_left_out(tmp_path, uids):
    lines = [json.dumps({"title": "x", "uid": uid}) for uid in uids]
    if uids == [None, 6]:
        with pytest.raises(
            InputError, match=r"line 2: .*a string.*Received: 6"
        ):
            read_json_labels(
                write(tmp_path, labels="\n".join(lines)) / "lbl.json"
            )
    else:
        texts, _ = read_json_labels(
            write(tmp_path, labels="\n".join(lines)) / "lbl.json"
        )
        assert len(texts) == 2


BAD_QUERIES = {
    "not JSON": ("{title: 1}", "expected one JSON object"),
    "cut": ('{"title": "x", "target_ind": [0', "expected one JSON object"),
    "leading null": ("null", "expected one JSON object"),
    "number": ("5", "expected one JSON object"),
    "list": ('[{"title": "x"}]', "expected one JSON object"),
    "two on a line": (
        f"{QUERY.strip()} {QUERY.strip()}",
        "expected one JSON object",
    ),
    "something between": (
        f"{QUERY.strip()} null {QUERY.strip()}",
        "one JSON object",
    ),
    "comma behind": (QUERY.strip() + ",", "expected one JSON object"),
    "raw control": (
        '{"title": "a\tb", "target_ind": []}',
        "expected one JSON object",
    ),
    "half a pair": (
        '{"title": "\\ud800", "target_ind": []}',
        '"title" to be a string',
    ),
    "second half": (
        '{"title": "\\udc00", "target_ind": []}',
        '"title" to be a string',
    ),
    "key twice": (
        '{"title": "a", "title": "b", "target_ind": []}',
        "a key is repeated",
    ),
    "no title": (
        '{"target_ind": [0]}',
        '"title" to be a string. Received: no such',
    ),
    "null title": (
        '{"title": null, "target_ind": [0]}',
        '"title" .*Received: None',
    ),
    "number title": (
        '{"title": 3, "target_ind": [0]}',
        '"title" .*Received: 3',
    ),
    "number content": (
        '{"title": "x", "content": 3, "target_ind": []}',
        '"content" to be a string. Received: 3',
    ),
    "no labels": ('{"title": "x"}', '"target_ind" .*Received: no such key'),
    "null labels": (
        '{"title": "x", "target_ind": null}',
        '"target_ind" .*: None',
    ),
    "one label": (
        '{"title": "x", "target_ind": 1}',
        '"target_ind" .*Received: 1',
    ),
    "null label": (
        '{"title": "x", "target_ind": [null, 1]}',
        "integers. .*: None",
    ),
    "fraction": (
        '{"title": "x", "target_ind": [1.0]}',
        "integers. Received: 1.0",
    ),
    "exponent": (
        '{"title": "x", "target_ind": [1e0]}',
        "integers. Received: 1.0",
    ),
    "word": ('{"title": "x", "target_ind": ["1"]}', "integers. Received: '1'"),
    "boolean": (
        '{"title": "x", "target_ind": [true]}',
        "integers. Received: True",
    ),
    "nested": (
        '{"title": "x", "target_ind": [[1]]}',
        r"integers. Received: \[1\]",
    ),
    "out of range": (
        '{"title": "x", "target_ind": [2]}',
        r"\[0, 2\). Received: 2",
    ),
    "negative": (
        '{"title": "x", "target_ind": [-1]}',
        r"\[0, 2\). Received: -1",
    ),
    "huge": (
        '{"title": "x", "target_ind": [%s]}' % ("9" * 30),
        "Received: 999",
    ),
    "very huge": (
        '{"title": "x", "target_ind": [%s]}' % ("9" * 5000),
        "JSON object",
    ),
    "number uid": (
        '{"uid": 3, "title": "x", "target_ind": []}',
        '"uid" to be a str',
    ),
}


@pytest.mark.parametrize("block_bytes", [4, 1 << 24])
@pytest.mark.parametrize("line, message", BAD_QUERIES.values(), ids=BAD_QUERIES)
def test_bad_query(tmp_path, monkeypatch, line, message, block_bytes):
    monkeypatch.setattr(text_files, "BLOCK_BYTES", block_bytes)
    folder = write(tmp_path, f"{QUERY}\n{line}\n" + QUERY.replace("q", "r"))
    with pytest.raises(InputError, match=message) as caught:
        read_json_lines(folder)
    assert str(caught.value).startswith(f"{folder / 'trn.json'}, line 3: ")
    assert "Received: " in str(caught.value)


@pytest.mark.parametrize(
    "line", ["null", "5", "[]", '"x"', "{", "}", "x", "{}x{}"]
)
def test_bad_first_line(tmp_path, line):
    folder = write(tmp_path, labels=f"\n{line}\n{LABELS}")
    with pytest.raises(InputError, match=r"lbl.json, line 2: .*Received: "):
        read_json_lines(folder)


def test_objects_that_do_not_keep_to_their_lines(tmp_path):
    # As many objects as lines, and each line starts as an object does.
    queries = (
        '{"title": "x", "target_ind": []} {"z":\n'
        '{"y": 1}, "title": "x", "target_ind": []}\n'
    )
    with pytest.raises(InputError, match=r"trn.json, line 1: .*Received: "):
        read_json_lines(write(tmp_path, queries))


@pytest.mark.parametrize("depth", [100, 200_000])
def test_deep_values_are_ignored_or_refused(tmp_path, depth):
    deep = "[" * depth + "]" * depth
    labels = LABELS + f'{{"title": "C", "x": {deep}}}\n'
    assert (
        len(read_json_lines(write(tmp_path / "a", labels=labels)).labels) == 3
    )
    labels = LABELS + f'{{"title": 3, "x": {deep}}}\n'
    with pytest.raises(InputError, match=r"lbl.json, line 3: "):
        read_json_lines(write(tmp_path / "b", labels=labels))


def test_an_integer_uid_must_fit(tmp_path):
    labels = '{"uid": 1, "title": "A"}\n{"uid": 9%s, "title": "B"}\n' % (
        "0" * 20
    )
    with pytest.raises(InputError, match=r"line 2: .*a 64-bit integer, as in"):
        read_json_lines(write(tmp_path, labels=labels))


@pytest.mark.parametrize("block_bytes", [4, 1 << 24])
@pytest.mark.parametrize("name", ["trn.json", "tst.json", "lbl.json"])
def test_a_repeated_uid_is_reported_with_both_lines(
    tmp_path, monkeypatch, name, block_bytes
):
    monkeypatch.setattr(text_files, "BLOCK_BYTES", block_bytes)
    line = '{"uid": "%s", "title": "x", "target_ind": []}\n'
    lines = "".join(line % uid for uid in "pqrqp").replace("\n", "\n \n", 1)
    folder = write(tmp_path)
    slow_readers.write_files(tmp_path, {name: lines})
    with pytest.raises(InputError) as caught:
        read_json_lines(folder)
    assert str(caught.value) == (
        f"{folder / name}, line 5: expected every uid once, but line 3 has it "
        "too. Received: 'q'"
    )


def test_rows_without_a_uid_are_not_repeats(tmp_path):
    labels = "".join(
        json.dumps({"uid": uid, "title": "x"}) + "\n"
        for uid in ("q", None, None, "q")
    )
    with pytest.raises(InputError, match=r"line 4: .* line 1 has it too"):
        read_json_lines(write(tmp_path, labels=labels))


@pytest.mark.parametrize("data", ["", "\n \n", "\ufeff"])
@pytest.mark.parametrize("name", ["trn.json", "tst.json", "lbl.json"])
def test_an_empty_file(tmp_path, name, data):
    write(tmp_path)
    slow_readers.write_files(tmp_path, {name: data})
    with pytest.raises(InputError, match=f"{name}: .*Received: an empty file"):
        read_json_lines(tmp_path)


def test_missing_files(tmp_path):
    folder = slow_readers.write_files(tmp_path, {"trn.json": QUERY})
    with pytest.raises(
        InputError, match=r"expected a file lbl.json.*: trn.json"
    ):
        read_json_lines(folder)
    (folder / "trn.json").unlink()
    with pytest.raises(
        InputError, match=r"expected a file trn.json or trn.json.gz"
    ):
        read_json_lines(folder)
