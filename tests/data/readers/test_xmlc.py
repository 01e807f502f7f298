"""Invariants of the readers of the XC repository's text files:

- matrices are read as scipy reads the same numbers, at any block size;
- every malformed file is an `InputError` that names the file and the line;
- an empty row, a row without labels and a repeated label are no errors;
- files of a folder that do not fit together are errors.
"""

import numpy as np
import pytest
import slow_readers
from scipy import sparse

from tfxc.data import (
    Texts,
    read_dataset,
    read_filter_labels,
    read_label_lists,
    read_labelled_features,
    read_sparse_features,
    read_xmlc_one_file,
    read_xmlc_split,
)
from tfxc.data.readers import text_files
from tfxc.errors import InputError


def write(tmp_path, data, name="file.txt"):
    return slow_readers.write_files(tmp_path, {name: data}) / name


@pytest.mark.parametrize("block_bytes", [64, 1 << 24])
def test_a_random_matrix_is_read_as_it_was_written(
    tmp_path, rng, monkeypatch, block_bytes
):
    monkeypatch.setattr(text_files, "BLOCK_BYTES", block_bytes)
    matrix = sparse.random_array(
        (300, 40), density=0.1, random_state=rng, dtype=np.float32, format="csr"
    )
    assert matrix.nnz > 1000 and (np.diff(matrix.indptr) == 0).any()
    lines = [
        " ".join(
            f"{id_}:{value!r}"
            for id_, value in zip(
                row.indices.tolist(), row.data.tolist(), strict=True
            )
        )
        for row in matrix
    ]
    path = write(tmp_path, "\n".join(["300 40", *lines, ""]), "m.txt.gz")
    features = read_sparse_features(path)
    np.testing.assert_array_equal(features.ids, matrix.indices)
    np.testing.assert_array_equal(features.values, matrix.data)
    np.testing.assert_array_equal(features.splits, matrix.indptr)
    lists = read_label_lists(path)
    np.testing.assert_array_equal(lists.ids, matrix.indices)
    np.testing.assert_array_equal(lists.splits, matrix.indptr)
    assert lists.num_columns == features.num_columns == 40


def test_rows_are_sorted_and_labels_merged(tmp_path):
    path = write(tmp_path, "2 9\n7:1 2:3 7:1\n\n")
    lists = read_label_lists(path)
    assert [lists[row].tolist() for row in range(2)] == [[2, 7], []]
    path = write(tmp_path, "2 9\n\n7:1.5 2:3\n")
    ids, values = read_sparse_features(path)[1]
    assert ids.tolist() == [2, 7] and values.tolist() == [3, 1.5]
    path = write(tmp_path, "3 9 4\n3,1,3 7:1 2:3\n 1:1\n2\n")
    features, lists = read_labelled_features(path)
    assert [lists[row].tolist() for row in range(3)] == [[1, 3], [], [2]]
    assert features[0][0].tolist() == [2, 7] and not len(features[2][0])


def test_a_matrix_may_have_no_rows_or_no_columns(tmp_path):
    assert len(read_sparse_features(write(tmp_path, "0 5\n"))) == 0
    lists = read_label_lists(write(tmp_path, "2 0\n\n\n"))
    assert len(lists) == 2 and lists.num_columns == 0


BAD_MATRICES = {
    "empty": ("", "file.txt: expected the header `rows columns`"),
    "no header": ("0:1 3:1\n", "line 1: expected the header"),
    "short header": ("3\n", "line 1: expected the header"),
    "negative header": ("-1 5\n", "line 1: expected the header"),
    "long number": ("1 " + "9" * 5000, "line 1: expected the header"),
    "wide": (f"1 {2**31}\n0:1\n", "line 1: expected at most"),
    "too few": ("3 5\n0:1\n1:1\n", "line 4: expected row 3 of the 3"),
    "too few, empty": ("1 5\n", "line 2: expected row 1 of the 1"),
    "too many": ("1 5\n0:1\n1:1\n", "line 3: expected the file to end"),
    "too many, empty": ("1 5\n0:1\n\n", "line 3: expected the file to end"),
    "out of range": (
        "2 5\n0:1\n4:1 5:1\n",
        r"line 3: expected ids in \[0, 5\)",
    ),
    "huge": (
        "1 5\n" + "9" * 5000 + ":1\n",
        r"line 2: expected ids in \[0, 5\)",
    ),
    "negative": ("2 5\n0:1\n-1:1\n", r"line 3: .*Received: -1$"),
    "no value": ("1 5\n3\n", "line 2: expected `id:value`"),
    "empty value": ("1 5\n3:\n", "line 2: expected `id:value`"),
    "empty id": ("1 5\n:3\n", "line 2: expected `id:value`"),
    "two colons": ("1 5\n3:1:2\n", "line 2: expected `id:value`"),
    "hexadecimal": ("1 50\n0x1f:1\n", "line 2: expected `id:value`"),
    "fraction": ("1 5\n1.0:1\n", "line 2: expected `id:value`"),
    "word": ("1 5\n1:one\n", "line 2: expected `id:value`"),
    "underscore": ("1 50\n1_0:1\n", "line 2: expected `id:value`"),
    "comment": ("1 5\n1:1 # one\n", "line 2: expected `id:value`"),
    "qid": ("1 5\nqid:3 1:1\n", "line 2: expected `id:value`"),
    "other digits": ("1 5\n\u0663:1\n", "line 2: expected `id:value`"),
    "nan": ("2 5\n\n1:nan\n", "line 3: expected finite"),
    "infinite": ("1 5\n1:-Infinity\n", "line 2: expected finite"),
    "overflow": ("1 5\n1:1e39\n", "line 2: expected finite"),
}


