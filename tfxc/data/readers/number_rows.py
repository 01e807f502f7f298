"""Lines of numbers parsed as blocks: `id:value` pairs and plain integers."""

import numpy as np
import pyarrow as pa
import pyarrow.csv

from tfxc.data.readers.text_files import Malformed

COLON, COMMA, NEWLINE, SPACE, TAB = b":,\n \t"
# Arrow also reads 0x1f and nan; neither gets past these.
PAIR_BYTES = b"0123456789+-.eE: \t\n"
INTEGER_BYTES = b"0123456789- \t\n"
ONE_PER_LINE = bytes.maketrans(b" \t", b"\n\n")
COMMA_TO_SPACE = bytes.maketrans(b",", b" ")


def parse_pairs(block):
    """Parses lines of `id:value` pairs that blanks separate.

    Args:
        block: `bytes` of whole lines.

    Returns:
        `(ids, values, counts)`: `[pairs]`, int64; `[pairs]`, float64, may be
        infinite; `[lines]`, int64, the number of pairs on each line.

    Raises:
        Malformed, pa.ArrowInvalid: if a line holds anything else.
    """
    _check_bytes(block, PAIR_BYTES)
    ids, values = _columns(block, {"id": pa.int64(), "value": pa.float64()})
    text = np.frombuffer(block, np.uint8)
    counts = _count_per_line(text, np.flatnonzero(text == COLON))
    return ids, values, counts


def parse_integers(block):
    """Parses lines of integers that blanks separate.

    Args:
        block: `bytes` of whole lines.

    Returns:
        `(integers, counts)`: `[integers]`, int64; `[lines]`, int64, the number
        of integers on each line.

    Raises:
        Malformed, pa.ArrowInvalid: if a line holds anything else.
    """
    _check_bytes(block, INTEGER_BYTES)
    (integers,) = _columns(block, {"integer": pa.int64()})
    text = np.frombuffer(block, np.uint8)
    blank = (text == SPACE) | (text == TAB) | (text == NEWLINE)
    starts = ~blank
    starts[1:] &= blank[:-1]
    counts = _count_per_line(text, np.flatnonzero(starts))
    return integers, counts


def parse_labelled_pairs(block):
    """Parses lines `l1,l2 id:value id:value`; a line without labels starts
    with a blank.

    Args:
        block: `bytes` of whole lines.

    Returns:
        `(labels, label_counts, ids, values, counts)`, as `parse_integers` and
        `parse_pairs` return them.

    Raises:
        Malformed, pa.ArrowInvalid: if a line holds anything else.
    """
    text = np.frombuffer(block.replace(b"\t", b" "), np.uint8)
    ends = np.flatnonzero(text == NEWLINE)
    starts = np.concatenate([[0], ends[:-1] + 1])
    # The labels of a line are what stands before its first blank.
    blanks = np.append(np.flatnonzero(text == SPACE), len(text))
    stops = np.minimum(blanks[np.searchsorted(blanks, starts)], ends)
    edges = np.zeros(len(text), np.int8)
    edges[starts] += 1
    edges[stops] -= 1
    is_label = np.cumsum(edges, dtype=np.int8).view(bool)
    pairs = parse_pairs(text[~is_label].tobytes())

    is_label[ends] = True
    label_block = text[is_label].tobytes()
    labels, counts = parse_integers(label_block.translate(COMMA_TO_SPACE))
    # `1,,2` has two integers but asks for three.
    if len(labels) != label_block.count(b",") + np.sum(stops > starts):
        raise Malformed("a label is missing beside a comma")
    return labels, counts, *pairs


def _check_bytes(block, allowed):
    if block.translate(None, allowed):
        raise Malformed("a character that is no part of a number")


def _count_per_line(text, positions):
    """How many of the sorted `positions` lie on each line: `[lines]`."""
    ends = np.flatnonzero(text == NEWLINE)
    return np.diff(np.searchsorted(positions, ends), prepend=0)


def _columns(block, types):
    """The columns of a file that holds one entry per blank-separated word."""
    words = block.translate(ONE_PER_LINE)
    if words.count(b"\n") == len(words):  # Arrow refuses an empty file
        return [
            np.empty(0, type_.to_pandas_dtype()) for type_ in types.values()
        ]
    table = pa.csv.read_csv(
        pa.BufferReader(words),
        pa.csv.ReadOptions(column_names=list(types)),
        pa.csv.ParseOptions(delimiter=":", quote_char=False),
        pa.csv.ConvertOptions(
            column_types=types, null_values=[], check_utf8=False
        ),
    )
    return [column.to_numpy() for column in table.columns]
