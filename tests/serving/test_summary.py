"""Invariants of what a finished run tells:

- three examples, one of each kind where there are such, none twice;
- names with markup are shown as they are; a query with quotes can be pasted.
"""

import io
import shlex

import pytest
from rich.console import Console

from tfxc.run import Run
from tfxc.serving import print_summary
from tfxc.serving.summary import three_kinds


def example(query, *hits):
    predicted = [
        {"name": f"[b]{i}[/b]", "score": 0.5, "hit": hit}
        for i, hit in enumerate(hits)
    ]
    return {"query": query, "relevant": ["x"], "predicted": predicted}


RIGHT = example('it\'s the "right" $(one) `now`', True, False)
LATER = example("later", False, True)
WRONG = example("wrong", False, False)


@pytest.mark.parametrize(
    ("examples", "expected"),
    [
        ([WRONG, WRONG, LATER, RIGHT, RIGHT], [RIGHT, LATER, WRONG]),
        ([LATER, example("more", True), RIGHT], [None, LATER, RIGHT]),
        ([WRONG], [WRONG]),
        ([], []),
    ],
)
def test_three_kinds(examples, expected):
    chosen = three_kinds(examples)
    expected = [examples[1] if e is None else e for e in expected]
    assert chosen == expected


def test_print_summary(tmp_path):
    console = Console(file=io.StringIO(), width=200)
    print_summary(Run(tmp_path), {"P@1": 50.0}, [RIGHT, WRONG], console)
    text = console.file.getvalue()
    assert "+ 0.500  [b]0[/b]" in text and "  0.500  [b]1[/b]" in text
    [line] = [line for line in text.splitlines() if "tfxc.predict" in line]
    command = ["Next:", "python", "-m", "tfxc.predict"]
    arguments = [str(tmp_path), RIGHT["query"], "-k", "5"]
    assert shlex.split(line) == [*command, *arguments]
    assert "report.html" in text and "50.0" in text
