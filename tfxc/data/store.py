"""Data sets read once and then mapped into memory."""

import pathlib

import numpy as np

from tfxc.data.arrays import read_arrays, write_arrays
from tfxc.data.dataset import Dataset, Split
from tfxc.data.fingerprint import fingerprint
from tfxc.data.label_lists import LabelLists
from tfxc.data.readers.read import read_dataset
from tfxc.data.sparse_features import SparseFeatures
from tfxc.data.texts import Texts
from tfxc.errors import InputError

# Raise it when a reader returns something else for the same files.
FORMAT = 1
KINDS = {kind.__name__: kind for kind in (LabelLists, SparseFeatures, Texts)}
TYPES = {
    "ids": np.int32,
    "values": np.float32,
    "splits": np.int64,
    "utf8": np.uint8,
    "offsets": np.int64,
}


def prepared_dataset(path, cache):
    """Reads a data set through a cache.

    The first call parses the files and stores the arrays. A later one, of any
    process, maps them into memory: nothing is read before it is used, and
    processes share one copy. An entry that is damaged is built again.

    Args:
        path: See `read_dataset`.
        cache: Path of the folder for all prepared data sets.

    Returns:
        `(dataset, key)`: a `Dataset` with read-only arrays, and the name of its
        folder in the cache, which changes with the contents of the files.

    Raises:
        InputError: see `read_dataset`; also if the cache cannot be written.
    """
    key = f"{fingerprint(path)}-{FORMAT}"
    return cached_dataset(key, lambda: read_dataset(path), cache), key


def cached_dataset(key, build, cache):
    """Maps the data set `key` from the cache; builds it where there is none.

    Args:
        key: Name of the entry.
        build: Function that returns a `Dataset`.
        cache: Path of the folder for all prepared data sets.

    Returns:
        A `Dataset` with read-only arrays.

    Raises:
        InputError: if the cache cannot be written.
    """
    folder = pathlib.Path(cache) / key
    dataset = _load(folder)
    if dataset is not None:
        return dataset
    built = build()
    try:
        write_arrays(folder, *dataset_to_arrays(built))
    except OSError as error:
        # Another process may have been faster, and its entry serves as well.
        dataset = _load(folder)
        if dataset is None:
            raise InputError(
                f"cache={cache}: expected a folder that can be written. "
                f"Received: {error}"
            ) from error
        return dataset
    return dataset_from_arrays(*read_arrays(folder))


def dataset_to_arrays(dataset):
    """Takes a data set apart, for `tfxc.data.write_arrays`.

    Args:
        dataset: A `Dataset`.

    Returns:
        `(arrays, meta)`: `{name: array}` and a JSON-serialisable dictionary.
    """
    arrays, meta = {}, {}
    for name, part in _parts(dataset).items():
        if part is None:
            continue
        fields = vars(part)
        meta[name] = {"kind": type(part).__name__}
        for field, value in fields.items():
            if field in TYPES:
                arrays[f"{name}/{field}"] = value
            else:
                meta[name][field] = int(value)
    return arrays, meta


def dataset_from_arrays(arrays, meta):
    """Puts together what `dataset_to_arrays` took apart, without a copy.

    Args:
        arrays: `{name: array}`.
        meta: Dictionary.

    Returns:
        A `Dataset`.

    Raises:
        KeyError, ValueError: if arrays are missing or do not fit together.
    """
    parts = {"labels": None}
    for name, numbers in meta.items():
        fields = dict(numbers)
        kind = KINDS[fields.pop("kind")]
        for array_name, array in arrays.items():
            owner, _, field = array_name.rpartition("/")
            if owner == name:
                # A view of the base class: slices of a memmap are slow.
                fields[field] = np.asarray(array)
        parts[name] = kind(**fields)
        _check_part(name, parts[name])
    splits = [
        Split(
            parts[f"{split}/queries"],
            parts[f"{split}/relevant"],
            parts[f"{split}/filtered"],
        )
        for split in ("train", "test")
    ]
    dataset = Dataset(*splits, parts["labels"], parts["label_names"])
    _check_rows(dataset)
    return dataset


def _load(folder):
    """The data set in a folder of the cache; `None` if absent or damaged."""
    try:
        return dataset_from_arrays(*read_arrays(folder))
    except Exception:
        # Damage has many faces, and building the entry again mends them all.
        return None


def _parts(dataset):
    return {
        "train/queries": dataset.train.queries,
        "train/relevant": dataset.train.relevant,
        "train/filtered": dataset.train.filtered,
        "test/queries": dataset.test.queries,
        "test/relevant": dataset.test.relevant,
        "test/filtered": dataset.test.filtered,
        "labels": dataset.labels,
        "label_names": dataset.label_names,
    }


def _check_part(name, part):
    """Checks types and sizes: all that can be checked without reading."""
    fields = vars(part)
    lists = {field: fields[field] for field in TYPES if field in fields}
    starts = lists.get("splits", lists.get("offsets"))
    sizes = {
        len(lists[field]) for field in lists.keys() - {"splits", "offsets"}
    }
    if (
        any(array.dtype != TYPES[field] for field, array in lists.items())
        or any(array.ndim != 1 for array in lists.values())
        or starts[0] != 0
        or sizes != {int(starts[-1])}
    ):
        raise ValueError(f"the arrays of {name} do not fit together")


def _check_rows(dataset):
    """Checks that the parts have as many rows and columns as each other."""
    for split in (dataset.train, dataset.test):
        rows = {len(part) for part in vars(split).values()}
        columns = {split.relevant.num_columns, split.filtered.num_columns}
        if len(rows) > 1 or columns != {dataset.num_labels}:
            raise ValueError("the parts of a split do not fit together")
    if dataset.labels is not None and len(dataset.labels) != dataset.num_labels:
        raise ValueError("the labels do not fit to their names")
