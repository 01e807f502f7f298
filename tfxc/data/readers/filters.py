"""Filter files: labels that count neither as right nor as wrong."""

import functools

import numpy as np

from tfxc.data.label_lists import LabelLists
from tfxc.data.readers.growing_array import GrowingArray
from tfxc.data.readers.number_lines import INTEGER, check_id, words_of
from tfxc.data.readers.number_rows import parse_integers
from tfxc.data.readers.row_builders import check_range
from tfxc.data.readers.text_files import (
    Malformed,
    line_blocks,
    parse_block,
    shown,
)
from tfxc.errors import InputError

# Of the training queries, and of the test queries.
FILTER_NAMES = ("filter_labels_train.txt", "filter_labels_test.txt")


def read_filter_labels(path, num_rows, num_labels):
    """Reads `filter_labels_train.txt` or `filter_labels_test.txt`.

    Where queries and labels are the same things, as products that are bought
    together, a query's own label is trivially right. Such pairs are listed, one
    `row label` per line in any order, and removed from predictions before the
    top k are taken.

    Args:
        path: Path of the file, which may be empty; `None` where there is none.
        num_rows: Number of queries.
        num_labels: Number of labels.

    Returns:
        A `LabelLists` of `num_rows` rows.

    Raises:
        InputError: naming file and line, if a pair is malformed or out of
            range.
    """
    rows, ids = GrowingArray(np.int64), GrowingArray(np.int32)

    def parse(block):
        integers, counts = parse_integers(block)
        if not np.isin(counts, (0, 2)).all():
            raise Malformed("a line that is no pair")
        pairs = integers.reshape(-1, 2)  # [pairs, row and label]
        check_range(pairs[:, 0], num_rows)
        check_range(pairs[:, 1], num_labels)
        rows.append(pairs[:, 0])
        ids.append(pairs[:, 1])

    check = functools.partial(
        _check_line, num_rows=num_rows, num_labels=num_labels
    )
    for first, block in line_blocks(path) if path else ():
        parse_block(path, first, block, parse, check)
    return LabelLists.from_pairs(rows.values, ids.values, num_rows, num_labels)


def _check_line(where, line, num_rows, num_labels):
    words = words_of(line)
    if len(words) not in (0, 2) or not all(map(INTEGER.fullmatch, words)):
        raise InputError(
            f"{where}: expected two integers, `row label`. "
            f"Received: {shown(line)}"
        )
    if words:
        check_id(where, words[0], num_rows, "rows")
        check_id(where, words[1], num_labels, "labels")
