"""Invariants of the tokenizer of texts:

- vocabulary, ids and weights equal those of a tokenizer in plain Python, for
  any text and any limits (it names tokens by strings, not by fingerprints);
- words are runs of letters, marks and digits in lower case, whatever the
  locale; nothing else ends a text, not even a NUL;
- what is too long loses parts of words first, then pairs, then words;
- weights have norm 1, or are all 0 where nothing is known;
- the whole text of a label is a token of its own, however rare;
- a graph, eager calls, and a pass in chunks agree.
"""

import collections
import itertools
import os
import subprocess
import sys
import unicodedata

import numpy as np
import pytest
import tensorflow as tf

from tfxc.data import BagTokenizer, Texts, Vocabulary
from tfxc.data.tokens import bag_tokenizer

ALPHABET = list("aaabbbccAB  ,.-'=<>\n\t0½٣éÉß\u0301ΣΛİI字🙂ﬁǅ_\0")


def random_texts(rng, count=200, least=0, most=30):
    lengths = rng.integers(least, most, count)
    return ["".join(rng.choice(ALPHABET, n)) for n in lengths]


def learnt(texts, labels=None, **options):
    labels = None if labels is None else Texts.from_strings(labels)
    return BagTokenizer.fit(
        [Texts.from_strings(texts)], labels=labels, **options
    )


def slow_words(text):
    kept = [c if unicodedata.category(c)[0] in "LMN" else " " for c in text]
    return [word.lower() for word in "".join(kept).split()]


def slow_pairs(words):
    return [f"{a} {b}" for a, b in itertools.pairwise(words)]


def slow_parts(words, ngrams):
    marked = [f"<{word}>" for word in words]
    return [
        word[start : start + n]
        for word in marked
        for n in ngrams
        for start in range(len(word) - n + 1)
    ]


def in_order(tokens):
    """Tokens in the order of their fingerprints."""
    tokens = sorted(tokens)
    prints = tf.strings.to_hash_bucket_fast(tokens, 2**62).numpy()
    assert len(set(prints)) == len(tokens)
    return [tokens[i] for i in np.argsort(prints)]


def most_frequent(counts, min_count, max_tokens):
    if not counts:
        return set()
    kept = [t for t in in_order(counts) if counts[t] >= min_count]
    return set(sorted(kept, key=lambda t: -counts[t])[:max_tokens])


class SlowTokenizer:
    """Learns `{token: idf}` and makes bags, one text at a time."""

    def __init__(self, texts, labels, ngrams, prefixes, min_count, max_tokens):
        self.ngrams, self.prefixes = ngrams, prefixes
        rows = [slow_words(text) for text in texts]
        counts, parts = collections.Counter(), collections.Counter()
        for words in rows:
            counts.update(words + slow_pairs(words) + self.beginnings(words))
        whole = collections.Counter(
            "=" + " ".join(slow_words(x)) for x in labels
        )
        frequent = most_frequent(counts, min_count, max_tokens)
        for words in rows:
            unknown = [word for word in words if word not in frequent]
            parts.update(slow_parts(unknown, ngrams))
        rest = most_frequent(parts, min_count, max_tokens - len(frequent))
        count = {t: parts[t] for t in rest} | dict(whole)
        count |= {t: counts[t] for t in frequent}
        self.idf = {t: max(np.log(len(texts) / count[t]), 1) for t in count}

    def beginnings(self, words):
        return ["^" + w[:n] for n in self.prefixes for w in words if len(w) > n]

    def bag(self, text, length):
        words = slow_words(text)
        unknown = [word for word in words if word not in self.idf]
        tokens = ["=" + " ".join(words), *words, *self.beginnings(words)]
        tokens += slow_pairs(words) + slow_parts(unknown, self.ngrams)
        tokens = [token for token in tokens if token in self.idf][:length]
        weights = np.array([self.idf[token] for token in tokens])
        return tokens, weights / np.sqrt(max((weights**2).sum(), 1e-12))


