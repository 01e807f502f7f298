"""Data made ready to train on, once: tokenised and memory-mapped."""

import dataclasses
import hashlib
import json
import pathlib

import numpy as np

from tfxc.data.arrays import cached_arrays
from tfxc.data.dataset import Dataset
from tfxc.data.load import cache_folder
from tfxc.data.sparse_features import SparseFeatures
from tfxc.data.tokens.bag_tokenizer import BagTokenizer
from tfxc.data.tokens.bags import Bags, bags_from_features
from tfxc.data.tokens.feature_tokenizer import FeatureTokenizer
from tfxc.data.tokens.vocabulary import Vocabulary


@dataclasses.dataclass(frozen=True)
class Tokens:
    """How texts become bags.

    Args:
        length: Tokens of a query.
        label_length: Tokens of a label.
        ngrams: Lengths of the character n-grams of unknown words.
        prefixes: Lengths of the beginnings of words.
        min_count: Rarer tokens are unknown.
        max_tokens: Most tokens to know.
    """

    length: int
    label_length: int
    ngrams: tuple[int, ...]
    prefixes: tuple[int, ...]
    min_count: int
    max_tokens: int


@dataclasses.dataclass(frozen=True)
class Prepared:
    """A data set and its bags, all memory-mapped.

    Args:
        dataset: The `Dataset`.
        tokenizer: Tokenizer of queries.
        label_tokenizer: The same one at the length of labels.
        train: `Bags` of the training queries.
        test: `Bags` of the test queries.
        labels: `Bags` of the labels.
        key: Names the content of the data set.
    """

    dataset: Dataset
    tokenizer: BagTokenizer | FeatureTokenizer
    label_tokenizer: BagTokenizer | FeatureTokenizer
    train: Bags
    test: Bags
    labels: Bags
    key: str


def prepare(dataset, key, tokens, cache=None):
    """Tokenises `dataset`, or finds it tokenised in the cache.

    Args:
        dataset: `Dataset`.
        key: Names its content; with `tokens` it names the cache entry.
        tokens: `Tokens`.
        cache: Folder of cache entries; `cache_folder()` by default.

    Returns:
        `Prepared`.
    """
    settings = json.dumps([2, key, dataclasses.asdict(tokens)])
    name = hashlib.blake2b(settings.encode(), digest_size=12).hexdigest()
    folder = pathlib.Path(cache or cache_folder()) / f"bags-{name}"
    is_text = not isinstance(dataset.train.queries, SparseFeatures)
    make = text_bags if is_text else feature_bags
    arrays, _ = cached_arrays(folder, lambda: (make(dataset, tokens), {}))
    if is_text:
        vocabulary = Vocabulary(arrays["fingerprints"], arrays["idf"])
        tokenizer = BagTokenizer(
            vocabulary, tokens.length, tokens.ngrams, tokens.prefixes
        )
    else:
        tokenizer = FeatureTokenizer(num_features(dataset), tokens.length)
    bags = {
        name: Bags(arrays[f"{name}/ids"], arrays[f"{name}/weights"])
        for name in ("train", "test", "labels")
    }
    label_tokenizer = tokenizer.with_length(tokens.label_length)
    return Prepared(dataset, tokenizer, label_tokenizer, key=key, **bags)


def text_bags(dataset, tokens):
    """`{name: array}` of the vocabulary and the bags of texts."""
    tokenizer = BagTokenizer.fit(
        [dataset.train.queries, dataset.labels],
        tokens.length,
        tokens.ngrams,
        tokens.min_count,
        tokens.max_tokens,
        labels=dataset.labels,
        prefixes=tokens.prefixes,
    )
    vocabulary = tokenizer.vocabulary
    labels = tokenizer.with_length(tokens.label_length).bags(dataset.labels)
    return {
        "fingerprints": vocabulary.fingerprints,
        "idf": vocabulary.idf,
        **_named("train", tokenizer.bags(dataset.train.queries)),
        **_named("test", tokenizer.bags(dataset.test.queries)),
        **_named("labels", labels),
    }


def feature_bags(dataset, tokens):
    """`{name: array}` of the bags of sparse features."""
    labels = dataset.labels
    if labels is None:
        labels = own_features(dataset)
    return {
        **_named(
            "train", bags_from_features(dataset.train.queries, tokens.length)
        ),
        **_named(
            "test", bags_from_features(dataset.test.queries, tokens.length)
        ),
        **_named("labels", bags_from_features(labels, tokens.label_length)),
    }


def num_features(dataset):
    """How many features queries and labels have together.

    A label that is known by its number alone has one feature of its own,
    numbered after those of the queries.
    """
    columns = dataset.train.queries.num_columns
    if dataset.labels is None:
        return columns + dataset.num_labels
    return max(columns, dataset.labels.num_columns)


def own_features(dataset):
    """`SparseFeatures` in which label `l` has only feature `columns + l`."""
    columns = dataset.train.queries.num_columns
    count = dataset.num_labels
    return SparseFeatures(
        ids=np.arange(columns, columns + count, dtype=np.int32),
        values=np.ones(count, np.float32),
        splits=np.arange(count + 1),
        num_columns=columns + count,
    )


def _named(name, bags):
    return {f"{name}/ids": bags.ids, f"{name}/weights": bags.weights}
