"""Invariants of `python -m tfxc.predict`:

- it prints the labels that the model finds, best first, with their scores;
- texts come as arguments or as lines, and JSON has one line for each;
- each wrong input is one message and exit code 2.
"""

import io
import json
import subprocess
import sys

import pytest
from small_model import LABELS, write_run

from tfxc import predict
from tfxc.errors import InputError
from tfxc.saved_model import load_saved_model


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("predict") / "run"
    write_run(folder)
    return folder


@pytest.fixture
def stdin(monkeypatch):
    def give(data):
        stream = io.TextIOWrapper(io.BytesIO(data), "utf-8")
        monkeypatch.setattr(sys, "stdin", stream)

    return give


def test_one_text(run, capsys):
    predict.main([str(run), "some red WINE", "-k", "2"])
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(maxsplit=1)[1] for line in lines] == [
        "red wine",
        "white wine",
    ]
    assert lines[0].split()[0] == "1.0000"
    assert len({line.index(line.split()[1]) for line in lines}) == 1


def test_several_texts_and_the_default_k(run, capsys):
    predict.main([str(run), "tea", "käse"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "tea" and lines[6] == "käse"
    assert lines[1].endswith("  tea") and lines[7].endswith("  Käse ☃")
    assert len(lines) == 2 * (1 + 5)


def test_json_of_lines(run, capsys, stdin, monkeypatch):
    monkeypatch.setattr(predict, "BATCH", 2)
    stdin("tea\n\n  käse \r\nmeat\n\nred wine".encode())
    predict.main([str(run), "--json", "-k", "99"])
    answers = [
        json.loads(line) for line in capsys.readouterr().out.splitlines()
    ]
    queries = [answer["query"] for answer in answers]
    assert queries == ["tea", "käse", "meat", "red wine"]
    model, _ = load_saved_model(run)
    found = model.search(queries, 99)
    for row, answer in enumerate(answers):
        ids, scores, names = (
            [label[name] for label in answer["labels"]]
            for name in ("id", "score", "name")
        )
        assert ids == found["ids"][row].numpy().tolist()
        assert scores == pytest.approx(found["scores"][row].numpy(), abs=1e-6)
        assert names == [LABELS[i] for i in ids]
    assert len(answers[0]["labels"]) == len(LABELS)


def test_names_do_not_steer_the_terminal():
    assert predict.printable("a\x1b[2Jb\nc é") == "a [2Jb c é"


@pytest.mark.parametrize(
    ("arguments", "data", "message"),
    [
        (["tea", "-k", "0"], b"", r"-k: expected 1 to 2147483647. Received: 0"),
        (["tea", "-k", "-3"], b"", r"-k: .* Received: -3"),
        (["tea", "-k", str(2**31)], b"", r"-k: .* Received: "),
        (["tea", " "], b"", r"text 2: expected some text\. Received: ' '"),
        ([""], b"", r"text 1: expected some text\. Received: ''"),
        ([], b"", r"standard input: expected texts\. Received: none"),
        ([], b"\n \n", r"standard input: expected texts\. Received: none"),
        ([], b"tea\n\xff\n", r"standard input, line 2: expected UTF-8"),
    ],
)
def test_bad_input(run, stdin, arguments, data, message):
    stdin(data)
    with pytest.raises(InputError, match=message):
        predict.main([str(run), *arguments])


def test_no_run(tmp_path):
    with pytest.raises(InputError, match="no such folder"):
        predict.main([str(tmp_path / "run"), "tea"])


def test_command_line(tmp_path):
    for arguments, code in ((["nowhere", "tea"], 2), (["--help"], 0), ([], 2)):
        options = ["-X", "importtime", "-m", "tfxc.predict"]
        done = subprocess.run(
            [sys.executable, *options, *arguments],
            capture_output=True,
            text=True,
        )
        assert done.returncode == code
        assert "Traceback" not in done.stderr
        imported = [
            line.rpartition("|")[2].strip()
            for line in done.stderr.splitlines()
            if line.startswith("import time:")
        ]
        assert "tyro" in imported and "tensorflow" not in imported
        if arguments[:1] == ["nowhere"]:
            assert done.stderr.splitlines()[-1].startswith("error: nowhere: ")


def test_text_that_is_not_utf8(run):
    with pytest.raises(InputError, match="text 1: expected UTF-8"):
        predict.main([str(run), "caf\udce9"])


FEATURES = {"num_features": 100}


@pytest.mark.parametrize("text", ["3:0.5 17:1", "99", "0:-1e3 2:4"])
def test_features_that_a_model_reads(text):
    predict.check_text(text, "text 1", FEATURES)


@pytest.mark.parametrize(
    "text",
    [
        *("machine learning", "100:1", "-1:1", "3:nan", "3:inf", "3:", "a:1"),
        *("3:1e39", "1_0:1", "3:1_0", "3:1:9", "\u0663:1"),
    ],
)
def test_features_that_no_model_reads(text):
    with pytest.raises(InputError, match=r"text 1: .* Received: '"):
        predict.check_text(text, "text 1", FEATURES)
    predict.check_text(text, "text 1", {})  # is text for a model of texts
