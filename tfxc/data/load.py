"""The data set that a command names, ready in the cache."""

import os
import pathlib

from tfxc.data.builtin.python_api import (
    python_api_dataset,
    python_api_fingerprint,
)
from tfxc.data.store import cached_dataset, prepared_dataset


def load_dataset(path=None, cache=None):
    """Reads a data set, or the built-in one, through the cache.

    Args:
        path: See `tfxc.data.read_dataset`; by default the built-in data set,
            see `tfxc.data.python_api_dataset`.
        cache: Folder of prepared data sets; `cache_folder()` by default.

    Returns:
        `(dataset, key)`: a memory-mapped `Dataset` and the name of its content.

    Raises:
        InputError: if the data cannot be read.
    """
    cache = cache or cache_folder()
    if path is not None:
        return prepared_dataset(path, cache)
    key = f"python-{python_api_fingerprint()}"
    return cached_dataset(key, python_api_dataset, cache), key


def cache_folder():
    """`$TFXC_CACHE`, else `tfxc` in the user's folder of caches."""
    base = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
    return pathlib.Path(os.environ.get("TFXC_CACHE") or f"{base}/tfxc")


def describe(dataset):
    """One line: rows, labels, pairs, and the rows that training skips."""
    train, test = dataset.train, dataset.test
    counts = train.relevant.row_counts()
    parts = [
        f"{len(train):,} training and {len(test):,} test queries",
        f"{dataset.num_labels:,} labels",
        f"{counts.mean():.2f} labels per query",
    ]
    for split, name in ((train, "training"), (test, "test")):
        empty = int((split.relevant.row_counts() == 0).sum())
        if empty:
            parts.append(f"{empty:,} {name} queries without labels")
    unseen = int((train.relevant.counts() == 0).sum())
    if unseen:
        parts.append(f"{unseen:,} labels without a training query")
    return ", ".join(parts)
