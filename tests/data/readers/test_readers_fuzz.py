"""Invariants of all readers together:

- an arbitrary small data set, in any layout, gzipped or not, with any line ends
  and a mark or none, read in blocks of any size, is what the slow reader reads;
- whatever bytes of a valid data set change, the result is an `InputError` that
  names a file of it, or what the slow reader reads: nothing else is raised, and
  no wrong number slips through;
- a data set that was read keeps the promises of its classes.
"""

import json
import pathlib
import tempfile
from unittest import mock

import numpy as np
import pytest
import slow_readers
from hypothesis import given, settings
from hypothesis import strategies as st

from tfxc.data import SparseFeatures, read_dataset
from tfxc.errors import InputError

# The same examples in each run; look for new ones by leaving out the first.
quick = settings(
    derandomize=True, max_examples=60, deadline=None, database=None
)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
# No line end, no tab, and no mark that the start of a file would lose.
fields = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\t\n\r\ufeff"),
    max_size=6,
)
numbers = st.one_of(
    st.floats(width=32, allow_nan=False, allow_infinity=False).map(repr),
    st.integers(-9, 9).map(str),
    st.sampled_from(["1.", ".5", "+2", "1e-3", "2E+2", "1e-60", "007"]),
)
blanks = st.sampled_from([" ", "  ", "\t"])


@st.composite
def pairs_lines(draw, num_rows, num_columns):
    """Lines of `id:value` pairs, ids in any order, at most once each."""
    lines = []
    ids = st.integers(0, num_columns - 1)
    for _ in range(num_rows):
        row = (
            draw(st.lists(ids, unique=True, max_size=4)) if num_columns else []
        )
        pairs = [f"{id_}:{draw(numbers)}" for id_ in row]
        lines.append(
            draw(blanks).join(pairs) + draw(st.sampled_from(["", " "]))
        )
    return lines


@st.composite
def label_rows(draw, num_rows, num_labels):
    """Label ids of each row, with repeats; the first row has one."""
    ids = st.lists(st.integers(0, num_labels - 1), max_size=4)
    rows = [draw(ids) for _ in range(num_rows)]
    return [rows[0] or [0], *rows[1:]] if rows else rows


@st.composite
def filter_files(draw, sizes, num_labels):
    files = {}
    for name, num_rows in zip(("train", "test"), sizes, strict=True):
        rows = st.integers(0, max(num_rows - 1, 0))
        pairs = draw(
            st.lists(
                st.tuples(rows, st.integers(0, num_labels - 1)), max_size=4
            )
        )
        if draw(st.booleans()):
            lines = [f"{row} {label}" for row, label in pairs if num_rows]
            files[f"filter_labels_{name}.txt"] = lines
    return files


@st.composite
def json_files(draw, sizes, num_labels):
    def line(extra):
        value = {"title": draw(texts), **extra}
        content = draw(st.sampled_from(["none", "null", "same", "more", "any"]))
        if content != "none":
            title = value["title"]
            choices = {"null": None, "same": title, "more": title + " x"}
            value["content"] = choices.get(content, draw(texts))
        value["other"] = draw(st.sampled_from([0, None, [{"title": 1}], "\\"]))
        ascii_only = draw(st.booleans())
        return draw(st.sampled_from(["", " "])) + json.dumps(
            value, ensure_ascii=ascii_only
        )

    files = {"lbl.json": [line({"uid": f"l{n}"}) for n in range(num_labels)]}
    for name, num_rows in zip(("trn.json", "tst.json"), sizes, strict=True):
        rows = draw(label_rows(num_rows, num_labels))
        lines = [
            line({"target_ind": row, "uid": n}) for n, row in enumerate(rows)
        ]
        if draw(st.booleans()):
            lines.insert(draw(st.integers(0, len(lines))), draw(blanks))
        if rows:
            files[name] = lines
    return files


@st.composite
def split_files(draw, sizes, num_labels):
    width = draw(st.integers(1, 7))
    files = {}
    for name, num_rows in zip(("trn", "tst"), sizes, strict=True):
        if not num_rows:
            continue
        lines = draw(pairs_lines(num_rows, width))
        files[f"{name}_X_Xf.txt"] = [f"{num_rows} {width}", *lines]
        rows = draw(label_rows(num_rows, num_labels))
        lines = [" ".join(f"{id_}:1.0" for id_ in row) for row in rows]
        files[f"{name}_X_Y.txt"] = [f"{num_rows} {num_labels}", *lines]
    name = draw(st.sampled_from([None, "lbl_X_Xf.txt", "Yf.txt"]))
    if name:
        lines = draw(pairs_lines(num_labels, width))
        files[name] = [f"{num_labels} {width}", *lines]
    return files


