"""Folders of raw text: queries and labels as one JSON object per line."""

import functools

import pyarrow as pa
import pyarrow.compute as pc

from tfxc.data.dataset import Dataset, Split
from tfxc.data.readers.arrow_texts import TextsBuilder, label_texts, query_texts
from tfxc.data.readers.data_files import DataFiles
from tfxc.data.readers.filters import FILTER_NAMES, read_filter_labels
from tfxc.data.readers.json_checks import check_label, check_query
from tfxc.data.readers.json_objects import read_objects
from tfxc.data.readers.row_builders import LabelListsBuilder
from tfxc.data.texts import Texts

JSON_NAMES = ("trn.json", "tst.json", "lbl.json", *FILTER_NAMES)


def read_json_lines(folder):
    """Reads a data set of raw text.

    The files are `trn.json` and `lbl.json` and, where they exist, `tst.json`
    and the filter files, each gzipped or not. A line of `lbl.json` is a label:

        {"uid": "b7", "title": "bread", "content": "bread loaf"}

    and a line of the others is a query, with its relevant labels as row numbers
    of `lbl.json`, counted from 0:

        {"uid": "q1", "title": "How to knead?", "target_ind": [0, 4]}

    `uid` and `content` may be left out; other keys and blank lines are ignored.

    Args:
        folder: Path of the folder, or its `DataFiles`.

    Returns:
        A `Dataset`.

    Raises:
        InputError: naming file and line, if a file is missing or malformed.
    """
    files = DataFiles.of(folder, JSON_NAMES)
    train_path = files.require("trn.json")
    labels, names = read_json_labels(files.require("lbl.json"))
    test_path = files.get("tst.json")
    splits = []
    for path, filter_name in zip(
        (train_path, test_path), FILTER_NAMES, strict=True
    ):
        if path:
            queries, relevant = read_json_queries(path, len(names))
        else:
            queries = Texts.from_strings([])
            relevant = LabelListsBuilder(len(names)).build()
        filtered = read_filter_labels(
            files.get(filter_name), len(relevant), len(names)
        )
        splits.append(Split(queries, relevant, filtered))
    return Dataset(*splits, labels, names)


def read_json_queries(path, num_labels):
    """Reads the queries of a split.

    Args:
        path: Path of the file.
        num_labels: Number of labels; every `target_ind` is below it.

    Returns:
        `(texts, relevant)`: `Texts`, the title of each query and then its
        content, and `LabelLists`.

    Raises:
        InputError: naming file and line, if a line is not such an object, a
            label is out of range or a `uid` is repeated.
    """
    texts, relevant = TextsBuilder(), LabelListsBuilder(num_labels)

    def take(table):
        texts.append(query_texts(table["title"], table["content"]))
        # A missing list or label is a null, which `to_numpy` refuses.
        lists = table["target_ind"]
        counts = pc.list_value_length(lists).to_numpy()
        relevant.append(lists.flatten().to_numpy(), counts)

    fields = {"target_ind": pa.list_(pa.int64())}
    check = functools.partial(check_query, num_labels=num_labels)
    read_objects(path, fields, take, check)
    return texts.build(), relevant.build()


def read_json_labels(path):
    """Reads the labels.

    Args:
        path: Path of the file.

    Returns:
        `(texts, names)`: `Texts`, what the label encoder reads, and `Texts`,
        the titles. A content that starts with the title is the whole text; any
        other follows the title.

    Raises:
        InputError: as `read_json_queries`.
    """
    texts, names = TextsBuilder(), TextsBuilder()

    def take(table):
        names.append(table["title"])
        texts.append(label_texts(table["title"], table["content"]))

    read_objects(path, {}, take, check_label)
    return texts.build(), names.build()
