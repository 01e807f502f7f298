"""Invariants of the built-in data set:

- a zero-shot label has no training query, and every other label has one;
- no sentence stands on both sides, whatever its capitals;
- the side of a query depends on its text and labels, not on other rows, and
  the choice equals a loop over the rule;
- each label has a sentence of its own, or two; boilerplate is dropped;
- aliases of one thing have the same sentences and the same side;
- the fingerprint follows the files and the rules, and opens no file.
"""

import builtins
import itertools

import numpy as np
import pytest

from tfxc.data.builtin import python_api
from tfxc.data.builtin.public_names import Documented
from tfxc.data.builtin.python_api import (
    choose_test,
    connect,
    label_text,
    python_api_dataset,
    python_api_fingerprint,
    unit_hash,
)
from tfxc.data.builtin.python_files import python_files

TOPS = ("xml", "random", "unittest", "collections", "email", "statistics")


def some_files():
    files = python_files()
    return {n: p for n, p in files.items() if n.partition(".")[0] in TOPS}


@pytest.fixture(scope="module")
def small():
    """The data set of a few packages, which takes a tenth of the time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(python_api, "python_files", some_files)
        return python_api_dataset()


def strings(texts):
    return [text.decode() for text in texts.encoded()]


def thing(*names, docstring="", arguments=()):
    return Documented(names, docstring, arguments)


def check_split(data):
    counts = data.train.relevant.counts()
    unseen = counts == 0
    tested = data.test.relevant.counts()
    assert (counts + tested > 0).all(), "a label without queries"
    of_unseen = [
        unseen[data.test.relevant[row]].any() for row in range(len(data.test))
    ]
    assert 0.01 < unseen.mean() < 0.1
    assert 0.02 < np.mean(of_unseen) < 0.7
    assert 0.05 < len(data.test) / (len(data.test) + len(data.train)) < 0.25
    sides = [
        {query.casefold() for query in strings(split.queries)}
        for split in (data.train, data.test)
    ]
    assert len(sides[0]) == len(data.train)
    assert len(sides[1]) == len(data.test)
    assert not sides[0] & sides[1]
    for split in (data.train, data.test):
        assert (split.relevant.row_counts() > 0).all()
        assert split.relevant.num_columns == data.num_labels
        assert len(split.filtered) == len(split)
        assert split.filtered.ids.size == 0


def test_split(small):
    assert len(small.train) > 500
    check_split(small)


def test_sentences_of_a_known_label(small):
    names = strings(small.label_names)
    assert names == sorted(set(names))
    label = names.index("xml.etree.ElementTree.dump")
    assert small.labels[label] == "xml etree ElementTree element tree dump elem"
    found = {
        split.queries[row]
        for split in (small.train, small.test)
        for row in range(len(split))
        if label in split.relevant[row]
    }
    assert found == {
        "Write element tree or element structure to sys.stdout",
        "This function should be used for debugging only",
    }


def test_two_builds_are_equal(small, monkeypatch):
    monkeypatch.setattr(python_api, "python_files", some_files)
    again = python_api_dataset()
    for one, two in ((small.train, again.train), (small.test, again.test)):
        np.testing.assert_array_equal(one.queries.utf8, two.queries.utf8)
        np.testing.assert_array_equal(one.relevant.ids, two.relevant.ids)


def test_the_side_depends_on_the_text(small, monkeypatch):
    """Half of the packages give the same sides, but for two stated cases."""

    def fewer_files():
        tops = ("xml", "random")
        files = some_files()
        return {n: p for n, p in files.items() if n.partition(".")[0] in tops}

    monkeypatch.setattr(python_api, "python_files", fewer_files)
    fewer = python_api_dataset()
    sides = {q: 0 for q in strings(small.train.queries)}
    sides |= {q: 1 for q in strings(small.test.queries)}
    own = {q: 0 for q in strings(fewer.train.queries)}
    own |= {q: 1 for q in strings(fewer.test.queries)}
    common = [q for q in own if q in sides]
    assert len(common) > 100 and sum(own.values()) > 10
    changed = [q for q in common if own[q] != sides[q]]
    assert len(changed) <= 0.01 * len(common)  # sentences that others share


def rule(pairs, fractions, unseen):
    """The docstring of `choose_test`, one query and label at a time."""
    labels = {q: set() for q in range(len(fractions))}
    for query, label in zip(*pairs, strict=True):
        labels[query].add(label)
    touched = {q for q in labels if any(unseen[n] for n in labels[q])}
    is_test = []
    for query, own in labels.items():
        highest = any(
            all(
                fractions[query] >= fractions[other]
                for other in labels
                if label in labels[other] and other not in touched
            )
            for label in own
        )
        low = fractions[query] < python_api.TEST_SHARE
        is_test.append(query in touched or (low and not highest))
    return is_test


def test_choose_test_equals_the_rule(rng):
    seen = set()
    for _ in range(200):
        queries, labels = rng.integers(1, 12, size=2)
        pairs = {(q, int(rng.integers(labels))) for q in range(queries)}
        pairs |= {
            (int(rng.integers(queries)), int(rng.integers(labels)))
            for _ in range(5)
        }
        pairs = tuple(np.array(sorted(pairs)).T)
        fractions = rng.uniform(0, 0.2, size=queries)
        unseen = rng.random(labels) < 0.2
        got = choose_test(pairs, fractions, unseen)
        expected = rule(pairs, fractions, unseen)
        assert got.tolist() == expected
        seen |= set(zip(got.tolist(), (fractions < 0.1).tolist(), strict=True))
    assert len(seen) == 4, "some case never came up"


def test_connect_merges_and_drops():
    many = [(thing(f"m{n}"), ["Emit one record"]) for n in range(11)]
    wide = thing(*(f"w{n:02}" for n in range(21)))
    entries = [
        (thing("a.f", "b.f"), ["Sort in place", "Then return it"]),
        (thing("c.g"), ["sort in place", "Shared by two things"]),
        (thing("d.h"), ["Shared by two things"]),
        (thing("e.k"), ["The only one here"]),
        (wide, ["Convert from anything"]),
        *many,
    ]
    queries, names, pairs = connect(entries)
    assert names == ["a.f", "b.f", "c.g", "e.k"]
    relevant = {query: set() for query in queries}
    for row, column in zip(*pairs, strict=True):
        relevant[queries[row]].add(names[column])
    assert relevant == {
        "Sort in place": {"a.f", "b.f", "c.g"},
        "Then return it": {"a.f", "b.f"},
        "Shared by two things": {"c.g"},
        "The only one here": {"e.k"},
    }


def test_aliases_stay_together(monkeypatch):
    letters = itertools.product("abcdefghijklmnopqrst", repeat=2)
    things = [
        thing(f"a.{x}{y}", f"b.{x}{y}", docstring=f"Compute value {x}{y}.")
        for x, y in letters
    ]
    monkeypatch.setattr(python_api, "documented_names", lambda files: things)
    data = python_api_dataset()
    unseen = np.flatnonzero(data.train.relevant.counts() == 0)
    names = [data.label_names[label] for label in unseen]
    sides = [{n[2:] for n in names if n[0] == place} for place in "ab"]
    chosen = {t.names[0][2:] for t in things if unit_hash(t.names[0]) < 0.05}
    assert sides[0] == sides[1] == chosen and len(chosen) > 5


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("keras.layers.Conv2D", "keras layers Conv2D conv 2d"),
        ("numpy.atleast_2d", "numpy atleast 2d"),
        ("tensorflow.nn.conv2d", "tensorflow nn conv2d conv 2d"),
        ("x.MaxPool3DGrad", "x MaxPool3DGrad max pool 3d grad"),
        ("ipaddress.IPv4Address", "ipaddress IPv4Address ipv4 address"),
        ("x.HTTPConnection", "x HTTPConnection http connection"),
        ("x.BatchMatMulV3", "x BatchMatMulV3 batch mat mul v3"),
        ("x.int32.md5.XML", "x int32 md5 xml"),
    ],
)
def test_label_text(name, text):
    assert label_text(name, ()) == text
    assert label_text(name, ("num_rows",)) == text + " num rows"


def test_unit_hash_is_uniform_and_fixed():
    values = np.array([unit_hash(f"text {n}") for n in range(4000)])
    counts = np.histogram(values, bins=10, range=(0, 1))[0]
    assert counts.sum() == 4000 and 330 < counts.min() <= counts.max() < 470
    # Another value here means other splits: raise RULES_VERSION with it.
    assert unit_hash("sort in place é") == 0.8279294473213987


def test_fingerprint(monkeypatch, tmp_path):
    file = tmp_path / "a.py"
    file.write_text("'one'")
    monkeypatch.setattr(
        python_api, "python_files", lambda: {"a": str(file), "b": str(file)}
    )
    first = python_api_fingerprint()
    assert python_api_fingerprint() == first
    file.write_text("'three'")
    second = python_api_fingerprint()
    monkeypatch.setattr(python_api, "RULES_VERSION", 10**6)
    third = python_api_fingerprint()
    assert len({first, second, third}) == 3


def test_fingerprint_opens_no_source_file(monkeypatch):
    opened = []
    real = builtins.open

    def spy(path, *args, **kwargs):
        opened.append(str(path))
        return real(path, *args, **kwargs)

    monkeypatch.setattr(builtins, "open", spy)
    assert "tensorflow-2." in python_api_fingerprint()
    assert not [path for path in opened if path.endswith(".py")]


@pytest.mark.slow
def test_the_whole_data_set():
    data = python_api_dataset()
    check_split(data)
    assert data.num_labels > 8000 and len(data.train) > 12000
    names = set(strings(data.label_names))
    assert names >= {
        "xml.etree.ElementTree.dump",
        "random.choice",
        "shutil.rmtree",
        "numpy.pad",
        "keras.Model.fit",
        "keras.models.Model.fit",
        "keras.layers.Dense",
        "tensorflow.data.Dataset.map",
        "tensorflow.nn.softmax",
        "tensorflow.math.add",
        "tensorflow.raw_ops.BatchToSpaceND",
    }
    hidden = ("keras.src.", "tensorflow.python.", "tensorflow.compat.v")
    assert not [n for n in names if n.startswith(hidden) or "._" in n]
