"""Invariants of reading what a run has exported:

- a run folder and its SavedModel give the same;
- each path that is not a finished run is one `InputError` that says why, and
  is told without importing TensorFlow.
"""

import json
import subprocess
import sys

import pytest
from small_model import export_small, write_run

from tfxc.errors import InputError
from tfxc.saved_model import load_saved_model, read_description


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved") / "run"
    write_run(folder)
    return folder


def test_run_and_model_folder(run):
    folder, description = read_description(run)
    assert folder == run / "saved_model"
    assert read_description(folder) == (folder, description)
    model, loaded = load_saved_model(str(run))
    assert loaded == description
    assert model.search(["tea"], 1)["names"].numpy() == [[b"tea"]]


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (None, "no such folder"),
        ("", "a file"),
        ({}, "nothing like it"),
        ({"notes.txt": "x"}, "nothing like it"),
        ({"recipe.json": "{}"}, "a run that has not finished"),
        ({"saved_model/tfxc.json": "{}"}, "nothing like it"),
        ({"saved_model/saved_model.pb": ""}, "No such file"),
        (
            {"saved_model/saved_model.pb": "", "saved_model/tfxc.json": "{"},
            "property name",
        ),
    ],
)
def test_no_run(tmp_path, files, message):
    run = tmp_path / "run"
    if files == "":
        run.write_text("")
    for name, text in (files or {}).items():
        file = run / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    if files == {}:
        run.mkdir()
    with pytest.raises(InputError, match=rf"(?s){run}.*Received: .*{message}"):
        read_description(run)


@pytest.mark.parametrize("damaged", ["saved_model.pb", "variables"])
def test_damaged_model(tmp_path, damaged):
    export_small(tmp_path / "m")
    if damaged == "variables":
        for file in (tmp_path / "m" / "variables").iterdir():
            file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    else:
        (tmp_path / "m" / damaged).write_bytes(b"\x00not a model")
    with pytest.raises(InputError, match="expected a SavedModel"):
        load_saved_model(tmp_path / "m")


def test_scann_that_is_missing(run, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "scann", None)
    model = tmp_path / "m"
    model.mkdir()
    (model / "saved_model.pb").write_bytes(b"")
    (model / "tfxc.json").write_text(json.dumps({"index": "scann"}))
    with pytest.raises(InputError, match=r"needs the package scann"):
        load_saved_model(model)


def test_wrong_paths_need_no_tensorflow():
    program = (
        "import sys; sys.modules['tensorflow'] = None\n"
        "from tfxc.saved_model import read_description\n"
        "read_description('/nowhere')"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True
    )
    assert "InputError: /nowhere" in done.stderr
