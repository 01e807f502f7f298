"""Invariants of what the packages export:

- every name has a docstring, and the examples in it run as they stand, with
  no more than `import tfxc` and `import numpy as np`;
- a name stays what it is, in whatever order the names are first used;
- recipes use exported names only: they prove that the parts suffice;
- what is said to need no TensorFlow imports without it.
"""

import ast
import doctest
import importlib
import inspect
import os
import pathlib
import subprocess
import sys
import typing

import numpy as np
import pytest

import tfxc

ROOT = pathlib.Path(__file__).parent.parent
RECIPES = sorted((ROOT / "models").rglob("*.py"))


def exported(stage):
    """Names that a package offers, and no modules."""
    module = importlib.import_module(f"tfxc.{stage}")
    names = {*vars(module), *vars(module).get("TENSORFLOW", {})}
    return [
        name
        for name in sorted(names)
        if not name.startswith("_")
        and name != "TENSORFLOW"
        and not inspect.ismodule(getattr(module, name))
    ]


NAMES = [(stage, name) for stage in tfxc.STAGES for name in exported(stage)]
OBJECTS = [
    (stage, name)
    for stage, name in NAMES
    for thing in [getattr(importlib.import_module(f"tfxc.{stage}"), name)]
    if callable(thing) and typing.get_origin(thing) is None
]
NEED_A_TRAINED_MODEL = ["export_saved_model", "QueryVectors", "write_report"]
SLOW = ["python_api_dataset"]  # reads all of Python's documentation


def test_there_is_something_to_test():
    for stage in tfxc.STAGES:
        assert exported(stage), stage
    assert len(OBJECTS) > 40 and len(RECIPES) >= 2
    assert ("data", "prepare") in OBJECTS


@pytest.mark.parametrize("stage", tfxc.STAGES)
def test_packages_say_what_they_hold(stage):
    package = importlib.import_module(f"tfxc.{stage}")
    assert len(package.__doc__) > 20
    assert getattr(tfxc, stage) is package
    assert stage in dir(tfxc)


@pytest.mark.parametrize(
    ("stage", "name"),
    [
        pytest.param(*pair, marks=[pytest.mark.slow] * (pair[1] in SLOW))
        for pair in OBJECTS
    ],
)
def test_docstrings_and_their_examples(stage, name):
    thing = getattr(getattr(tfxc, stage), name)
    first = (thing.__doc__ or "").split("\n")[0]
    assert first.endswith((".", ":")) and len(first) > 10
    assert not first.startswith(f"{name}("), "a dataclass wrote it"
    if name in NEED_A_TRAINED_MODEL:
        return
    runner = doctest.DocTestRunner()
    for example in doctest.DocTestFinder().find(
        thing, name, module=inspect.getmodule(thing)
    ):
        example.globs = {"tfxc": tfxc, "np": np}
        runner.run(example)
    assert not runner.failures


def test_many_have_examples():
    with_example = [
        name
        for stage, name in OBJECTS
        if ">>> " in getattr(getattr(tfxc, stage), name).__doc__
    ]
    assert len(with_example) > 15


def test_unknown_names():
    for package in (tfxc, tfxc.data):
        with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
            _ = package.nonsense


@pytest.mark.parametrize("first", sorted(tfxc.data.TENSORFLOW))
def test_lazy_names_in_any_order(first, monkeypatch):
    """Importing the module `prepare` must not hide the function."""
    lazy = tfxc.data.TENSORFLOW
    for name in lazy:
        getattr(tfxc.data, name)
        monkeypatch.delattr(tfxc.data, name)
        module = f"tfxc.data.{lazy[name]}"
        monkeypatch.delitem(sys.modules, module, raising=False)
    for name in (first, *lazy):
        assert not inspect.ismodule(getattr(tfxc.data, name)), name


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_recipes_use_exported_names_only(path):
    tree = ast.parse(path.read_text())
    known = {".".join(("tfxc", *pair)) for pair in NAMES}
    known |= {"tfxc.InputError", "tfxc.run.Run"}
    chains = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
            assert not any(name.startswith("tfxc.") for name in names)
        if isinstance(node, ast.ImportFrom):
            assert (node.module or "").partition(".")[0] != "tfxc"
        if isinstance(node, ast.Attribute):
            chains.add(ast.unparse(node))
    used = {
        chain
        for chain in chains
        if chain.startswith("tfxc.") and chain not in tfxc_packages()
    }
    unknown = {
        chain
        for chain in used
        if not any((chain + ".").startswith(name + ".") for name in known)
    }
    assert not unknown
    assert used or path.stem == "__init__"


def tfxc_packages():
    return {f"tfxc.{stage}" for stage in tfxc.STAGES}


WITHOUT_TENSORFLOW = """
import sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("tensorflow", "tf_keras"):
            raise ImportError(f"{name} must not be imported")

sys.meta_path.insert(0, Refuse())
import numpy as np
import tfxc
"""


def run_without_tensorflow(program, **environment):
    subprocess.run(
        [sys.executable, "-c", WITHOUT_TENSORFLOW + program],
        check=True,
        cwd=ROOT,
        env={**os.environ, **environment},
    )


def test_numpy_stages_need_no_tensorflow():
    run_without_tensorflow(
        """
assert tfxc.batching.epoch_order(6, seed=0, epoch=1).tolist()
assert tfxc.metrics.inverse_propensity(np.array([1, 2]), 3).shape == (2,)
texts = tfxc.data.Texts.from_strings(["a", "bc"])
assert texts[1] == "bc" and tfxc.InputError
assert "keras" not in sys.modules
"""
    )


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_losses_need_no_tensorflow(backend):
    pytest.importorskip(backend)
    run_without_tensorflow(
        """
loss = tfxc.losses.decoupled_softmax(np.array([[1, 0]]), np.array([[2.0, 0]]))
assert abs(float(loss[0]) - np.log1p(np.exp(-2))) < 1e-5
""",
        KERAS_BACKEND=backend,
    )


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_samplers_and_encoders_need_no_tensorflow(backend):
    pytest.importorskip(backend)
    run_without_tensorflow(
        """
labels = np.random.default_rng(0).normal(size=(30, 4)).astype("float32")
for sampler in (
    tfxc.negatives.Uniform(30),
    tfxc.negatives.Midx(labels, words=4),
    tfxc.negatives.ClusterTreeSampler(labels, leaf_size=8),
):
    ids, log_q, _ = sampler(labels[:2], num=8)
    assert tuple(ids.shape) == tuple(log_q.shape) == (2, 8)
    total = np.exp(sampler.law(labels[:2])).sum(axis=1)
    assert np.allclose(total, 1, atol=1e-3), (sampler, total)
inputs = {"ids": np.array([[1, 2]]), "weights": np.array([[0.6, 0.8]])}
vectors = tfxc.encoders.BagEncoder(num_tokens=10, dim=4)(inputs)
assert abs(float((vectors**2).sum()) - 1) < 1e-5
""",
        KERAS_BACKEND=backend,
    )
