"""Sparse matrices in the text files of the Extreme Classification Repository.

Three kinds, each gzipped or not, with ids that count from 0:

- labels or features alone: a header `rows columns`, then one line of `id:value`
  pairs per row; an empty line is an empty row;
- both together: a header `rows features labels`, then lines
  `l1,l2 id:value id:value`; a line without labels starts with a space.
"""

import functools

from tfxc.data.readers.headed_rows import parse_rows, read_header
from tfxc.data.readers.number_lines import check_labelled_pairs, check_pairs
from tfxc.data.readers.number_rows import parse_labelled_pairs, parse_pairs
from tfxc.data.readers.row_builders import (
    LabelListsBuilder,
    SparseFeaturesBuilder,
    finite_float32,
)


def read_label_lists(path):
    """Reads labels alone, such as `trn_X_Y.txt`.

    Values are dropped: an entry is there or it is not.

    Args:
        path: Path of the file.

    Returns:
        A `LabelLists`.

    Raises:
        InputError: naming file and line, if a line is wrong or the header
            disagrees with the lines.
    """
    (num_rows, num_columns), blocks = read_header(path, ("rows", "columns"))
    lists = LabelListsBuilder(num_columns)

    def parse(block):
        ids, values, counts = parse_pairs(block)
        finite_float32(values)
        lists.append(ids, counts)

    check = functools.partial(
        check_pairs, num_columns=num_columns, unique=False
    )
    parse_rows(path, num_rows, blocks, parse, check)
    return lists.build()


def read_sparse_features(path):
    """Reads features alone, such as `trn_X_Xf.txt`.

    Args:
        path: Path of the file.

    Returns:
        A `SparseFeatures`.

    Raises:
        InputError: as `read_label_lists`, and if a value is not finite or an
            id occurs twice in a row.
    """
    (num_rows, num_columns), blocks = read_header(path, ("rows", "columns"))
    features = SparseFeaturesBuilder(num_columns)

    def parse(block):
        features.append(*parse_pairs(block))

    check = functools.partial(check_pairs, num_columns=num_columns, unique=True)
    parse_rows(path, num_rows, blocks, parse, check)
    return features.build()


def read_labelled_features(path):
    """Reads features and labels together, such as `train.txt`.

    Args:
        path: Path of the file.

    Returns:
        `(features, labels)`: a `SparseFeatures` and a `LabelLists`.

    Raises:
        InputError: as `read_sparse_features`.
    """
    header, blocks = read_header(path, ("rows", "features", "labels"))
    num_rows, num_columns, num_labels = header
    features = SparseFeaturesBuilder(num_columns)
    lists = LabelListsBuilder(num_labels)

    def parse(block):
        labels, label_counts, *pairs = parse_labelled_pairs(block)
        lists.append(labels, label_counts)
        features.append(*pairs)

    check = functools.partial(
        check_labelled_pairs, num_columns=num_columns, num_labels=num_labels
    )
    parse_rows(path, num_rows, blocks, parse, check)
    return features.build(), lists.build()
