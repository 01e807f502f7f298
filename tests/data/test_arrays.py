"""Invariants of folders of arrays:

- what is written is read, also from tensors; a damaged folder is made anew;
- where another process was faster, what it has written is read;
- what cannot be written at all is told.
"""

import numpy as np
import pytest
import tensorflow as tf

from tfxc.data import arrays
from tfxc.data.arrays import cached_arrays, read_arrays, write_arrays


def made(value):
    return lambda: ({"a/b": np.full(3, value)}, {"value": value})


def test_what_is_written_is_read(tmp_path):
    held = {"x": tf.Variable([1.0, 2.0]), "y": np.arange(3)}
    write_arrays(tmp_path / "f", held, {"n": 1})
    found, meta = read_arrays(tmp_path / "f")
    assert found["x"].tolist() == [1.0, 2.0] and meta == {"n": 1}
    assert found["y"].tolist() == [0, 1, 2]


@pytest.mark.parametrize("damage", ["empty", "short", "missing", "manifest"])
def test_a_damaged_folder_is_made_anew(tmp_path, damage):
    folder = tmp_path / "f"
    for value in (1, 1):
        found, meta = cached_arrays(folder, made(value))
        assert found["a/b"].tolist() == [1] * 3
    file = folder / "0.npy"
    if damage == "empty":
        file.write_bytes(b"")
    elif damage == "short":
        file.write_bytes(file.read_bytes()[:-8])
    elif damage == "missing":
        file.unlink()
    else:
        (folder / "manifest.json").write_text("{")
    found, meta = cached_arrays(folder, made(2))
    assert found["a/b"].tolist() == [2] * 3 and meta == {"value": 2}


def test_another_process_was_faster(tmp_path, monkeypatch):
    folder, real = tmp_path / "f", write_arrays

    def late(*arguments):
        real(folder, *made(7)())
        raise OSError("Directory not empty")

    monkeypatch.setattr(arrays, "write_arrays", late)
    found, _ = cached_arrays(folder, made(1))
    assert found["a/b"].tolist() == [7] * 3


def test_what_cannot_be_written(tmp_path, monkeypatch):
    def full(*arguments):
        raise OSError("No space left")

    monkeypatch.setattr(arrays, "write_arrays", full)
    with pytest.raises(OSError, match="No space left"):
        cached_arrays(tmp_path / "f", made(1))
