"""Invariants of the names given to what source files document:

- no file is run: one that would fail on import is read like any other;
- what this Python cannot parse is skipped, and no warning gets out;
- a package's own name for a thing replaces the place where it is written;
  other public names are added, and private ones never appear;
- a public class has the documented methods of its private bases;
- docstrings that stand elsewhere (`add_newdoc`, `__doc__ = ...`) are found;
- on the installed packages, names that everybody knows come out.
"""

import importlib.util
import pathlib
import warnings

import pytest

from tfxc.data.builtin.docstrings import read_module, signature_names
from tfxc.data.builtin.library import module_name
from tfxc.data.builtin.public_names import documented_names
from tfxc.data.builtin.python_files import python_files


def library_of(folder, **sources):
    """Writes `pkg/<name>.py` for each source; a double `_` is a folder."""
    files = {}
    for name, source in sources.items():
        parts = ["pkg", *name.split("__")]
        path = folder.joinpath(*parts).with_suffix(".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source)
        parts = parts[:-1] if parts[-1] == "init" else parts
        if path.stem == "init":
            path = path.rename(path.with_name("__init__.py"))
        files[".".join(parts)] = str(path)
    return dict(sorted(files.items()))


def names_of(files):
    return {thing.docstring: thing.names for thing in documented_names(files)}


def test_a_package_names_what_it_imports(tmp_path):
    files = library_of(
        tmp_path,
        init="from .sub import Thing\nfrom ._core import *\nimport os",
        sub="class Thing:\n  'T'\n  def go(self): 'G'\n  def _no(self): 'N'\n"
        "def stay(): 'S'\n",
        _core="__all__ = ['seen']\ndef seen(): 'C'\ndef other(): 'O'\n",
        also="from pkg._core import seen\n__all__ = ['seen']",
    )
    assert names_of(files) == {
        "T": ("pkg.Thing",),
        "G": ("pkg.Thing.go",),
        "S": ("pkg.sub.stay",),
        "C": ("pkg.also.seen", "pkg.seen"),
    }


def test_aliases_of_a_module_are_names_too(tmp_path):
    files = library_of(
        tmp_path,
        random="class Random:\n  def draw(self): 'D'\n  def late(self): 'L'\n"
        "_one = Random()\ndraw = _one.draw\nRandom2 = Random\n"
        "Late = export('x')(wrap(_late))\ndef _late(): 'W'\n",
    )
    assert names_of(files) == {
        "D": (
            "pkg.random.Random.draw",
            "pkg.random.Random2.draw",
            "pkg.random.draw",
        ),
        "L": ("pkg.random.Random.late", "pkg.random.Random2.late"),
        "W": ("pkg.random.Late",),
    }


def test_private_bases_lend_their_methods(tmp_path):
    files = library_of(
        tmp_path,
        _base="class Root:\n  def deep(self): 'D'\n"
        "  def fit(self): 'replaced by Base'\n"
        "  def top(self): 'replaced by Model'\n"
        "class Base(Root):\n  def fit(self, x): 'F'\n  def run(self): 'R'\n",
        model="from pkg import _base as b\nclass Model(b.Base):\n"
        "  def run(self): 'own'\n  def fit(self): pass\n"
        "  def top(self): 'top'\n"
        "class Child(Model):\n  'child'\n",
    )
    assert names_of(files) == {
        "D": ("pkg.model.Model.deep",),
        "F": ("pkg.model.Model.fit",),
        "own": ("pkg.model.Model.run",),
        "top": ("pkg.model.Model.top",),
        "child": ("pkg.model.Child",),
    }


def test_docstrings_that_stand_elsewhere(tmp_path):
    files = library_of(
        tmp_path,
        c="def a(x): pass\na.__doc__ = d._b.__doc__\nfrom pkg import d",
        d="def _b(): 'B'",
        _add_newdocs="add_newdoc('pkg.c', 'empty', 'empty(n, *, m=1)')\n"
        "add_newdoc('pkg.c', 'array', 'A')\n"
        "add_newdoc('pkg.c', 'array', ('size', 'S'))\n"
        "add_newdoc('pkg.c', 'array', [('ndim', 'N'), ('T', 'T')])\n"
        "add_newdoc(f(), 'x', 'X'); add_newdoc('pkg.c', 'late', 'L'.lower())",
    )
    things = {t.docstring: t for t in documented_names(files)}
    assert things["empty(n, *, m=1)"].arguments == ("n", "m")
    assert things["B"].names == ("pkg.c.a",)
    assert things["B"].arguments == ("x",)
    assert things["S"].names == ("pkg.c.array.size",)
    assert things["T"].names == ("pkg.c.array.T",)
    assert things["L"].names == ("pkg.c.late",)
    assert set(things) - {"empty(n, *, m=1)"} == set("BASNTL")


def test_circles_of_imports_end(tmp_path):
    files = library_of(
        tmp_path,
        a="from pkg.b import *\nfrom pkg.b import x",
        b="from pkg.a import *\nfrom pkg.a import x\nclass C(C): 'C'",
    )
    assert names_of(files) == {"C": ("pkg.b.C",)}


def test_nothing_is_run_and_bad_files_are_skipped(tmp_path):
    files = library_of(
        tmp_path,
        boom="'module'\nraise SystemExit\ndef late(): 'L'\n",
        escape="def warns(): 'a \\d'\n",
        future="def f(: 'no'",
        null="a = '\0'",
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # the escape is a warning when parsed
        names = names_of(files)
    assert names == {
        "module": ("pkg.boom",),
        "L": ("pkg.boom.late",),
        "a \\d": ("pkg.escape.warns",),
    }


def test_reads_signatures_and_conditional_definitions():
    module = read_module(
        b"if a:\n  def f(x, /, y, *z, k=1, **w): 'F'\nelse:\n  def f(): pass\n"
        b"try:\n  import b as c\nexcept ImportError:\n  from .. import c\n"
        b"class K(e.B, f()):\n  def __init__(self, p, *, q): 'I'\n"
        b"  @staticmethod\n  def s(r): pass\n  async def m(self, t): pass\n"
        b"__all__ = ['f']\n__all__ += ['K']\n__all__.append('m')\n",
        "pkg.sub.mod",
    )
    found = module.definitions
    assert found["f"].arguments == ("x", "y", "k")
    assert (found["K"].docstring, found["K"].arguments) == ("I", ("p", "q"))
    assert found["K"].bases == ("e.B",)
    assert found["K.s"].arguments == ("r",)
    assert found["K.m"].arguments == ("t",)
    assert module.imports == {"c": ("b", None)}
    assert module.public == {"f", "K", "m"}
    assert read_module(b"__all__ = f()", "a").public is None
    assert read_module(b"from .. import c", "a.b").imports["c"] == ("a", "c")


def test_signature_names():
    text = "\n  arange([start,] stop[, step,], dtype=None, *, like=None)\n\nX"
    assert signature_names(text) == ("start", "stop", "step", "dtype", "like")
    assert signature_names("No signature (here).") == ()


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("json.decoder", "json.decoder"),
        ("_pydecimal", "decimal"),
        ("json._private", ""),
        ("keras.src.layers", ""),
        ("keras.layers", "keras.layers"),
        ("keras._tf_keras.keras", ""),
        ("tensorflow", "tensorflow"),
        ("tensorflow._api.v2.nn", "tensorflow.nn"),
        ("tensorflow._api.v2.__internal__", ""),
        ("tensorflow.python.ops.nn_ops", ""),
    ],
)
def test_module_name(module, name):
    assert module_name(module) == name