@pytest.mark.parametrize(
    ("ngrams", "prefixes", "min_count", "max_tokens"),
    [
        ((), (), 1, 10**6),
        ((2, 4), (), 2, 150),
        ((3,), (1, 3), 3, 5),
        ((), (2, 1), 1, 10**6),
        ((2,), (2,), 2, 150),
    ],
)
def test_equals_plain_python(rng, ngrams, prefixes, min_count, max_tokens):
    texts, labels = random_texts(rng), random_texts(rng, 20, least=5, most=12)
    limits = {"min_count": min_count, "max_tokens": max_tokens}
    slow = SlowTokenizer(texts, labels, ngrams, prefixes, **limits)
    limits |= {"ngrams": ngrams, "prefixes": prefixes}
    fast = learnt(texts, labels, length=12, **limits)
    names = ["", *in_order(slow.idf)]
    assert len(fast) == len(names) > 20
    np.testing.assert_allclose(
        fast.vocabulary.idf, [slow.idf[name] for name in names[1:]], rtol=1e-6
    )
    texts = texts + labels + random_texts(rng, 50)
    bags = fast(texts)
    lengths = set()
    for text, ids, weights in zip(texts, *bags.values(), strict=True):
        tokens, expected = slow.bag(text, 12)
        missing = 12 - len(tokens)
        shown = [names[i] for i in ids.numpy()]
        assert shown == tokens + [""] * missing, repr(text)
        expected = np.append(expected, np.zeros(missing))
        np.testing.assert_allclose(weights, expected, rtol=1e-3)
        lengths.add(len(tokens))
    assert {0, 1, 2, 3} <= lengths, "texts are too much alike"


def test_rows_may_come_in_parts_and_in_any_order(rng):
    texts = random_texts(rng)
    parts = [Texts.from_strings(texts[120:]), Texts.from_strings(texts[:120])]
    one = learnt(texts, length=5).vocabulary
    two = BagTokenizer.fit(parts, length=5).vocabulary
    assert len(one) > 20
    np.testing.assert_array_equal(one.fingerprints, two.fingerprints)
    np.testing.assert_array_equal(one.idf, two.idf)


def words_of(text):
    words = bag_tokenizer.split_words([text])[0]
    return [word.decode() for word in words.numpy()]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", []),
        (" .,-_\n\t🙂 ", []),
        ("Don't re-use C++", ["don", "t", "re", "use", "c"]),
        ("ÉTÉ Straße ΟΔΟΣ", ["été", "straße", "οδος"]),
        ("e\u0301 x² 3½ ٣", ["e\u0301", "x²", "3½", "٣"]),
        ("東京 タワー", ["東京", "タワー"]),
        ("before\0after", ["before", "after"]),
        ("I İ", ["i", "i\u0307"]),
    ],
)
def test_words(text, words):
    assert words_of(text) == words == slow_words(text)


def test_broken_utf8_is_no_error():
    tokenizer = learnt(["red wine", "red meat"], length=3)
    known = tokenizer([b"\xff red \xc3"])["ids"]
    np.testing.assert_array_equal(known, tokenizer(["red"])["ids"])
    assert known.numpy().any()


def test_the_locale_does_not_matter():
    """In Turkish the lower case of I has no dot."""
    program = (
        "from tfxc.data.tokens.bag_tokenizer import split_words;"
        "print(split_words(['I İI'])[0].numpy().tolist())"
    )
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        env={**os.environ, "LC_ALL": "tr_TR.UTF-8", "LANG": "tr_TR.UTF-8"},
        check=True,
        capture_output=True,
        text=True,
    )
    assert run.stdout.strip() == str([b"i", "i\u0307i".encode()])