@pytest.mark.parametrize("block_bytes", [3, 1 << 24])
@pytest.mark.parametrize(
    "data, message", BAD_MATRICES.values(), ids=BAD_MATRICES
)
@pytest.mark.parametrize("read", [read_label_lists, read_sparse_features])
def test_bad_matrix(tmp_path, monkeypatch, read, data, message, block_bytes):
    monkeypatch.setattr(text_files, "BLOCK_BYTES", block_bytes)
    path = write(tmp_path, data)
    with pytest.raises(InputError, match=message) as caught:
        read(path)
    assert str(caught.value).startswith(str(path))
    assert "Received: " in str(caught.value)


def test_a_repeated_feature_is_an_error(tmp_path):
    path = write(tmp_path, "2 9\n3:1\n7:1 2:3 7:1\n")
    with pytest.raises(
        InputError, match=r"line 3: expected each id once.*: 7 again"
    ):
        read_sparse_features(path)


BAD_LABELLED = {
    "short header": (
        "3 5\n",
        "line 1: expected the header `rows features labels`",
    ),
    "too few": ("2 5 4\n1 0:1\n", "line 3: expected row 2"),
    "too many": ("1 5 4\n1 0:1\n2 1:1\n", "line 3: expected the file to end"),
    "no leading space": ("1 5 4\n0:1 2:1\n", "line 2: .*or a space where"),
    "label out of range": (
        "1 5 4\n1,4 0:1\n",
        r"line 2: .*label ids in \[0, 4\)",
    ),
    "negative label": ("1 5 4\n-1 0:1\n", "line 2: .*Received: -1$"),
    "comma at the end": (
        "1 5 4\n1, 0:1\n",
        "line 2: expected labels with commas",
    ),
    "two commas": ("1 5 4\n1,,2 0:1\n", "line 2: expected labels with commas"),
    "only a comma": ("1 5 4\n, 0:1\n", "line 2: expected labels with commas"),
    "named label": ("1 5 4\nred 0:1\n", "line 2: expected labels with commas"),
    "blank in labels": ("1 5 4\n1, 2 0:1\n", "line 2: expected labels with"),
    "feature out of range": (
        "1 5 4\n1 5:1\n",
        r"line 2: expected ids in \[0, 5\)",
    ),
    "repeated feature": ("1 5 4\n1 0:1 0:1\n", "line 2: expected each id once"),
    "nan": ("1 5 4\n1 0:nan\n", "line 2: expected finite"),
}


@pytest.mark.parametrize(
    "data, message", BAD_LABELLED.values(), ids=BAD_LABELLED
)
def test_bad_labelled_features(tmp_path, data, message):
    with pytest.raises(InputError, match=message) as caught:
        read_labelled_features(write(tmp_path, data))
    assert "Received: " in str(caught.value)


def test_filters(tmp_path):
    lists = read_filter_labels(
        write(tmp_path, "2 1\n\n0 3\r\n0  1\n0\t1\n"), 3, 4
    )
    assert [lists[row].tolist() for row in range(3)] == [[1, 3], [], [1]]
    for path in (write(tmp_path, ""), None):
        lists = read_filter_labels(path, 3, 4)
        assert len(lists) == 3 and lists.num_columns == 4 and not len(lists.ids)


BAD_FILTERS = {
    "one number": ("0 1\n2\n", "line 2: expected two integers"),
    "three numbers": ("0 1 2\n", "line 1: expected two integers"),
    "one and three": ("0\n1 2 3\n", "line 1: expected two integers"),
    "fraction": ("0 1.0\n", "line 1: expected two integers"),
    "word": ("0 1\nrow label\n", "line 2: expected two integers"),
    "row out of range": ("0 1\n3 1\n", r"line 2: expected rows in \[0, 3\)"),
    "label out of range": (
        "0 1\n2 4\n",
        r"line 2: expected labels in \[0, 4\)",
    ),
    "negative": ("0 1\n-2 1\n", r"line 2: expected rows in \[0, 3\)"),
    "huge": ("9" * 40 + " 1\n", r"line 1: expected rows in \[0, 3\)"),
}


