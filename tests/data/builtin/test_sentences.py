"""Invariants of the sentences read from docstrings:

- they come from the first two paragraphs of prose, in order, without repeats;
- signatures, code, lists, sections and markup never get into them;
- abbreviations do not end a sentence; length and boilerplate rules hold;
- a docstring with one sentence there gives what it says further down.
"""

import pytest

from tfxc.data.builtin.sentences import described

PAGE = """\
    frob(x, axis=None) -> list

    Return the *frobbed* array, i.e. :func:`numpy.frob` of ``x``. See the guide.
    It reads `the manual <https://example.org/a.html>`_ [1]_ and

        code = indented(1)

    Each value is used once.  Each value is used once.

    A third paragraph is not read.

    Parameters
    ----------
    x : array
        Not a sentence that we want.
    """


def test_reads_the_opening_of_a_docstring():
    assert described(PAGE) == [
        "Return the frobbed array, i.e. numpy.frob of x",
        "It reads the manual and",
        "Each value is used once",
    ]


@pytest.mark.parametrize(
    ("docstring", "sentences"),
    [
        ("", []),
        ("Too short.", []),
        ("Internal: sort in place.", []),
        ("See the guide about sorting.", []),
        ("A tuple of Tensor objects (sorted, order).", []),
        ("The created Operation.", []),
        ("One " + "word " * 39 + "more.", []),
        ("Deprecated since 3.2, do not use.", []),
        ("The formula is as follows:", []),
        ("x = [[1, 2], [3, 4]] + y ** 2", []),
        ("Args:\n  x: The first thing of all.", []),
        ("Parameters\n----------\nx : the first thing of all", []),
        ("Sort in place.\n\n>>> sort(a b c)\nthe sorted list\n", ["S"]),
        ("Sort in place.\n\n.. versionadded:: 3.2 in a branch\n", ["S"]),
        ("Sort in place.\n\n- a list of things\n- that follow it\n", ["S"]),
        ("Sort in place.\n\n```\ncode of this kind\n```\n", ["S"]),
        ("Sort in place.\nRaises:\n  an error or so", ["S"]),
        ("Sort in place.\n:param x: the thing to sort", ["S"]),
        ("Note: Sort in place.", ["S"]),
        ("_Sort in place._", ["S"]),
        ("Sorting\n=======\n\nSort in place.", ["S"]),
        ("Sort in place\n---\nno more", ["S"]),
        ("x.sort() -> None.  Sort in place.", ["S"]),
        ("x.sort(key) -> None -- Sort in place", ["S"]),
        ("x.sort() -> Sort in place", ["S"]),
        ("Sort in place.\n\nReturns:\n  A `Tensor` of type `T`.", ["S"]),
        ("sort(x[, y])\n\nSort in place", ["S"]),
        ("sort(x, y=None)\n--\n\nSort in place", ["S"]),
    ],
)
def test_leaves_out_what_is_not_prose(docstring, sentences):
    assert described(docstring) == ["Sort in place"] * len(sentences)


def test_a_broken_summary_is_one_sentence():
    text = "Applies updates to slices within a given\n\nvariable, in order."
    assert described(text) == [
        "Applies updates to slices within a given variable, in order"
    ]


@pytest.mark.parametrize(
    "docstring",
    [
        "Return the least value.\n\nReturns:\n    The least of all values.\n",
        "Return the least value.\n\nArgs:\n  x: Values.\n\n"
        "Returns:\n  The least of all values.\n\nRaises:\n  ValueError: none",
        "Return the least value.\n\nReturns\n-------\nleast : scalar\n"
        "    The least of all values.\n\nNotes\n-----\nNot this one, ever.",
        "Return the least value.\n\n>>> f()\n1\n\nOr\n\n"
        "The least of all values.\n",
    ],
)
def test_a_lone_sentence_is_joined_by_a_later_one(docstring):
    assert described(docstring) == [
        "Return the least value",
        "The least of all values",
    ]


@pytest.mark.parametrize(
    "text",
    [
        "Read all data until the end",
        "Internal nodes are counted once",
        "A tensor that holds the sums",
        "Seek to a position",
    ],
)
def test_boilerplate_is_not_a_prefix(text):
    assert described(text + ".") == [text]


def test_two_sentences_are_enough():
    text = "Open a file. It is then read.\n\nReturns:\n  The bytes of the file."
    assert described(text) == ["Open a file", "It is then read"]