def test_too_long_texts_lose_parts_then_pairs_then_words():
    texts = ["red wine", "red wine", "unknowable", "unknowably"]
    tokenizer = learnt(texts, length=50, ngrams=(8,))
    parts = slow_parts(["unknowable"], [8])
    known = tokenizer([*texts, "wine unknowable red"])["ids"].numpy()
    red, wine, pair = known[0, :3]
    assert len({red, wine, pair, 0}) == 4
    inner = [i for i in known[4] if i not in (0, red, wine, pair)]
    assert 0 < len(inner) < len(parts)
    text = "red wine unknowable " * 3
    for length in (1, 4, 6, 8, 12, 30):
        ids = tokenizer.with_length(length)([text])["ids"].numpy()[0].tolist()
        expected = [red, wine] * 3 + [pair] * 3 + inner * 3
        assert ids == (expected + [0] * 30)[:length]


def test_weights_have_norm_one(rng):
    texts = [*random_texts(rng), "", "...", "a" * 5000, "zzz"]
    bags = learnt(texts, length=7)(texts)
    norms = np.linalg.norm(bags["weights"], axis=1)
    some = (bags["ids"].numpy() > 0).any(axis=1)
    assert 3 <= np.count_nonzero(~some) < len(texts) // 2
    np.testing.assert_allclose(norms, some, rtol=1e-3)
    assert not bags["weights"].numpy()[bags["ids"] == 0].any()


def test_labels_have_tokens_of_their_own():
    texts = ["red wine", "red wine", "red", "wine"]
    labels = ["Wine, red!", "red wine", "RED WINE", "red", "tea", ""]
    tokenizer = learnt(texts, labels, length=6, max_tokens=1)
    first = tokenizer(labels)["ids"].numpy()[:, 0]
    assert (first > 0).all()
    assert first[1] == first[2], "they read the same"
    assert len(set(first)) == 5
    assert tokenizer(["wine  red"])["ids"][0, 0] == first[0]
    # `red` and the word red are two tokens; the one in four rows is kept.
    assert len(tokenizer) == 1 + 5 + 1


def test_empty_vocabulary():
    none = Vocabulary(np.empty(0, np.int64), np.empty(0, np.float32))
    for tokenizer in (BagTokenizer(none, 3), learnt(["a", "b"], length=3)):
        assert len(tokenizer) == 1
        bag = tokenizer(["a b c", ""])
        assert bag["ids"].shape == (2, 3)
        assert not bag["ids"].numpy().any()
        assert not bag["weights"].numpy().any()
    assert len(learnt([], length=3)) == 1


def test_graph_equals_eager(rng):
    texts = random_texts(rng)
    tokenizer = learnt(texts, length=9)
    graph = tf.function(
        tokenizer, input_signature=[tf.TensorSpec([None], tf.string)]
    )
    for some in (texts, texts[:1], []):
        inside = graph(tf.constant(some, tf.string))
        outside = tokenizer(tf.constant(some, tf.string))
        for name in ("ids", "weights"):
            np.testing.assert_array_equal(inside[name], outside[name])
            assert outside[name].shape == (len(some), 9)
    shapes = graph.get_concrete_function().output_shapes
    assert shapes["ids"].as_list() == [None, 9]
    assert len(tokenizer.trainable_variables) == 0


def test_chunks_equal_one_call(rng, monkeypatch):
    texts = random_texts(rng, 40)
    whole = learnt(texts, length=6)
    expected = whole(texts)
    monkeypatch.setattr(bag_tokenizer, "CHUNK", 7)
    tokenizer = learnt(texts, length=6)
    for name in ("fingerprints", "idf"):
        np.testing.assert_array_equal(
            getattr(tokenizer.vocabulary, name), getattr(whole.vocabulary, name)
        )
    bags = tokenizer.bags(Texts.from_strings(texts))
    assert bags.ids.any()
    np.testing.assert_array_equal(bags.ids, expected["ids"])
    np.testing.assert_array_equal(
        bags.weights, expected["weights"].numpy().astype(np.float16)
    )
    assert len(tokenizer.bags(Texts.from_strings([]))) == 0


def test_with_length_shares_the_vocabulary():
    tokenizer = learnt(["red wine", "red meat"], length=2)
    twin = tokenizer.with_length(5)
    assert twin.fingerprints is tokenizer.fingerprints
    assert twin(["red"])["ids"].shape == (1, 5)
    assert tokenizer(["red"])["ids"].shape == (1, 2)