@pytest.mark.parametrize("data, message", BAD_FILTERS.values(), ids=BAD_FILTERS)
def test_bad_filter(tmp_path, data, message):
    with pytest.raises(InputError, match=message) as caught:
        read_filter_labels(write(tmp_path, data), 3, 4)
    assert "Received: " in str(caught.value)


SPLIT = {
    "trn_X_Xf.txt": "2 3\n0:1\n1:1\n",
    "trn_X_Y.txt": "2 2\n0:1\n1:1\n",
    "tst_X_Xf.txt": "1 3\n2:1\n",
    "tst_X_Y.txt": "1 2\n1:1\n",
}
ONE_FILE = {"train.txt": "2 3 2\n0 0:1\n1 1:1\n", "test.txt": "1 3 2\n 2:1\n"}


def test_split_files(tmp_path):
    dataset = read_xmlc_split(slow_readers.write_files(tmp_path, SPLIT))
    assert slow_readers.as_lists(dataset) == slow_readers.read(tmp_path)
    assert dataset.labels is None and len(dataset.test) == 1
    for name in ("Yf.txt.gz", "lbl_X_Yf.txt", "lbl_X_Xf.txt.gz"):
        folder = tmp_path / name
        files = {**SPLIT, name: "2 3\n0:1\n1:4\n"}
        dataset = read_xmlc_split(slow_readers.write_files(folder, files))
        assert dataset.labels[1][1] == 4


def test_one_file(tmp_path):
    files = {**ONE_FILE, "labels.txt": "red\n\u00e9\n"}
    dataset = read_xmlc_one_file(slow_readers.write_files(tmp_path, files))
    assert slow_readers.as_lists(dataset) == slow_readers.read(tmp_path)
    assert isinstance(dataset.label_names, Texts)
    assert dataset.label_names[1] == "\u00e9"


@pytest.mark.parametrize("files", [SPLIT, ONE_FILE])
def test_a_test_split_is_optional(tmp_path, files):
    files = {
        n: data
        for n, data in files.items()
        if not n.startswith(("tst", "test"))
    }
    assert files
    dataset = read_dataset(slow_readers.write_files(tmp_path, files))
    assert len(dataset.train) == 2 and len(dataset.test) == 0
    assert dataset.test.queries.num_columns == 3
    assert dataset.test.relevant.num_columns == 2
    assert dataset.label_names.encoded() == [b"0", b"1"]


BAD_FOLDERS = {
    "no features": ({"trn_X_Xf.txt": None}, "expected a file trn_X_Xf.txt"),
    "no labels": ({"trn_X_Y.txt": None}, "expected a file trn_X_Y.txt"),
    "no test features": (
        {"tst_X_Xf.txt": None},
        "expected a file tst_X_Xf.txt",
    ),
    "no test labels": ({"tst_X_Y.txt": None}, "expected a file tst_X_Y.txt"),
    "fewer labels": (
        {"trn_X_Y.txt": "1 2\n0:1\n"},
        "trn_X_Y.txt, line 1: expected 2 rows, as in trn_X_Xf.txt. Received: 1",
    ),
    "other features": (
        {"tst_X_Xf.txt": "1 4\n2:1\n"},
        "tst_X_Xf.txt, line 1: expected 3 features.*Received: 4",
    ),
    "other labels": (
        {"tst_X_Y.txt": "1 3\n1:1\n"},
        "tst_X_Y.txt, line 1: expected 2 labels.*Received: 3",
    ),
    "label features": (
        {"lbl_X_Xf.txt": "1 3\n1:1\n"},
        "lbl_X_Xf.txt, line 1: expected 2 rows.*Received: 1",
    ),
    "label names": (
        {"labels.txt": "a\nb\nc\n"},
        "labels.txt: expected 2 lines.*Received: 3",
    ),
    "filter of no test": (
        {
            "tst_X_Xf.txt": None,
            "tst_X_Y.txt": None,
            "filter_labels_test.txt": "0 1\n",
        },
        r"filter_labels_test.txt, line 1: expected rows in \[0, 0\)",
    ),
}


@pytest.mark.parametrize(
    "change, message", BAD_FOLDERS.values(), ids=BAD_FOLDERS
)
def test_files_that_do_not_fit_together(tmp_path, change, message):
    files = {name: data for name, data in (SPLIT | change).items() if data}
    with pytest.raises(InputError, match=message) as caught:
        read_dataset(slow_readers.write_files(tmp_path, files))
    assert "Received: " in str(caught.value)


@pytest.mark.parametrize(
    "header, message", [("1 4 2", "3 features"), ("1 3 5", "2 labels")]
)
def test_one_files_that_do_not_fit_together(tmp_path, header, message):
    files = {**ONE_FILE, "test.txt": f"{header}\n 2:1\n"}
    with pytest.raises(
        InputError, match=f"test.txt, line 1: expected {message}"
    ):
        read_dataset(slow_readers.write_files(tmp_path, files))
