"""`python train.py` on a small data set, for the tests that start it."""

import contextlib
import io
import json
import os
import pathlib
import random
import subprocess
import sys
import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf

import train
from tfxc.command import run_command
from tfxc.saved_model import load_saved_model

ROOT = pathlib.Path(__file__).parents[1]
SMALL = ["--batch-size", "32", "--num-candidates", "64", "--dim", "16"]
SMALL += ["--hidden", "8", "--length", "8", "--label-length", "8"]
SMALL += ["--cluster-start", "1", "--validation-rows", "20"]
SMALL += ["--classifier-candidates", "64"]


def write_small_data(folder, words=None):
    """Writes tab-separated lines, with labels that words tell."""
    folder.mkdir()
    chance = random.Random(0)
    words = words or [f"word{i}" for i in range(30)]
    lines = []
    for number in range(600):
        chosen = chance.sample(words, 3)
        lines.append(
            "\t".join([f"{' '.join(chosen)} nr {number}", *chosen[:2]])
        )
    (folder / "train.tsv").write_text("\n".join(lines[:500]) + "\n")
    (folder / "test.tsv").write_text("\n".join(lines[500:]) + "\n")
    return folder


def start(arguments, cache):
    """Starts `train.py`; its output is kept."""
    return subprocess.Popen(
        [sys.executable, ROOT / "train.py", *map(str, arguments)],
        env={**os.environ, "TFXC_CACHE": str(cache)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(arguments, cache):
    """`(exit code, standard output, standard error)` of `train.py`."""
    process = start(arguments, cache)
    output, errors = process.communicate(timeout=300)
    return process.returncode, output, errors


def run_here(arguments, cache):
    """As `run`, in this process, which has imported TensorFlow already."""
    policy = keras.config.dtype_policy()
    with (
        pytest.MonkeyPatch.context() as patch,
        contextlib.redirect_stdout(io.StringIO()) as output,
        contextlib.redirect_stderr(io.StringIO()) as errors,
        warnings.catch_warnings(),
    ):
        # Of midx, where there are fewer labels than codes.
        warnings.filterwarnings("ignore", "Number of distinct clusters")
        patch.setenv("TFXC_CACHE", str(cache))
        patch.setattr(sys, "argv", ["train.py", *map(str, arguments)])
        try:
            code = run_command(train.main)
        except SystemExit as stop:  # of what parses the command line
            code = stop.code or 0
        finally:
            keras.config.set_dtype_policy(policy)
    return code, output.getvalue(), errors.getvalue()


def files_below(folder):
    """What a folder holds, as `{path: bytes}`."""
    return {
        file: file.read_bytes() for file in folder.rglob("*") if file.is_file()
    }


def metrics_of(folder):
    """What `metrics.json` of a finished run holds."""
    return json.loads((folder / "metrics.json").read_text())


def served_precision(folder, data):
    """P@1, in percent, of what the exported model answers, line by line."""
    model, _ = load_saved_model(folder)
    lines = (data / "test.tsv").read_text().splitlines()
    texts, *labels = zip(*(line.split("\t") for line in lines), strict=True)
    names = model.search(tf.constant(texts), 1)["names"].numpy()[:, 0]
    right = zip(*labels, strict=True)
    hits = [
        name.decode() in row for name, row in zip(names, right, strict=True)
    ]
    return 100 * np.mean(hits)