def test_known_names_of_the_installed_packages():
    files = python_files()
    tops = ("random", "unittest", "posixpath", "genericpath", "xml", "numpy")
    some = {
        name: path
        for name, path in files.items()
        if name.partition(".")[0] in tops
    }
    names = {n for thing in documented_names(some) for n in thing.names}
    assert names >= {
        "xml.etree.ElementTree.dump",
        "unittest.TestCase.assertEqual",
        "random.shuffle",
        "os.path.join",
        "os.path.exists",
        "numpy.empty",
        "numpy.concatenate",
        "numpy.ndarray.shape",
        "numpy.linalg.norm",
        "numpy.ma.MaskedArray.filled",
        "numpy.polynomial.Polynomial.fit",
    }
    assert not [n for n in names if n.startswith("_") or "._" in n]
    assert not {"unittest.case.TestCase", "numpy.ma.core.MaskedArray"} & names
    assert not [n for n in files if ".tests." in f".{n}."]


def test_files_are_found_without_importing(monkeypatch):
    files = python_files()
    assert files["json.decoder"].endswith("decoder.py")
    assert files["json"].endswith("__init__.py")
    assert list(files) == sorted(files)
    assert {n.partition(".")[0] for n in files} >= {"numpy", "keras"}
    assert all(pathlib.Path(path).is_file() for path in files.values())
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    alone = python_files()
    assert "json.decoder" in alone and "numpy" not in alone
