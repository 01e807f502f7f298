"""The examples in the docstrings run, and the package needs numpy alone."""

import doctest
import importlib
import subprocess
import sys

import numpy as np
import pytest

import tfxc.batching
import tfxc.data.label_lists

MODULES = [
    "two_means",
    "clusters",
    "mean_cosine",
    "plan",
    "curriculum",
    "diagnostics",
]


@pytest.mark.parametrize("name", MODULES)
def test_examples(name):
    module = importlib.import_module(f"tfxc.batching.{name}")
    result = doctest.testmod(module, extraglobs={"tfxc": tfxc, "np": np})
    assert result.attempted and not result.failed


def test_numpy_is_enough():
    program = (
        "import sys, tfxc.batching; print({'tensorflow', 'keras', 'scipy'}"
        " & set(sys.modules))"
    )
    run = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True
    )
    assert run.stdout.strip() == b"set()"
