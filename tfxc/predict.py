"""Ranks labels for texts, with the model of a run.

python -m tfxc.predict RUN "how do I keep bread fresh" -k 5
python -m tfxc.predict RUN --json < one-text-per-line.txt
"""

import dataclasses
import itertools
import json
import pathlib
import sys
from typing import Annotated

import tyro

from tfxc.command import run_command
from tfxc.errors import InputError
from tfxc.saved_model import load_saved_model, read_description

BATCH = 256  # lines of standard input that are answered together


@dataclasses.dataclass(frozen=True)
class Options:
    """Ranks the labels of a trained model for texts."""

    run: tyro.conf.Positional[pathlib.Path]
    """Folder of a run, as train.py writes it, or of its saved_model."""
    texts: tyro.conf.Positional[tuple[str, ...]] = ()
    """Texts; without any, each line of standard input is one."""
    k: Annotated[int, tyro.conf.arg(aliases=["-k"])] = 5
    """How many labels to show for each text."""
    json: bool = False
    """Print one line of JSON for each text."""


def main(arguments=None):
    """Runs the command line; see the module's docstring."""
    options = tyro.cli(
        Options,
        args=arguments,
        prog="python -m tfxc.predict",
        config=(tyro.conf.FlagCreatePairsOff,),
    )
    if not 1 <= options.k < 2**31:
        raise InputError(f"-k: expected at least 1. Received: {options.k}")
    for number, text in enumerate(options.texts, start=1):
        if not text.strip():
            raise InputError(
                f"text {number}: expected some text. Received: {text!r}"
            )
    read_description(options.run)  # before a terminal is asked for lines
    texts = iter(options.texts or read_lines(sys.stdin))
    at_terminal = not options.texts and sys.stdin.isatty()
    model = None
    while batch := list(itertools.islice(texts, 1 if at_terminal else BATCH)):
        if model is None:
            model, _ = load_saved_model(options.run)
        for text, labels in zip(
            batch, predict(model, batch, options.k), strict=True
        ):
            show(text, labels, options)
        sys.stdout.flush()
    if model is None:
        raise InputError("standard input: expected texts. Received: none")


def predict(model, texts, k):
    """The best labels of each text.

    Args:
        model: What `tfxc.serving.load_saved_model` returns.
        texts: List of strings.
        k: Positive integer.

    Returns:
        For each text a list of at most `k` labels, best first: `[{"id": int,
        "name": str, "score": float}, ...]`.
    """
    found = model.search(texts, k)
    columns = (
        found[name].numpy().tolist() for name in ("ids", "names", "scores")
    )
    return [
        [
            {"id": i, "name": name.decode("utf-8", "replace"), "score": score}
            for i, name, score in zip(*row, strict=True)
        ]
        for row in zip(*columns, strict=True)
    ]


def read_lines(stream):
    """The lines of a text stream that are not empty.

    Raises:
        InputError: naming the line, if it is not UTF-8.
    """
    for number, line in enumerate(stream.buffer, start=1):
        try:
            text = line.decode().strip()
        except UnicodeDecodeError as error:
            raise InputError(
                f"standard input, line {number}: expected UTF-8. "
                f"Received: {error}"
            ) from error
        if text:
            yield text


def show(text, labels, options):
    """Prints one answer."""
    if options.json:
        line = {"query": text, "labels": labels}
        print(json.dumps(line, ensure_ascii=False))
        return
    if len(options.texts) != 1:
        print(printable(text))
    for label in labels:
        print(f"{label['score']:8.4f}  {printable(label['name'])}")


def printable(text):
    """`text` on one line, without the codes that steer a terminal."""
    return "".join(c if c.isprintable() else " " for c in text)


if __name__ == "__main__":
    sys.exit(run_command(main))