@st.composite
def one_file_files(draw, sizes, num_labels):
    width = draw(st.integers(0, 7))
    files = {}
    for name, num_rows in zip(("train", "test"), sizes, strict=True):
        lines = [
            ",".join(map(str, row)) + draw(blanks) + pairs
            for row, pairs in zip(
                draw(label_rows(num_rows, num_labels)),
                draw(pairs_lines(num_rows, width)),
                strict=True,
            )
        ]
        if num_rows:
            header = f"{num_rows} {width} {num_labels}"
            files[f"{name}.txt"] = [header, *lines]
    if draw(st.booleans()):
        files["labels.txt"] = [draw(fields) for _ in range(num_labels)]
    return files


@st.composite
def tsv_files(draw, sizes, num_labels):
    names = draw(
        st.lists(fields.filter(bool), min_size=1, max_size=5, unique=True)
    )
    files = {}
    for name, num_rows in zip(("train.tsv", "test.tsv"), sizes, strict=True):
        rows = draw(label_rows(num_rows, len(names)))
        if rows:
            files[name] = [
                "\t".join([draw(fields), *(names[id_] for id_ in row), ""])
                for row in rows
            ]
    if draw(st.booleans()):
        files["labels.tsv"] = [
            name if draw(st.booleans()) else f"{name}\t{draw(fields)}"
            for name in names[: draw(st.integers(0, 5))]
        ]
    return files


LAYOUTS = {
    "json": json_files,
    "split": split_files,
    "one file": one_file_files,
    "tsv": tsv_files,
}


@st.composite
def data_sets(draw, layout):
    """The files of a data set as bytes, by name."""
    sizes = draw(st.tuples(st.integers(1, 25), st.integers(0, 4)))
    num_labels = draw(st.integers(1, 6))
    files = draw(LAYOUTS[layout](sizes, num_labels))
    if layout != "tsv":
        files |= draw(filter_files(sizes, num_labels))
    end = draw(st.sampled_from(["\n", "\r\n"]))
    encoded = {}
    for name, lines in files.items():
        text = end.join(lines)
        # A last line that is empty needs its end to be a line.
        text += end if lines and (not lines[-1] or draw(st.booleans())) else ""
        mark = draw(st.sampled_from(["", "\ufeff"]))
        suffix = draw(st.sampled_from(["", ".gz"]))
        encoded[name + suffix] = (mark + text).encode()
    return encoded


def read_in_blocks(folder, block_bytes):
    with mock.patch("tfxc.data.readers.text_files.BLOCK_BYTES", block_bytes):
        return read_dataset(folder)


def check_promises(dataset):
    for split in (dataset.train, dataset.test):
        assert len(split.relevant) == len(split.filtered) == len(split)
        for lists in (split.relevant, split.filtered):
            assert lists.num_columns == dataset.num_labels
            check_rows(lists)
    assert dataset.labels is None or len(dataset.labels) == dataset.num_labels
    for part in (dataset.train.queries, dataset.test.queries, dataset.labels):
        if isinstance(part, SparseFeatures):
            assert part.values.dtype == np.float32
            assert np.isfinite(part.values).all()
            check_rows(part)


def check_rows(part):
    assert part.ids.dtype == np.int32 and part.splits.dtype == np.int64
    assert part.splits[0] == 0 and part.splits[-1] == len(part.ids)
    for start, stop in zip(part.splits, part.splits[1:], strict=False):
        row = part.ids[start:stop]
        assert (np.diff(row) > 0).all()
        assert ((row >= 0) & (row < part.num_columns)).all()


@pytest.mark.parametrize("layout", LAYOUTS)
def test_any_data_set_is_what_the_slow_reader_reads(layout):
    seen = set()

    @quick
    @given(files=data_sets(layout), block_bytes=st.integers(1, 300))
    def check(files, block_bytes):
        with tempfile.TemporaryDirectory() as folder:
            slow_readers.write_files(folder, files)
            dataset = read_in_blocks(folder, block_bytes)
            expected = slow_readers.read(pathlib.Path(folder))
        check_promises(dataset)
        assert slow_readers.as_lists(dataset) == expected
        seen.update(name.removesuffix(".gz") for name in files)
        seen.add("entries" if len(dataset.train.relevant.ids) > 3 else "few")
        seen.add("held out" if len(dataset.test) else "no test")

    check()
    assert {"entries", "held out", "no test"} <= seen, "would compare little"
    assert len(seen) >= 6


