"""Invariants of the command `python train.py`:

- a run that was killed at any moment and started again ends with the same
  bits as one that was not, in other processes: weights, optimisers, bank,
  clusters, history;
- what the user got wrong is one message and exit code 2, without a traceback
  and without a half-written run;
- a finished run is left alone, and its folder holds what it promises.
"""

import json
import shutil
import signal
import time

import numpy as np
import pytest
from train_command import (
    ROOT,
    SMALL,
    run,
    run_here,
    start,
    write_small_data,
)

from tfxc.data.arrays import read_arrays


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A small data set of tab-separated lines, with labels that words tell."""
    return write_small_data(tmp_path_factory.mktemp("data") / "small")


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


def state(folder, phase):
    """Everything that decides how a run goes on, as `{name: bytes}`."""
    checkpoints = folder / "checkpoints" / phase
    [checkpoint] = checkpoints.glob("epoch-*")
    arrays, meta = read_arrays(checkpoint)
    clusters, _ = read_arrays(checkpoints / "clusters")
    bank = np.load(checkpoints / "bank.npy")
    history = [
        {name: row[name] for name in row if "seconds" not in name}
        for row in meta["history"]
    ]
    return {
        **{name: array.tobytes() for name, array in arrays.items()},
        **{name: array.tobytes() for name, array in clusters.items()},
        "bank": bank.tobytes(),
        "history": json.dumps(history, sort_keys=True),
    }


def kill_in(phase, output, process):
    """Kills a run when it has finished two epochs of a phase."""
    checkpoints = output / "checkpoints" / phase
    end = time.monotonic() + 120
    while not list(checkpoints.glob("epoch-0000[2-9]")):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end, f"nothing in {checkpoints}"
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not (output / "metrics.json").exists(), "killed too late to tell"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "phases"),
    [
        ("ngame", ["encoder", "classifier"]),
        ("dynamic_index", ["encoder"]),
        ("ance", ["encoder"]),
    ],
)
def test_a_killed_run_ends_with_the_same_bits(
    data, cache, tmp_path, name, phases
):
    settings = [name, "--data", data, "--epochs", 6, *SMALL]
    if name != "ngame":
        settings += ["--num-negatives", 8, "--landmarks", 10]
        settings += ["--num-candidates", 16, "--batch-size", 16]
        settings += ["--uniform-steps", 20, "--refresh-steps", 4]
    settings += ["--classifier-epochs", 4]
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    code, output, errors = run_here([*settings, "--output", whole], cache)
    assert code == 0, errors
    assert "Next: python -m tfxc.predict" in output

    arguments = [*settings, "--output", stopped]
    again = [name, "--output", stopped]  # the run folder knows the flags
    for phase in phases:
        kill_in(phase, stopped, start(arguments, cache))
        arguments = again
    code, output, errors = run(again, cache)
    assert code == 0, errors
    assert f"{phases[-1]}: continuing after epoch" in output

    for phase in ("encoder", "classifier"):
        expected, found = state(whole, phase), state(stopped, phase)
        assert expected.keys() == found.keys()
        assert [n for n in expected if expected[n] != found[n]] == []

    metrics = json.loads((stopped / "metrics.json").read_text())
    assert metrics["P@1"] > 50, "a model that learnt nothing would pass"
    names = ["P@3", "nDCG@1", "PSP@5", "PSnDCG@1", "R@10", "R@100"]
    names += ["propensity_A", "propensity_B", "num_queries", "num_labels"]
    names += ["train_seconds", "evaluate_seconds", "peak_rss_gb"]
    assert [name for name in names if name not in metrics] == []
    for file in ("recipe.json", "history.csv", "tensorboard", "report.html"):
        assert (stopped / file).exists()
    assert len((stopped / "history.csv").read_text().splitlines()) == 11

    before = (stopped / "metrics.json").read_bytes()
    code, output, errors = run_here(again, cache)
    assert code == 0 and "is complete" in output, errors
    assert (stopped / "metrics.json").read_bytes() == before

    code, _, errors = run_here([*again, "--epochs", 7], cache)
    assert code == 2 and "epochs=6" in errors and "Received: epochs=7" in errors
    other = data.parent / "other"
    other.mkdir(exist_ok=True)
    (other / "train.tsv").write_text((data / "train.tsv").read_text() * 2)
    code, _, errors = run_here([*again, "--data", other], cache)
    assert code == 2 and "Received: " in errors
    assert (stopped / "metrics.json").read_bytes() == before


def test_list_names_the_recipes_first(cache):
    code, output, _ = run(["--list"], cache)
    assert code == 0
    names = [line.split()[0] for line in output.splitlines()]
    files = sorted((ROOT / "models").glob("[!_]*.py"))
    assert names == [file.stem for file in files] and "ngame" in names


def test_help_tells_every_field_with_its_reason(cache):
    code, output, _ = run(["ngame", "--help"], cache)
    assert code == 0
    assert "--temperature" in output and "--data" in output
    assert "harder negatives" in " ".join(output.split())


def test_a_recipe_that_does_not_exist(cache, tmp_path):
    output = tmp_path / "run"
    code, shown, errors = run(["nosuch", "--output", output], cache)
    assert code == 2 and shown == "" and errors.count("\n") == 1
    assert errors.startswith("error: ") and "Received: 'nosuch'" in errors
    assert not output.exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["ngame", "--nosuch", "1"], "nosuch"),
        (["ngame", "--epochs", "many"], "many"),
        (["ngame", "--data", "/nosuch/folder"], "/nosuch/folder"),
        (["ngame", "--batch-size", "4000", "--data"], "--batch-size"),
        (["ngame", "--seed", "-1", "--data"], "--seed"),
        (["ngame", "--margin", "nan", "--data"], "--margin"),
        (["ngame", "--ngrams", "0", "--data"], "--ngrams"),
        (["ngame", "--encoder", "/nosuch/bert", "--data"], "/nosuch/bert"),
    ],
)
def test_wrong_input_is_one_message(arguments, message, data, cache, tmp_path):
    if arguments[-1] == "--data":
        arguments = [*arguments, data]
    output = tmp_path / "run"
    code, _, errors = run_here([*arguments, "--output", output], cache)
    assert code == 2
    assert message in errors and "Traceback" not in errors
    assert not output.exists()


def test_a_folder_of_something_else_is_left_alone(data, cache, tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    code, _, errors = run_here(
        ["ngame", "--data", data, "--output", tmp_path], cache
    )
    assert code == 2 and "Received: " in errors
    assert [file.name for file in tmp_path.iterdir()] == ["thesis.txt"]


def test_weights_that_the_last_step_spoilt_are_not_kept(data, cache, tmp_path):
    """Its loss is finite: it was computed before the step."""
    output = tmp_path / "run"
    settings = ["ngame", "--data", data, "--output", output, "--epochs", 1]
    settings += [*SMALL, "--batch-size", 448, "--num-candidates", 448]
    settings += ["--validation-rows", 52, "--dense-learning-rate", 1e38]
    settings += ["--classifier-candidates", 448]
    code, _, errors = run(settings, cache)
    assert code == 2 and "expected finite weights" in errors
    assert "No epoch was finished" in errors and "Traceback" not in errors
    assert not list((output / "checkpoints" / "encoder").glob("epoch-*"))


@pytest.mark.parametrize("name", ["length", "seed", "mro"])
def test_data_may_be_named_as_a_field(data, cache, tmp_path, name):
    shutil.copytree(data, tmp_path / name)
    code, output, errors = run_here(
        ["ngame", "--data", tmp_path / name, "--help"], cache
    )
    assert code == 0 and "--temperature" in output, errors


def test_output_that_cannot_be_written(data, cache, tmp_path):
    (tmp_path / "file").write_text("")
    output = tmp_path / "file" / "run"
    settings = ["ngame", "--data", data, "--output", output, *SMALL]
    code, _, errors = run_here(settings, cache)
    assert code == 2 and str(output) in errors and "Traceback" not in errors
