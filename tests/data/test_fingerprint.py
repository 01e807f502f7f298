"""Invariants of the fingerprint:

- it survives a move and files that no reader reads;
- any other change of a byte, or of which file holds it, changes it.
"""

import shutil

import pytest
import slow_readers

from tfxc.data import fingerprint, read_dataset
from tfxc.errors import InputError

FILES = {
    "trn.json": '{"title": "x", "target_ind": [0]}\n',
    "lbl.json": '{"title": "a"}\n',
    "tst.json": '{"title": "y", "target_ind": [0]}\n',
}


def test_it_survives_a_move_and_other_files(tmp_path):
    folder = slow_readers.write_files(tmp_path / "here", FILES)
    before = fingerprint(folder)
    assert len(before) == 32 and int(before, 16) >= 0
    moved = shutil.move(folder, tmp_path / "there")
    slow_readers.write_files(moved, {"notes.txt": "x", "train.tsv": "a\tb"})
    assert fingerprint(str(moved)) == before


def test_one_file_by_any_name(tmp_path):
    files = {"a.tsv": "x\ty\n", "b.tsv": "x\ty\n", "c.tsv": "x\tz\n"}
    folder = slow_readers.write_files(tmp_path, files)
    a, b, c = (fingerprint(folder / name) for name in files)
    assert a == b != c


@pytest.mark.parametrize(
    "change",
    [
        {"trn.json": FILES["trn.json"].replace("x", "z")},
        {"trn.json": FILES["trn.json"] + "\n"},
        {"trn.json": FILES["tst.json"], "tst.json": FILES["trn.json"]},
        {"filter_labels_test.txt": "0 0\n"},
        {"filter_labels_test.txt": ""},
        {"tst.json": None},
    ],
)
def test_it_changes_with_the_files(tmp_path, change):
    before = fingerprint(slow_readers.write_files(tmp_path / "a", FILES))
    files = {
        n: data for n, data in (FILES | change).items() if data is not None
    }
    folder = slow_readers.write_files(tmp_path / "b", files)
    read_dataset(folder)
    assert fingerprint(folder) != before


def test_it_depends_on_the_part_that_a_file_plays(tmp_path):
    prints = set()
    for name in ("filter_labels_train.txt", "filter_labels_test.txt"):
        files = {**FILES, name: "0 0\n"}
        prints.add(
            fingerprint(slow_readers.write_files(tmp_path / name, files))
        )
    assert len(prints) == 2


def test_contents_do_not_run_together(tmp_path):
    one = {"train.tsv": "a\tb\n", "test.tsv": "c\td\n"}
    two = {"train.tsv": "a\tb\nc\td\n", "test.tsv": ""}
    one = fingerprint(slow_readers.write_files(tmp_path / "one", one))
    assert one != fingerprint(slow_readers.write_files(tmp_path / "two", two))


def test_bad_input(tmp_path):
    with pytest.raises(InputError, match="no such file or folder"):
        fingerprint(tmp_path / "absent")
    (tmp_path / "train.tsv").mkdir()
    with pytest.raises(InputError, match=r"train.tsv: .*Received: "):
        fingerprint(tmp_path)
