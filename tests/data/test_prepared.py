"""Invariants of prepared data:

- bags are those of the tokenizer, which reads strings as training did, with
  lengths of their own for queries and labels; also for sparse features;
- a second call maps the same arrays and tokenises nothing, unless data or
  settings differ; a damaged entry of the cache is made anew;
- labels known by number alone have a token each, beyond those of the queries.
"""

import dataclasses

import numpy as np
import pytest

import tfxc
from tfxc.data import Dataset, LabelLists, SparseFeatures, Split, Texts

TOKENS = tfxc.data.Tokens(
    length=7,
    label_length=3,
    ngrams=(3,),
    prefixes=(2,),
    min_count=1,
    max_tokens=1000,
)
WORDS = np.array(["red", "wine", "tea", "white", "meat", "bread", "käse"])


def split_of(queries, num_labels):
    rows = np.arange(len(queries))
    relevant = LabelLists.from_pairs(
        rows, rows % num_labels, len(queries), num_labels
    )
    none = LabelLists.from_pairs([], [], len(queries), num_labels)
    return Split(queries, relevant, none)


def texts_of(rng, count):
    return Texts.from_strings(
        [" ".join(rng.choice(WORDS, rng.integers(0, 9))) for _ in range(count)]
    )


def text_dataset(test_rows=4):
    rng = np.random.default_rng(0)
    labels = Texts.from_strings(["tea", "white wine and red wine", "red meat"])
    return Dataset(
        split_of(texts_of(rng, 20), 3),
        split_of(texts_of(rng, test_rows), 3),
        labels,
        labels,
    )


def features_of(rng, rows, columns):
    counts = rng.integers(0, 10, rows)
    ids = [np.sort(rng.choice(columns, n, replace=False)) for n in counts]
    return SparseFeatures(
        np.concatenate([np.empty(0, int), *ids]).astype(np.int32),
        rng.random(counts.sum()).astype(np.float32) + 0.1,
        np.concatenate([[0], np.cumsum(counts, dtype=int)]),
        columns,
    )


def feature_dataset(label_columns=None, test_rows=4):
    rng = np.random.default_rng(0)
    return Dataset(
        split_of(features_of(rng, 20, 15), 3),
        split_of(features_of(rng, test_rows, 15), 3),
        features_of(rng, 3, label_columns) if label_columns else None,
        Texts.from_strings(["0", "1", "2"]),
    )


def as_strings(rows):
    if isinstance(rows, Texts):
        return [rows[row] for row in range(len(rows))]
    pairs = [zip(*rows[row], strict=True) for row in range(len(rows))]
    return [" ".join(f"{i}:{v}" for i, v in row) for row in pairs]


def same(prepared, other):
    return all(
        np.array_equal(getattr(prepared, name).ids, getattr(other, name).ids)
        and np.array_equal(
            getattr(prepared, name).weights, getattr(other, name).weights
        )
        for name in ("train", "test", "labels")
    )


@pytest.mark.parametrize(
    "dataset",
    [text_dataset(), feature_dataset(label_columns=18), feature_dataset()],
    ids=["text", "features", "numbers"],
)
def test_bags_are_those_of_the_tokenizer(dataset, tmp_path):
    prepared = tfxc.data.prepare(dataset, "key", TOKENS, tmp_path)
    labels = dataset.labels
    label_strings = as_strings(labels) if labels else ["15", "16", "17"]
    for bags, strings, tokenizer, length in (
        (prepared.train, as_strings(dataset.train.queries), "tokenizer", 7),
        (prepared.test, as_strings(dataset.test.queries), "tokenizer", 7),
        (prepared.labels, label_strings, "label_tokenizer", 3),
    ):
        read = getattr(prepared, tokenizer)(strings)
        assert bags.ids.shape == (len(strings), length)
        assert bags.ids.any() and bags.ids.max() < len(prepared.tokenizer)
        np.testing.assert_array_equal(bags.ids, read["ids"])
        np.testing.assert_allclose(bags.weights, read["weights"], atol=1e-3)
    assert prepared.dataset is dataset and prepared.key == "key"


@pytest.mark.parametrize("dataset", [text_dataset(), feature_dataset(18)])
def test_the_second_call_maps_what_the_first_wrote(
    dataset, tmp_path, monkeypatch
):
    cache = tmp_path / "cache"
    first = tfxc.data.prepare(dataset, "key", TOKENS, cache)
    for tokenise in ("text_bags", "feature_bags"):
        monkeypatch.setitem(tfxc.data.prepare.__globals__, tokenise, None)
    second = tfxc.data.prepare(dataset, "key", TOKENS, cache)
    assert same(first, second)
    assert isinstance(second.train.ids, np.memmap)
    assert not second.train.ids.flags.writeable
    assert len(second.tokenizer) == len(first.tokenizer)


def test_other_data_or_settings_are_tokenised_anew(tmp_path):
    dataset = feature_dataset()
    tfxc.data.prepare(dataset, "key", TOKENS, tmp_path)
    entries = 1
    for field, value in (
        ("length", 5),
        ("label_length", 2),
        ("ngrams", (3, 4)),
        ("min_count", 2),
        ("max_tokens", 30),
    ):
        tokens = dataclasses.replace(TOKENS, **{field: value})
        tfxc.data.prepare(dataset, "key", tokens, tmp_path)
        entries += 1
        assert len(list(tmp_path.iterdir())) == entries, field
    other = tfxc.data.prepare(feature_dataset(18), "other", TOKENS, tmp_path)
    assert len(list(tmp_path.iterdir())) == entries + 1
    assert len(other.tokenizer) == 1 + 18


@pytest.mark.parametrize("damage", ["no manifest", "cut", "no array"])
def test_a_damaged_entry_is_made_anew(damage, tmp_path):
    dataset = feature_dataset()
    first = tfxc.data.prepare(dataset, "key", TOKENS, tmp_path)
    (entry,) = tmp_path.iterdir()
    array = sorted(entry.glob("*.npy"))[0]
    if damage == "no manifest":
        (entry / "manifest.json").unlink()
    elif damage == "no array":
        array.unlink()
    else:
        array.write_bytes(array.read_bytes()[:-9])
    second = tfxc.data.prepare(dataset, "key", TOKENS, tmp_path)
    assert second.train.ids.any()
    fresh = tfxc.data.prepare(dataset, "key", TOKENS, tmp_path / "fresh")
    assert same(second, fresh)
    del first
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("dataset", [text_dataset(0), feature_dataset(None, 0)])
def test_no_test_queries(dataset, tmp_path):
    prepared = tfxc.data.prepare(dataset, "key", TOKENS, tmp_path)
    assert prepared.test.ids.shape == (0, 7)
    assert len(prepared.train) == 20


def test_numbered_labels_share_no_token(tmp_path):
    prepared = tfxc.data.prepare(feature_dataset(), "key", TOKENS, tmp_path)
    assert len(prepared.tokenizer) == 1 + 15 + 3
    labels = prepared.labels.ids
    assert labels.tolist() == [[16, 0, 0], [17, 0, 0], [18, 0, 0]]
    assert max(prepared.train.ids.max(), prepared.test.ids.max()) == 15
    np.testing.assert_array_equal(prepared.labels.weights[:, 0], 1)


def test_cache_folder_is_the_default(tmp_path, monkeypatch):
    monkeypatch.setenv("TFXC_CACHE", str(tmp_path / "here"))
    tfxc.data.prepare(feature_dataset(), "key", TOKENS)
    assert len(list((tmp_path / "here").iterdir())) == 1