VALID = {
    "json": {
        "lbl.json": '{"uid": "a", "title": "caf\u00e9"}\n'
        '{"uid": "b", "title": "b", "content": "b \\u00fc"}\n',
        "trn.json": '{"uid": 1, "title": "one", "target_ind": [0, 1]}\n'
        '{"uid": 2, "title": "two", "content": "x", "target_ind": []}\n'
        '{"uid": 3, "title": "\\"{", "z": [{}], "target_ind": [1]}\n',
        "tst.json": '{"title": "four", "target_ind": [0]}\n',
        "filter_labels_train.txt": "0 1\n2 0\n",
    },
    "split": {
        "trn_X_Xf.txt": "3 9\n0:1.5 8:-2e-1\n\n4:0.25\n",
        "trn_X_Y.txt": "3 3\n0:1.0 2:1.0\n1:1\n\n",
        "tst_X_Xf.txt": "1 9\n3:1 4:2\n",
        "tst_X_Y.txt": "1 3\n2:1.0\n",
        "Yf.txt": "3 9\n1:1\n2:1\n3:1\n",
        "filter_labels_test.txt": "0 1\n",
    },
    "one file": {
        "train.txt": "3 9 4\n0,3 1:0.5 2:1\n 3:1 8:2\n2 0:1e1\n",
        "test.txt": "1 9 4\n1 4:1 5:1\n",
        "labels.txt": "a\nb\ncaf\u00e9\nd\n",
    },
    "tsv": {
        "train.tsv": "one\ta\tb\ntwo\n\nthr\u00e9e\tb\n",
        "test.tsv": "four\tc\n",
        "labels.tsv": "a\talpha\nz\tlast\n",
    },
}

# Bytes that mean something in one layout or another come often.
NOTABLE = list(b'\x00\n\r\t ,:-+.{}[]"\\0159eEnaif\x1f\x80\xc3\xef\xff')
edits = st.lists(
    st.tuples(
        st.sampled_from(["replace", "insert", "delete", "cut", "repeat"]),
        st.floats(0, 1, exclude_max=True),
        st.one_of(st.sampled_from(NOTABLE), st.integers(0, 255)),
    ),
    min_size=1,
    max_size=3,
)


def edited(data, changes):
    data = bytearray(data)
    for kind, fraction, byte in changes:
        position = int(fraction * len(data))
        if kind == "replace" and data:
            data[position] = byte
        elif kind == "insert":
            data.insert(position, byte)
        elif kind == "delete":
            del data[position : position + 1]
        elif kind == "cut":
            del data[position:]
        elif kind == "repeat":
            data[position:position] = data[position : position + byte % 16]
    return bytes(data)


@pytest.mark.parametrize("gzipped", [False, True])
@pytest.mark.parametrize("layout", VALID)
def test_any_damage_is_an_input_error_or_harmless(layout, gzipped):
    outcomes = {"read": 0, "refused": 0}
    names = sorted(VALID[layout])

    @quick
    @given(
        name=st.sampled_from(names),
        changes=edits,
        block_bytes=st.sampled_from([5, 1 << 20]),
    )
    def check(name, changes, block_bytes):
        with tempfile.TemporaryDirectory() as folder:
            suffix = ".gz" if gzipped else ""
            files = {n + suffix: data for n, data in VALID[layout].items()}
            slow_readers.write_files(folder, files)
            path = pathlib.Path(folder) / f"{name}{suffix}"
            path.write_bytes(edited(path.read_bytes(), changes))
            try:
                dataset = read_in_blocks(folder, block_bytes)
            except InputError as error:
                outcomes["refused"] += 1
                assert folder in str(error) and "Received: " in str(error)
                return
            outcomes["read"] += 1
            check_promises(dataset)
            expected = slow_readers.read(pathlib.Path(folder))
            assert slow_readers.as_lists(dataset) == expected

    check()
    assert min(outcomes.values()) > 0 or gzipped, f"one-sided: {outcomes}"
