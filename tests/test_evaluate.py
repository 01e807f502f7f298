"""Invariants of `python -m tfxc.evaluate`:

- the metrics are those of a loop over queries and labels;
- with texts or sparse features, they are those of the model in memory;
- without `--data` it takes the data of the run; it writes only `--output`;
- each wrong input is one message and exit code 2.
"""

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from small_model import (
    LABELS,
    METADATA,
    WordEncoder,
    WordTokenizer,
    write_data,
    write_run,
)

from tfxc import evaluate
from tfxc.data.readers.read import read_dataset
from tfxc.errors import InputError


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("evaluate") / "data"
    write_data(folder)
    return folder


@pytest.fixture(scope="module")
def run(data):
    folder = data.parent / "run"
    write_run(folder, data)
    return folder


def files_below(folder):
    return {
        file: file.read_bytes() for file in folder.rglob("*") if file.is_file()
    }


def loop(data, k):
    """P@k by hand: queries are encoded and compared one at a time."""
    split, encoder, tokenizer = (
        read_dataset(data).test,
        WordEncoder(),
        WordTokenizer(),
    )
    vectors = encoder(tokenizer(tf.constant(LABELS))).numpy()
    hits = []
    for row in range(len(split)):
        query = encoder(tokenizer(tf.constant([split.queries[row]])))[0].numpy()
        best = np.argsort(-(vectors @ query), kind="stable")[:k]
        hits.append(len({*best.tolist()} & {*split.relevant[row].tolist()}) / k)
    return 100 * np.mean(hits)


def test_metrics(run, data, tmp_path, capsys):
    before = files_below(run)
    output = tmp_path / "metrics.json"
    evaluate.main([str(run), "--data", str(data), "--output", str(output)])
    metrics = json.loads(output.read_text())
    for k in (1, 3, 5):
        assert metrics[f"P@{k}"] == pytest.approx(loop(data, k))
    assert metrics["P@1"] == 100, "the model knows all words"
    assert metrics["num_queries"] == 7 and metrics["num_labels"] == 6
    assert metrics["zero_shot"]["num_queries"] == 1
    assert metrics["evaluate_seconds"] > 0
    shown = capsys.readouterr().out
    assert "PSP with A = 0.55, B = 1.5." in shown and "100.00" in shown
    assert files_below(run) == before, "a run is only read"


def test_data_of_the_run(run, data, capsys):
    evaluate.main([str(run)])
    first = capsys.readouterr().out
    evaluate.main([str(run), "--data", str(data)])
    assert capsys.readouterr().out == first


def test_labels_in_another_order(run, tmp_path):
    names = [name.replace("meat", "zebra") for name in LABELS]
    write_data(tmp_path / "data", names)
    with pytest.raises(
        InputError,
        match=r"--data: expected the 6 labels .*; label 2 is 'meat'\. "
        r"Received: 'red wine'",
    ):
        evaluate.main([str(run), "--data", str(tmp_path / "data")])


def test_another_number_of_labels(run, tmp_path):
    write_data(tmp_path / "data")
    with open(tmp_path / "data" / "train.tsv", "a") as file:
        file.write("beer\tbeer\n")
    with pytest.raises(InputError, match=r"the 6 labels .* Received: 7 labels"):
        evaluate.main([str(run), "--data", str(tmp_path / "data")])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere"], "nowhere: .* Received: no such folder"),
        (["RUN", "--data", "nowhere"], "nowhere: .* Received: no such"),
        (["RUN/saved_model"], "--data: .* Received: none"),
        (["RUN", "--output", "."], "--output: .* Received: "),
        (["RUN", "--output", "nowhere/x.json"], "--output: .* Received: "),
    ],
)
def test_bad_input(run, arguments, message):
    arguments = [a.replace("RUN", str(run)) for a in arguments]
    with pytest.raises(InputError, match=message):
        evaluate.main(arguments)


def test_data_that_cannot_be_read(run, tmp_path):
    shutil.copytree(run, tmp_path / "run")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "train.tsv").write_bytes(b"tea\xff\ttea\n")
    with pytest.raises(InputError, match=r"train\.tsv"):
        evaluate.main([str(run), "--data", str(tmp_path / "data")])
    (tmp_path / "run" / "recipe.json").write_text("{")
    with pytest.raises(InputError, match=r"recipe\.json.* Received: "):
        evaluate.main([str(tmp_path / "run")])


def test_model_without_metadata(data, tmp_path):
    write_run(tmp_path / "run", data, metadata={"propensity_A": 0.55})
    with pytest.raises(
        InputError, match="Received: no num_train_rows, propensity_B"
    ):
        evaluate.main([str(tmp_path / "run")])
    assert METADATA.keys() == evaluate.NEEDED


def test_command_line():
    for arguments, code in ((["nowhere"], 2), (["--help"], 0), (["--k"], 2)):
        done = subprocess.run(
            [sys.executable, "-m", "tfxc.evaluate", *arguments],
            capture_output=True,
            text=True,
        )
        assert done.returncode == code
        assert "Traceback" not in done.stderr
        if arguments == ["nowhere"]:
            assert done.stderr.count("\n") == 1
            assert done.stdout == ""
