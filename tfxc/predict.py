"""Ranks labels for texts, with the model of a run.

python -m tfxc.predict RUN "how do I keep bread fresh" -k 5
python -m tfxc.predict RUN --json < one-text-per-line.txt
"""

import dataclasses
import itertools
import json
import pathlib
import re
import sys
from typing import Annotated

import tyro

from tfxc.command import run_command
from tfxc.errors import InputError
from tfxc.saved_model import load_saved_model, read_description

BATCH = 256  # lines of standard input that are answered together
NUMBER = r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?"
PAIR = re.compile(rf"([0-9]+)(?::({NUMBER}))?")
LARGEST = 3.4028235e38  # number of single precision


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
        raise InputError(
            f"-k: expected 1 to {2**31 - 1}. Received: {options.k}"
        )
    # Before a terminal is asked for lines.
    _, description = read_description(options.run)
    for number, text in enumerate(options.texts, start=1):
        check_text(text, f"text {number}", description)
    texts = iter(options.texts or read_lines(sys.stdin, description))
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


def check_text(text, place, description):
    """Raises `InputError` for what the model cannot read.

    Args:
        text: String.
        place: Where it stands, for the message.
        description: What `read_description` returns second.
    """
    if not text.strip():
        raise InputError(f"{place}: expected some text. Received: {text!r}")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InputError(
            f"{place}: expected UTF-8. Received: {text!r}"
        ) from error
    features = description.get("num_features")
    if features is None:
        return
    for pair in text.split():
        good = found = PAIR.fullmatch(pair)
        if found:
            number, value = found.groups(default="1")  # without a value: 1
            good = int(number) < features and abs(float(value)) <= LARGEST
        if not good:
            raise InputError(
                f"{place}: expected `feature:value` pairs, as the model was "
                f"trained on, with features below {features:,} and finite "
                f"values. Received: {pair!r}"
            )


def read_lines(stream, description):
    """The lines of a text stream that are not empty.

    Raises:
        InputError: naming the line, if it is not UTF-8 or nothing that the
            model of that description can read.
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
            check_text(text, f"standard input, line {number}", description)
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
