"""Folders of the Extreme Classification Repository's text files."""

from tfxc.data.dataset import Dataset, Split
from tfxc.data.label_lists import LabelLists
from tfxc.data.readers.arrow_texts import numbers_as_texts
from tfxc.data.readers.data_files import DataFiles
from tfxc.data.readers.fields import read_lines
from tfxc.data.readers.filters import FILTER_NAMES, read_filter_labels
from tfxc.data.readers.matrix_files import (
    read_label_lists,
    read_labelled_features,
    read_sparse_features,
)
from tfxc.data.sparse_features import SparseFeatures
from tfxc.errors import InputError

LABEL_FEATURE_NAMES = ("lbl_X_Xf.txt", "lbl_X_Yf.txt", "Yf.txt")
SPLIT_NAMES = (
    "trn_X_Xf.txt",
    "trn_X_Y.txt",
    "tst_X_Xf.txt",
    "tst_X_Y.txt",
    *LABEL_FEATURE_NAMES,
    "labels.txt",
    *FILTER_NAMES,
)
ONE_FILE_NAMES = ("train.txt", "test.txt", "labels.txt", *FILTER_NAMES)


def read_xmlc_split(folder):
    """Reads features and labels that lie in files of their own.

    The files are `trn_X_Xf.txt` and `trn_X_Y.txt`; if there is a test split,
    `tst_X_Xf.txt` and `tst_X_Y.txt`; and, where they exist, the features of the
    labels (`lbl_X_Xf.txt`, also named `lbl_X_Yf.txt` or `Yf.txt`), their names
    (`labels.txt`) and the filter files. See `tfxc.data.read_sparse_features`.

    Args:
        folder: Path of the folder, or its `DataFiles`.

    Returns:
        A `Dataset`; its `labels` are `None` without a file of label features.

    Raises:
        InputError: naming file and line, if a file is missing, malformed, or
            does not fit to the others.
    """
    files = DataFiles.of(folder, SPLIT_NAMES)
    train = _read_split_pair(files, "trn")
    if files.get("tst_X_Xf.txt", "tst_X_Y.txt"):
        test = _read_split_pair(files, "tst")
    else:
        test = _no_rows(*train)
    path = files.get(*LABEL_FEATURE_NAMES)
    labels = read_sparse_features(path) if path else None
    if path and len(labels) != train[1].num_columns:
        raise InputError(
            f"{path}, line 1: expected {train[1].num_columns} rows, one per "
            f"label of the training split. Received: {len(labels)}"
        )
    return _assemble(files, train, test, labels, "tst_X_Xf.txt", "tst_X_Y.txt")


def read_xmlc_one_file(folder):
    """Reads features and labels that lie in the same files.

    The files are `train.txt` and, where they exist, `test.txt`, the names of
    the labels, one per line (`labels.txt`), and the filter files. See
    `tfxc.data.read_labelled_features`.

    Args:
        folder: Path of the folder, or its `DataFiles`.

    Returns:
        A `Dataset`; its `labels` are `None`.

    Raises:
        InputError: naming file and line, if a file is malformed or does not
            fit to the others.
    """
    files = DataFiles.of(folder, ONE_FILE_NAMES)
    train = read_labelled_features(files.require("train.txt"))
    path = files.get("test.txt")
    test = read_labelled_features(path) if path else _no_rows(*train)
    return _assemble(files, train, test, None, "test.txt", "test.txt")


def _read_split_pair(files, prefix):
    features = read_sparse_features(files.require(f"{prefix}_X_Xf.txt"))
    path = files.require(f"{prefix}_X_Y.txt")
    relevant = read_label_lists(path)
    if len(relevant) != len(features):
        raise InputError(
            f"{path}, line 1: expected {len(features)} rows, as in "
            f"{prefix}_X_Xf.txt. Received: {len(relevant)}"
        )
    return features, relevant


def _no_rows(features, relevant):
    nothing = slice(0)
    features = SparseFeatures(
        features.ids[nothing],
        features.values[nothing],
        features.splits[:1],
        features.num_columns,
    )
    return features, LabelLists(
        relevant.ids[nothing], relevant.splits[:1], relevant.num_columns
    )


def _assemble(files, train, test, labels, features_name, labels_name):
    num_labels = train[1].num_columns
    for part, (trained, tested), name in (
        ("features", (train[0], test[0]), features_name),
        ("labels", (train[1], test[1]), labels_name),
    ):
        if tested.num_columns != trained.num_columns:
            raise InputError(
                f"{files.get(name)}, line 1: expected {trained.num_columns} "
                f"{part}, as in the training split. "
                f"Received: {tested.num_columns}"
            )
    splits = [
        Split(
            queries,
            relevant,
            read_filter_labels(files.get(name), len(relevant), num_labels),
        )
        for (queries, relevant), name in zip(
            (train, test), FILTER_NAMES, strict=True
        )
    ]
    names = _label_names(files.get("labels.txt"), num_labels)
    return Dataset(*splits, labels, names)


def _label_names(path, num_labels):
    if not path:
        return numbers_as_texts(num_labels)
    names = read_lines(path)
    if len(names) != num_labels:
        raise InputError(
            f"{path}: expected {num_labels} lines, one name per label. "
            f"Received: {len(names)}"
        )
    return names
