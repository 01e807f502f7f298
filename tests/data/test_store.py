"""Invariants of the prepared data sets:

- what comes out of the cache equals what the reader returns, is mapped and
  read-only, whatever the kind of the parts and even if they are empty;
- a second call parses nothing; a changed file or format is parsed anew;
- a damaged entry is built again, and never half of one is seen.
"""

import json
import pathlib

import numpy as np
import pytest
import slow_readers

from tfxc.data import (
    dataset_from_arrays,
    dataset_to_arrays,
    prepared_dataset,
    read_arrays,
    read_dataset,
    store,
    write_arrays,
)
from tfxc.errors import InputError

DATA_SETS = {
    "texts": {
        "trn.json": '{"title": "caf\u00e9", "target_ind": [1, 0]}\n',
        "tst.json": '{"title": "y", "target_ind": []}\n',
        "lbl.json": '{"title": "a"}\n{"title": "b", "content": "b c"}\n',
        "filter_labels_train.txt": "0 1\n",
    },
    "features": {
        "trn_X_Xf.txt": "2 3\n0:1.5 2:2\n\n",
        "trn_X_Y.txt": "2 2\n0:1\n0:1 1:1\n",
        "lbl_X_Xf.txt": "2 3\n0:1\n1:1\n",
    },
    "numbers": {"train.txt": "2 3 2\n0 0:1\n1 1:1\n"},
    "empty parts": {"train.tsv": "\ta\n", "labels.tsv": "a\n"},
}


def arrays_of(dataset):
    return dataset_to_arrays(dataset)[0]


def is_mapped(array):
    while array is not None and not isinstance(array, np.memmap):
        array = array.base
    return array is not None


def count_reads(monkeypatch):
    paths = []

    def read(path):
        paths.append(path)
        return read_dataset(path)

    monkeypatch.setattr(store, "read_dataset", read)
    return paths


@pytest.mark.parametrize("files", DATA_SETS.values(), ids=DATA_SETS)
def test_the_cache_returns_what_the_reader_returns(
    tmp_path, monkeypatch, files
):
    folder = slow_readers.write_files(tmp_path / "data", files)
    reads = count_reads(monkeypatch)
    expected = slow_readers.read(folder)
    keys = set()
    for _ in range(3):
        dataset, key = prepared_dataset(folder, tmp_path / "cache" / "deep")
        keys.add(key)
        assert slow_readers.as_lists(dataset) == expected
        arrays = arrays_of(dataset)
        assert len(arrays) >= 10
        for name, array in arrays_of(read_dataset(folder)).items():
            assert arrays[name].dtype == array.dtype
            assert is_mapped(arrays[name]) and not arrays[name].flags.writeable
    assert len(reads) == 1 and len(keys) == 1
    assert [p.name for p in (tmp_path / "cache" / "deep").iterdir()] == list(
        keys
    )


def test_parts_survive_any_folder_of_arrays(tmp_path):
    dataset = read_dataset(
        slow_readers.write_files(tmp_path / "data", DATA_SETS["features"])
    )
    arrays, meta = dataset_to_arrays(dataset)
    write_arrays(tmp_path / "arrays", arrays, meta)
    twin = dataset_from_arrays(*read_arrays(tmp_path / "arrays"))
    assert slow_readers.as_lists(twin) == slow_readers.as_lists(dataset)
    assert twin.train.queries.num_columns == 3


def test_changed_files_and_formats_are_read_anew(tmp_path, monkeypatch):
    reads = count_reads(monkeypatch)
    folder = slow_readers.write_files(tmp_path / "data", DATA_SETS["numbers"])
    cache = tmp_path / "cache"
    _, first = prepared_dataset(folder, cache)
    slow_readers.write_files(folder, {"train.txt": "1 3 2\n0,1 0:1\n"})
    dataset, second = prepared_dataset(folder, cache)
    assert len(dataset.train) == 1
    monkeypatch.setattr(store, "FORMAT", store.FORMAT + 1)
    _, third = prepared_dataset(folder, cache)
    assert len({first, second, third}) == 3 and len(reads) == 3


def truncate(entry, name):
    path = entry / manifest(entry)["arrays"][name]
    path.write_bytes(path.read_bytes()[:-1])


def manifest(entry):
    return json.loads((entry / "manifest.json").read_text())


def change_manifest(entry, change):
    value = manifest(entry)
    change(value)
    (entry / "manifest.json").write_text(json.dumps(value))


def swap(entry, name, array):
    np.save(entry / manifest(entry)["arrays"][name], array)


DAMAGES = {
    "no manifest": lambda e: (e / "manifest.json").unlink(),
    "empty manifest": lambda e: (e / "manifest.json").write_text(""),
    "other manifest": lambda e: (e / "manifest.json").write_text("[]"),
    "no such kind": lambda e: change_manifest(
        e, lambda m: m["meta"]["labels"].update(kind="Dataset")
    ),
    "no labels": lambda e: change_manifest(
        e, lambda m: m["meta"].pop("label_names")
    ),
    "other columns": lambda e: change_manifest(
        e, lambda m: m["meta"]["test/relevant"].update(num_columns=7)
    ),
    "truncated": lambda e: truncate(e, "train/queries/utf8"),
    "empty file": lambda e: (e / "0.npy").write_bytes(b""),
    "no array file": lambda e: (e / "1.npy").unlink(),
    "text": lambda e: (e / "1.npy").write_text("no array"),
    "fewer texts": lambda e: swap(e, "train/queries/offsets", np.zeros(1, int)),
    "other splits": lambda e: swap(
        e, "train/relevant/splits", np.array([0, 3], np.int64)
    ),
    "other start": lambda e: swap(
        e, "train/relevant/splits", np.array([1, 2], np.int64)
    ),
    "other type": lambda e: swap(
        e, "train/relevant/ids", np.zeros(2, np.int64)
    ),
    "a matrix": lambda e: swap(
        e, "train/relevant/ids", np.zeros((2, 1), np.int32)
    ),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_entry_is_built_again(tmp_path, monkeypatch, damage):
    folder = slow_readers.write_files(tmp_path / "data", DATA_SETS["texts"])
    _, key = prepared_dataset(folder, tmp_path)
    reads = count_reads(monkeypatch)
    prepared_dataset(folder, tmp_path)
    assert not reads
    damage(tmp_path / key)
    dataset, _ = prepared_dataset(folder, tmp_path)
    assert slow_readers.as_lists(dataset) == slow_readers.read(folder)
    prepared_dataset(folder, tmp_path)
    assert len(reads) == 1


def test_two_processes_may_build_the_same_entry(tmp_path, monkeypatch):
    folder = slow_readers.write_files(tmp_path / "data", DATA_SETS["texts"])

    def write_second(entry, arrays, meta):
        write_arrays(entry, arrays, meta)
        raise OSError("the folder is there already")

    monkeypatch.setattr(store, "write_arrays", write_second)
    dataset, _ = prepared_dataset(folder, tmp_path / "cache")
    assert len(dataset.train) == 1


def test_bad_input(tmp_path):
    folder = slow_readers.write_files(tmp_path / "data", DATA_SETS["texts"])
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"cache=.*file.*Received: "):
        prepared_dataset(folder, tmp_path / "file")
    slow_readers.write_files(folder, {"lbl.json": "?"})
    with pytest.raises(InputError, match=r"lbl.json, line 1: "):
        prepared_dataset(folder, tmp_path / "cache")
    assert not pathlib.Path(tmp_path / "cache").exists()
