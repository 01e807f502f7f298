"""Invariants of a run that is started again as something else:

- another dimension, encoder, recipe or set of labels is one message and exit
  code 2, whether the run is finished or was interrupted;
- so is a run whose settings no longer fit what it has trained, such as a
  folder of pretrained weights that others have replaced;
- no byte of the run changes: with what it was started with, it can go on.
"""

import json
import shutil

import pytest
from train_command import SMALL, files_below, run_here, write_small_data


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_small_data(tmp_path_factory.mktemp("data") / "small")


@pytest.fixture(scope="module")
def more_labels(data):
    """The same rows; one of them has a label that no other has."""
    folder = data.parent / "more"
    shutil.copytree(data, folder)
    with open(folder / "train.tsv", "a") as file:
        file.write("word1 nr 600\tword99\n")
    return folder


@pytest.fixture(scope="module")
def whole(cache, data):
    """A finished run."""
    folder = data.parent / "run"
    fields = ["--epochs", 1, "--classifier-epochs", 1, "--memory", 0]
    arguments = ["ngame", "--data", data, "--output", folder, *SMALL, *fields]
    code, _, errors = run_here(arguments, cache)
    assert code == 0, errors
    return folder


@pytest.fixture(params=["finished", "interrupted"])
def run(whole, tmp_path, request):
    """A copy of the run, finished or as of before its end."""
    shutil.copytree(whole, tmp_path / "run")
    if request.param == "interrupted":
        (tmp_path / "run" / "metrics.json").unlink()
        shutil.rmtree(tmp_path / "run" / "saved_model")
    return tmp_path / "run"


def refusal(arguments, cache):
    """What a command that is refused says."""
    code, _, errors = run_here(arguments, cache)
    assert code == 2 and errors.startswith("error: ")
    assert errors.count("error: ") == 1
    return errors


@pytest.mark.parametrize(
    ("arguments", "started", "received"),
    [
        (["ngame", "--dim", 8], "dim=16", "dim=8"),
        (["ngame", "--hidden", 0], "hidden=8", "hidden=0"),
        (["ngame", "--encoder", "some/bert"], "'bag'", "encoder='some/bert'"),
        (["ngame", "--classifier-epochs", 0], "=1", "classifier_epochs=0"),
        (["renee"], "a run of the recipe 'renee'", "recipe 'ngame'"),
        (["ngame", "--data", "MORE"], "the run was started with", "more"),
    ],
)
def test_another_run(run, more_labels, cache, arguments, started, received):
    before = files_below(run)
    arguments = [more_labels if a == "MORE" else a for a in arguments]
    errors = refusal([*arguments, "--output", run], cache)
    assert str(run) in errors and started in errors
    assert errors.partition("Received: ")[2].strip().endswith(received)
    assert files_below(run) == before


@pytest.mark.parametrize(
    ("field", "value", "file"),
    [("dim", 8, "encoder/bank.npy"), ("hidden", 4, "encoder/epoch-00001")],
)
def test_settings_that_no_longer_fit(
    whole, tmp_path, cache, field, value, file
):
    run = tmp_path / "run"
    shutil.copytree(whole, run)
    (run / "metrics.json").unlink()
    settings = json.loads((run / "recipe.json").read_text())
    settings["recipe"][field] = value
    (run / "recipe.json").write_text(json.dumps(settings, indent=1))
    before = files_below(run)
    errors = refusal(["ngame", "--output", run], cache)
    assert f"checkpoints/{file}: expected " in errors
    assert "Received: " in errors
    assert files_below(run) == before


def test_the_run_itself_goes_on(run, whole, cache):
    """Guards the other tests: they refuse what could have gone on."""
    finished = (run / "metrics.json").exists()
    code, output, errors = run_here(["ngame", "--output", run], cache)
    assert code == 0, errors
    assert ("is complete" in output) == finished
    assert "encoder 1/1" not in output, "it was trained already"
    one, other = (
        json.loads((folder / "metrics.json").read_text())
        for folder in (whole, run)
    )
    assert one["P@1"] == other["P@1"] > 40
