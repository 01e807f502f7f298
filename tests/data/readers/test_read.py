"""Invariants of the front door:

- each layout is told from its files, gzipped or not, and raw text goes first;
- what cannot be a data set is an `InputError` that says what was found and what
  was expected;
- `tfxc.data` imports without TensorFlow.
"""

import subprocess
import sys

import pytest
import slow_readers

from tfxc.data import Texts, read_dataset
from tfxc.errors import InputError

JSON = {
    "trn.json": '{"title": "json", "target_ind": [0]}\n',
    "lbl.json": '{"title": "a"}\n{"title": "b"}\n',
}
SPLIT = {
    "trn_X_Xf.txt": "2 3\n0:1\n1:1\n",
    "trn_X_Y.txt": "2 3\n0:1\n1:1\n",
}
ONE_FILE = {"train.txt": "2 3 4\n0 0:1\n1 1:1\n"}
TSV = {"train.tsv": "tsv\ta\tb\tc\td\te\n"}


@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize(
    "files, num_labels", [(JSON, 2), (SPLIT, 3), (ONE_FILE, 4), (TSV, 5)]
)
def test_each_layout(tmp_path, files, num_labels, suffix):
    files = {f"{name}{suffix}": data for name, data in files.items()}
    folder = slow_readers.write_files(tmp_path, {**files, "README": "?"})
    for path in (folder, str(folder)):
        assert read_dataset(path).num_labels == num_labels


def test_raw_text_goes_first(tmp_path):
    folder = slow_readers.write_files(tmp_path, TSV | ONE_FILE | SPLIT | JSON)
    dataset = read_dataset(folder)
    assert isinstance(dataset.train.queries, Texts)
    assert dataset.train.queries[0] == "json"


def test_a_plain_file_goes_before_a_gzipped_one(tmp_path):
    files = {**TSV, "train.tsv.gz": "other\ta\n"}
    dataset = read_dataset(slow_readers.write_files(tmp_path, files))
    assert dataset.train.queries[0] == "tsv"


BAD = {
    "nothing": ({}, "a folder with no files$"),
    "other files": ({"b.csv": "", "a.txt": ""}, "a folder with a.txt, b.csv$"),
    "no training": (
        {"lbl.json": "", "tst.json": ""},
        "trn.json and lbl.json; .*Received: a folder with lbl.json, tst.json$",
    ),
    "no labels file": ({"trn.json": JSON["trn.json"]}, "a file lbl.json"),
    "no rows": ({"train.txt": "0 3 2\n"}, "training queries. Received: none$"),
    "no labels": ({"train.txt": "1 3 0\n 1:1\n"}, "labels. Received: none$"),
    "no names": ({"train.tsv": "one\ntwo\n"}, "labels. Received: none$"),
    "no relevant label": (
        {**JSON, "trn.json": '{"title": "x", "target_ind": []}\n'},
        "training queries with a label. Received: none$",
    ),
    "many": (
        {f"{n}.txt": "" for n in range(100)},
        r"16\.txt, 17\.txt, 18\.txt, 19\.txt.*, \.\.\.$",
    ),
}


@pytest.mark.parametrize("files, message", BAD.values(), ids=BAD)
def test_no_data_set(tmp_path, files, message):
    folder = slow_readers.write_files(tmp_path, files)
    with pytest.raises(InputError, match=message) as caught:
        read_dataset(folder)
    assert str(caught.value).startswith(f"{folder}: expected ")


def test_no_such_path(tmp_path):
    with pytest.raises(InputError, match="Received: no such file or folder"):
        read_dataset(tmp_path / "absent")
    with pytest.raises(InputError, match="Received: no such file or folder"):
        read_dataset(tmp_path / "absent.tsv")
    path = slow_readers.write_files(tmp_path, {"data.csv": "a,b"}) / "data.csv"
    with pytest.raises(InputError, match=r"Received: a file$"):
        read_dataset(path)


def test_a_folder_in_the_place_of_a_file(tmp_path):
    (tmp_path / "trn.json").mkdir()
    (tmp_path / "lbl.json").mkdir()
    with pytest.raises(
        InputError, match=r"json: .*Received: IsADirectoryError"
    ):
        read_dataset(tmp_path)


def test_tensorflow_is_not_imported():
    code = "import sys, tfxc.data; sys.exit('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
