"""Invariants of the README:

- its Python runs as it stands, but for what needs a trained model;
- its tables are those of the committed results.
"""

import importlib
import pathlib
import re

ROOT = pathlib.Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def test_python_runs():
    blocks = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    names = {}
    for block in blocks:
        if "saved_model" not in block:
            exec(block, names)
    assert 400 < len(names["rows"]) <= 512
    assert names["losses"].shape == (8,)
    assert names["ids"].shape == names["log_q"].shape == (4, 16)
    assert "staleness" in names["report"]


def test_tables_are_those_of_the_results(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    table = importlib.import_module("table")
    # `python benchmarks/table.py` brings them up to date.
    assert table.with_tables(README) == README
