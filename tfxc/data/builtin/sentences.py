"""Plain sentences from the opening paragraphs of docstrings."""

import inspect
import itertools
import re

MIN_WORDS, MAX_WORDS = 3, 40

SECTION = re.compile(
    r"(args?|arguments|attributes|call arguments|examples?|for example|fields"
    r"|inputs?|(input|output) shape|keyword args?|keyword arguments|keywords"
    r"|methods|notes?|options|outputs?|parameters?|raises|references?"
    r"|returns?|see also|usage|warnings?|yields?)( are)?\s*:*$",
    re.IGNORECASE,
)
# What ends the prose: a field list, a literal block, a list or a table.
STRUCTURE = re.compile(
    r"(:\w+.*:|@\w+|[-*+•]\s|\(?\d+[.)]\s|\||\+-|={3}|--|>>>)"
)
SIGNATURE = re.compile(
    r"[\w.]+(\.\.\.)?\s*\(([^()]|\([^()]*\))*\)\s*(->\s*\S+|[-=:]+>?)?\s*$"
)
MARKUP = (
    (re.compile(r":[\w:+.-]+:`~?([^`<]*?)\s*(<[^`]*>)?`"), r"\1"),  # :func:`x`
    (re.compile(r"!?\[([^\]]*)\]\([^)\s]*\)"), r"\1"),  # [text](address)
    (re.compile(r"`([^`<]+?)\s*<[^`>]*>`__?"), r"\1"),  # `text <address>`_
    (re.compile(r"<?https?://[^\s>]*>?"), ""),
    (re.compile(r"</?\w+[^>]*>"), ""),
    (re.compile(r"`+"), ""),
    (re.compile(r"(?<![\w*])\*{1,2}(\w[^*]*?)\*{1,2}(?![\w*])"), r"\1"),
    (re.compile(r"(?<!\w)_(\w[^_]* [^_]*)_(?!\w)"), r"\1"),  # _two words_
    (re.compile(r"\s*\[\d+\]_?"), ""),
)
MARKED = re.compile(r"[`\[<*_]|https?:")
# A stop ends a sentence where a capital follows, but not after these.
BOUNDARY = re.compile(
    r"(?<!\be\.g\.)(?<!\bi\.e\.)(?<!\betc\.)(?<!\bvs\.)(?<!\bcf\.)"
    r"(?<!\b[A-Z]\.)(?<!\bal\.)(?<!\bFig\.)(?<!\bEq\.)(?<!\bNo\.)"
    r"(?<=[.!?])[\"')]*\s+(?=[\"'(]?[A-Z0-9])"
)
# A section in Google's layout, or numpy's after its line of name and type.
RETURNS = re.compile(
    r"^ *Returns?:\s*(?P<google>.*?)(?=\n\s*\n|\n\w+:|\Z)"
    r"|^Returns\n-+\n[^\n]*\n(?P<numpy>(?: +\S[^\n]*(?:\n|\Z))+)",
    re.DOTALL | re.MULTILINE,
)
NO_LETTER = re.compile(r"[^a-zA-Z\s]+")
# What may stand before a sentence, such as `d.clear() -> None --`.
LEAD = re.compile(
    r"(note|warning|caution|tip|important)s?: *(that )?"
    r"|[\w.]+\([^()]*\) *-+> *(\w+ *(\. |--|:) *)?",
    re.IGNORECASE,
)
BOILERPLATE = re.compile(
    r"(see|refer to|read (more|the section)|for more|for (further )?details"
    r"|for example|e\.g|deprecated|added in|changed in|new in version|todo"
    r"|return self|use \S+ instead|this is deprecated|has the same type as"
    r"|internal( function| routine| use|:)|this \w+ is (deprecated|an alias)"
    r"|output( \w+)? tensor( of (the )?same| with the same|$)"
    r"|an? ((list|tuple) of )?(mutable )?tensors?( objects?)?"
    r"( \(.*| of type| of (the )?same| with the same|$)"
    r"|the (created operation|updated variable))(?!\w)",
    re.IGNORECASE,
)


def described(docstring, least=2, paragraphs=2):
    """The sentences in which a docstring says what something does.

    They are those of the first paragraphs of prose. Many useful functions have
    just one there: it is then followed by those of later paragraphs and of the
    section on what is returned, until there are `least`. Signatures, code,
    lists and other sections are left out, and markup is removed.

    Args:
        docstring: As written in the source.
        least: How many sentences are wanted at least.
        paragraphs: How many paragraphs of prose to read at first.

    Returns:
        A list of different strings, each of 3 to 40 words, without final stop.

    Example:

    >>> described("Sort in place.\\n\\nUses `merge_sort`, i.e. is stable.")
    ['Sort in place', 'Uses merge_sort, i.e. is stable']
    """
    texts = prose(docstring)
    found = split_sentences(texts[:paragraphs])
    for text in (*texts[paragraphs:], *returned(docstring)):
        if len(found) >= least:
            break
        found.update(split_sentences([text]))
    return list(found)


def split_sentences(paragraphs):
    """The useful sentences as the keys of a dictionary, which keeps order."""
    found = {}
    for text in paragraphs:
        for pattern, replacement in MARKUP if MARKED.search(text) else ():
            text = pattern.sub(replacement, text)
        for sentence in BOUNDARY.split(" ".join(text.split())):
            sentence = LEAD.sub("", sentence).rstrip(". ")
            if is_useful(sentence):
                found[sentence] = None
    return found


def returned(docstring):
    """The paragraphs in a docstring's section on what is returned."""
    text = inspect.cleandoc(docstring)
    match = RETURNS.search(text)
    return prose(match["google"] or match["numpy"]) if match else []


def prose(docstring):
    """The paragraphs of running text before the first heading."""
    text = re.sub(r"```.*?(```|\Z)", "\n\n", docstring, flags=re.DOTALL)
    found = []
    for paragraph in re.split(r"\n\s*\n", inspect.cleandoc(text)):
        lines = paragraph.split("\n")
        underlined = re.fullmatch(r" *[-=~^]{3,} *", "".join(lines[1:2]))
        if is_heading(lines[0]) or (underlined and found):
            break
        if underlined:  # a title
            found.append(lines[0].strip() + ".")
            del lines[:2]
        while lines and SIGNATURE.match(lines[0].strip()):
            del lines[0]
        code = paragraph.startswith((".. ", " ") if found else ".. ")
        body = [] if code else list(itertools.takewhile(is_prose, lines))
        text = " ".join(map(str.strip, body))
        if found and text[:1].islower() and found[-1][-1:] not in ".:!?":
            found[-1] += " " + text  # a summary that is broken in two
        elif text:
            found.append(text)
        if len(body) < len(lines) and is_heading(lines[len(body)]):
            break
    return found


def is_heading(line):
    return bool(SECTION.match(line.strip()))


def is_prose(line):
    return not (STRUCTURE.match(line.strip()) or is_heading(line))


def is_useful(sentence):
    """Whether a sentence is prose of the right length, not boilerplate."""
    words = sentence.split()
    letters = len(NO_LETTER.sub("", sentence))
    return (
        MIN_WORDS <= len(words) <= MAX_WORDS
        and letters >= 0.75 * len(sentence)
        and not sentence.endswith(":")
        and not BOILERPLATE.match(sentence)
    )
