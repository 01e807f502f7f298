"""The built-in data set: find a Python function from what it should do."""

import collections
import hashlib
import re

import numpy as np

from tfxc.data.builtin.public_names import documented_names
from tfxc.data.builtin.python_files import files_fingerprint, python_files
from tfxc.data.builtin.sentences import described
from tfxc.data.dataset import Dataset, Split
from tfxc.data.label_lists import LabelLists
from tfxc.data.texts import Texts

RULES_VERSION = 2  # raise it whenever the rules below give other rows
# Boilerplate: a sentence of more docstrings, or more names, than this.
MAX_SHARED, MAX_LABELS = 10, 20
# A label is kept if its sentences count 2: those that other docstrings share
# count 1, one of its own counts 2, since it alone tells the label apart. With
# 1 instead, `random.choice` goes, and so does one well-known name in five.
MIN_COUNT = 2
OWN_COUNTS = 2
TEST_SHARE = 0.1
ZERO_SHOT_SHARE = 0.05
# `MaxPool3DGrad` is max, pool, 3d, grad; `conv2d` is conv, 2d; `int32` is one.
WORD = re.compile(
    r"[A-Z]+v\d+|\d+[Dd](?![a-z])"
    r"|(?:[A-Z]+(?![a-z])|[A-Z]?[a-z]+)(?:\d+(?![\dDd]))?|\d+"
)


def python_api_dataset():
    """Builds a data set from the docstrings that are installed anyway.

    It needs no download: the standard library, numpy, keras and tensorflow are
    read as source, without importing them. A query is a sentence in which a
    docstring says what something does, its labels are the public names of
    that thing, and a label's text is its name and its parameters in words.

    About one query in ten is for testing. One label in twenty is zero-shot: it
    has no training query, and all its queries are for testing, so
    `train.relevant.counts() == 0` marks those labels. Which rows these are
    depends on a hash of each text alone. It takes about ten seconds.

    Returns:
        A `Dataset` whose queries and labels are `Texts`; nothing is filtered.

    Example:

    >>> data = tfxc.data.python_api_dataset()
    >>> row = data.label_names.encoded().index(b"xml.etree.ElementTree.dump")
    >>> data.labels[row]
    'xml etree ElementTree element tree dump elem'
    """
    entries = [
        (thing, described(thing.docstring))
        for thing in documented_names(python_files())
    ]
    queries, names, pairs = connect(entries)
    things = {n: thing for thing, _ in reversed(entries) for n in thing.names}
    fractions = np.array([unit_hash(query) for query in queries])
    # All names of one thing are zero-shot together: they share its sentences.
    unseen = np.array([unit_hash(things[n].names[0]) for n in names])
    is_test = choose_test(pairs, fractions, unseen < ZERO_SHOT_SHARE)

    relevant = LabelLists.from_pairs(*pairs, len(queries), len(names))
    return Dataset(
        make_split(queries, relevant, np.flatnonzero(~is_test)),
        make_split(queries, relevant, np.flatnonzero(is_test)),
        Texts.from_strings(label_text(n, things[n].arguments) for n in names),
        Texts.from_strings(names),
    )


def python_api_fingerprint():
    """A string that changes when `python_api_dataset` would return other rows.

    It holds the versions of Python, of the packages and of the rules, and a
    digest of the names and sizes of all files that may be read; it opens none.
    """
    return f"rules-{RULES_VERSION}-{files_fingerprint(python_files())}"


def connect(entries):
    """Joins sentences to names, and drops what cannot be learned from.

    Args:
        entries: `(Documented, sentences)` pairs.

    Returns:
        The queries and the label names, as lists of strings, and the
        relevant pairs as two int arrays: query numbers and label numbers.
    """
    texts, places = {}, collections.defaultdict(set)
    for number, (_, sentences) in enumerate(entries):
        for sentence in sentences:
            key = sentence.casefold()
            texts.setdefault(key, sentence)
            places[key].add(number)
    labels, counts = {}, collections.Counter()
    for key, numbers in places.items():
        names = {name for n in numbers for name in entries[n][0].names}
        if len(numbers) <= MAX_SHARED and len(names) <= MAX_LABELS:
            labels[key] = names
            for name in names:
                counts[name] += OWN_COUNTS if len(numbers) == 1 else 1
    kept = sorted(name for name, count in counts.items() if count >= MIN_COUNT)
    ids = {name: number for number, name in enumerate(kept)}
    queries, rows, columns = [], [], []
    for key, names in labels.items():
        found = [ids[name] for name in names if name in ids]
        if found:
            rows += [len(queries)] * len(found)
            columns += found
            queries.append(texts[key])
    return queries, kept, (np.array(rows), np.array(columns))


def choose_test(pairs, fractions, unseen):
    """Which queries are for testing.

    A query of a zero-shot label always is. Another one is if its fraction is
    below `TEST_SHARE`, unless it is the highest of one of its labels: so every
    label keeps a query to learn from if it has any without a zero-shot label.

    Args:
        pairs: `(query numbers, label numbers)`, each `[pairs]`.
        fractions: `[queries]`; a stable number in [0, 1) for each query.
        unseen: `[labels]`, bool; the zero-shot labels.

    Returns:
        `[queries]`, bool.
    """
    rows, columns = pairs
    zero_shot = np.bincount(rows[unseen[columns]], minlength=len(fractions)) > 0
    free = ~zero_shot[rows]  # [pairs]
    rows, columns = rows[free], columns[free]
    highest = np.zeros(len(unseen))
    np.maximum.at(highest, columns, fractions[rows])
    is_test = fractions < TEST_SHARE
    is_test[rows[fractions[rows] == highest[columns]]] = False
    return is_test | zero_shot


def make_split(queries, relevant, rows):
    none = np.empty(0, np.int64)
    nothing = LabelLists.from_pairs(none, none, len(rows), relevant.num_columns)
    texts = Texts.from_strings(queries[row] for row in rows)
    return Split(texts, relevant.take(rows), nothing)


def label_text(name, arguments):
    """A name and its parameters in words.

    A word in capitals and small letters stands whole as well as in parts,
    since docstrings write it both ways.

    Example:

    >>> label_text("xml.etree.ElementTree.dump", ("elem",))
    'xml etree ElementTree element tree dump elem'
    """
    words = []
    for part in re.findall(r"[A-Za-z0-9]+", " ".join([name, *arguments])):
        parts = WORD.findall(part)
        words += [part] if len(parts) > 1 else []
        words += [word.lower() for word in parts]
    return " ".join(words)


def unit_hash(text):
    """A number in [0, 1) that depends on the text alone."""
    digest = hashlib.blake2b(text.encode(), digest_size=6).digest()
    return int.from_bytes(digest) / 2**48
