"""Data made ready for a pretrained transformer, once."""

import dataclasses
import hashlib
import json
import pathlib

import numpy as np

from tfxc.data.arrays import cached_arrays
from tfxc.data.load import cache_folder
from tfxc.data.prepared import Prepared
from tfxc.data.texts import Texts
from tfxc.data.tokens.buckets import bucket_lengths
from tfxc.data.tokens.sequence_tokenizer import SequenceTokenizer
from tfxc.data.tokens.sequences import Sequences
from tfxc.errors import InputError

PARTS = ("train", "test", "labels")
BUCKETS = {"train": 4, "labels": 2}  # lengths to pad to, see `bucket_lengths`
SAMPLE = 100_000  # texts that say which


def prepare_sequences(
    dataset, key, tokenizer, length, label_length, cache=None
):
    """Tokenises `dataset` for a transformer, or finds it in the cache.

    Texts that are too long are cut, and a line says how many.

    Args:
        dataset: `Dataset` of texts.
        key: Names its content; with the settings it names the cache entry.
        tokenizer: KerasHub tokenizer.
        length: Most tokens of a query, with start and end.
        label_length: Most tokens of a label.
        cache: Folder of cache entries; `cache_folder()` by default.

    Returns:
        `Prepared`.

    Raises:
        InputError: if queries or labels are no texts.
    """
    if not isinstance(dataset.train.queries, Texts) or not isinstance(
        dataset.labels, Texts
    ):
        raise InputError(
            "--encoder: expected texts, of queries and of labels, to encode "
            "with a pretrained transformer; sparse features need --encoder "
            "bag. Received: a data set without such texts"
        )
    queries = SequenceTokenizer(tokenizer, length)
    labels = queries.with_length(label_length)
    settings = [1, key, length, label_length, vocabulary_digest(tokenizer)]
    name = hashlib.blake2b(json.dumps(settings).encode(), digest_size=12)
    folder = pathlib.Path(cache or cache_folder()) / (
        f"sequences-{name.hexdigest()}"
    )
    arrays, cut = cached_arrays(
        folder, lambda: sequence_arrays(dataset, queries, labels)
    )
    for part, number in cut.items():
        if number:
            print(f"{number:,} of the {part} texts were cut: too many tokens")
    parts = {part: Sequences(arrays[part], queries.pad_id) for part in PARTS}
    for part, count in BUCKETS.items():
        step = -(-len(parts[part]) // SAMPLE)
        lengths = parts[part].lengths(slice(None, None, step))
        buckets = bucket_lengths(np.maximum(lengths, 1), count)
        parts[part] = dataclasses.replace(parts[part], buckets=buckets)
    parts["test"] = dataclasses.replace(
        parts["test"], buckets=parts["train"].buckets
    )
    return Prepared(dataset, queries, labels, key=key, **parts)


def sequence_arrays(dataset, queries, labels):
    """`({part: token ids}, {part: texts that were cut})`."""
    texts = (dataset.train.queries, dataset.test.queries, dataset.labels)
    tokenizers = (queries, queries, labels)
    arrays, cut = {}, {}
    for part, rows, tokenizer in zip(PARTS, texts, tokenizers, strict=True):
        arrays[part] = tokenizer.sequences(rows).ids
        cut[part] = tokenizer.num_cut
    return arrays, cut


def vocabulary_digest(tokenizer):
    """Tells tokenizers apart: by their tokens, and what they do with texts."""
    texts = ["The Quick brown fox: 12.5 % Größe ☃", "ABC abc éa 東京"]
    ids = SequenceTokenizer(tokenizer, length=64)(texts)["token_ids"]
    known = [list(tokenizer.get_vocabulary()), ids.numpy().tolist()]
    text = json.dumps(known)
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
