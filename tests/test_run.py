"""Invariants of run folders:

- a new run writes its settings; the same settings go on, in any spelling that
  JSON does not tell apart; a different one is an `InputError` that names it;
- a start that has led to nothing else can be withdrawn;
- two processes do not work in one folder;
- a folder or file that is no run is refused and left alone;
- a history has the columns of all its epochs; a run is complete from the
  moment its metrics are there; files are replaced as a whole.
"""

import csv
import fcntl
import json
import os

import pytest

from tfxc import InputError
from tfxc.run import HELD, Run, read_json

SETTINGS = {
    "recipe": {"epochs": 3, "rate": 0.1, "ngrams": (4, 5), "name": "é"},
    "options": {"data": "/here", "index": "exact"},
    "content": {"key": "abc"},
}


def changed(section, **fields):
    return {**SETTINGS, section: {**SETTINGS[section], **fields}}


@pytest.fixture
def run(tmp_path):
    run = Run(tmp_path / "deep" / "run")
    run.start(SETTINGS)
    return run


def test_start_and_go_on(run):
    assert run.settings() == json.loads(json.dumps(SETTINGS))
    run.start(SETTINGS)
    run.start(changed("recipe", ngrams=[4, 5]))
    assert os.listdir(run.folder) == ["recipe.json"]
    assert not run.complete


def test_one_process_at_a_time(tmp_path):
    folder = tmp_path / "run"
    Run(folder).start(SETTINGS)
    os.close(HELD.pop(folder.resolve()))  # as if that process had ended
    other = os.open(folder, os.O_RDONLY)
    fcntl.flock(other, fcntl.LOCK_EX)
    with pytest.raises(InputError, match="no other process works in"):
        Run(folder).start(SETTINGS)
    os.close(other)
    Run(folder).start(SETTINGS)


def test_new_runs(tmp_path):
    assert Run(tmp_path / "new").settings() is None
    assert not (tmp_path / "new").exists()
    run = Run(tmp_path)  # an empty folder
    assert run.settings() is None and not run.complete
    run.start(SETTINGS)
    assert run.settings()["content"] == {"key": "abc"}


@pytest.mark.parametrize(
    ("section", "field", "value", "before"),
    [
        ("recipe", "epochs", 4, "3"),
        ("recipe", "rate", 0.2, "0.1"),
        ("recipe", "ngrams", [4], r"\[4, 5\]"),
        ("options", "index", "scann", "'exact'"),
        ("options", "added", 1, "None"),
    ],
)
def test_other_settings(run, section, field, value, before):
    with pytest.raises(InputError) as error:
        run.start(changed(section, **{field: value}))
    error.match(f"started with {section} {field}={before};")
    error.match(str(run.folder))
    assert str(error.value).endswith(f"Received: {field}={value!r}")
    assert run.settings() == json.loads(json.dumps(SETTINGS)), "it was changed"


def test_a_section_that_is_new(run):
    with pytest.raises(InputError, match="extra depth=None"):
        run.start({**SETTINGS, "extra": {"depth": 1}})


def test_data_is_known_by_its_content(run):
    run.start(changed("options", data="/there"))  # moved
    assert run.settings()["options"]["data"] == "/there"
    other = {**changed("options", data="/new"), "content": {"key": "abd"}}
    with pytest.raises(InputError, match=r"with, /there, .*Received: /new"):
        run.start(other)
    assert run.settings()["options"]["data"] == "/there"


def test_weights_are_known_by_their_content(tmp_path):
    def settings(digest, encoder="bert"):
        content = {"key": "abc", "encoder": digest}
        return changed("recipe", encoder=encoder) | {"content": content}

    run = Run(tmp_path / "run")
    run.start(settings("00"))
    run.start(settings("00"))
    with pytest.raises(InputError, match=r"other weights\. Received: bert"):
        run.start(settings("01"))
    with pytest.raises(InputError, match="started with recipe encoder='bert'"):
        run.start(settings("01", "other"))


def test_a_start_can_be_withdrawn_until_something_is_done(run):
    (run.folder / "checkpoints").mkdir()
    run.withdraw()
    assert run.settings() is not None
    (run.folder / "checkpoints").rmdir()
    run.withdraw()
    assert not run.folder.exists()
    run.withdraw()
    run.start(changed("recipe", epochs=9))
    assert run.settings()["recipe"]["epochs"] == 9


def test_a_folder_that_is_no_run(tmp_path):
    (tmp_path / "thesis.tex").write_text("precious")
    with pytest.raises(InputError, match=r"that of a run\. Received: a folder"):
        Run(tmp_path).start(SETTINGS)
    assert os.listdir(tmp_path) == ["thesis.tex"]
    with pytest.raises(InputError, match=r"thesis.tex: .*Received: a file"):
        Run(tmp_path / "thesis.tex").start(SETTINGS)
    assert (tmp_path / "thesis.tex").read_text() == "precious"


@pytest.mark.parametrize("content", [b"{", b"", b"\xff\xfe", b"epochs: 3"])
def test_settings_that_are_no_json(run, content):
    (run.folder / "recipe.json").write_bytes(content)
    with pytest.raises(InputError, match=r"recipe.json: .*JSON.*Received: "):
        run.settings()


def test_read_json(tmp_path):
    with pytest.raises(InputError, match=r"no.json: expected a JSON file"):
        read_json(tmp_path / "no.json")
    (tmp_path / "yes.json").write_text('{"a": "é"}', encoding="utf-8")
    assert read_json(tmp_path / "yes.json") == {"a": "é"}


def test_history(run):
    history = [{"epoch": 1, "loss": 0.1 + 0.2}]
    run.write_history(history)
    history.append({"epoch": 2, "loss": 1e-9, "missed": 0.25, "P@1": 9.0})
    run.write_history(history)
    with open(run.folder / "history.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["epoch", "loss", "missed", "P@1"]
    assert float(rows[0]["loss"]) == 0.1 + 0.2
    assert rows[0]["missed"] == "" and rows[1]["missed"] == "0.25"
    assert len(rows) == 2


def test_metrics_complete_a_run(run):
    metrics = {"P@1": 33.3, "groups": {"head": 2}}
    run.write_metrics(metrics)
    assert run.complete
    flat = {"P@1": 33.3, "groups/head": 2}
    assert read_json(run.folder / "metrics.json") == flat


def test_a_failed_write_leaves_the_old_file(run):
    run.write_metrics({"P@1": 1.0})
    files = sorted(os.listdir(run.folder))
    with pytest.raises(TypeError):
        run.write_metrics({"P@1": object()})
    with pytest.raises(UnicodeEncodeError):
        run.write_history([{"epoch": "\ud800"}])
    assert sorted(os.listdir(run.folder)) == files
    assert read_json(run.folder / "metrics.json") == {"P@1": 1.0}
