"""From strings to bags of words, their beginnings and word pairs."""

import copy

import numpy as np
import tensorflow as tf

from tfxc.data.tokens.bags import PADDING, Bags
from tfxc.data.tokens.unit_weights import unit_weights
from tfxc.data.tokens.vocabulary import TokenCounter, Vocabulary, merged

NUM_FINGERPRINTS = 2**62
CHUNK = 8192  # texts at a time; bounds the memory of a pass over all texts


class BagTokenizer(tf.Module):
    """Strings in, weighted token ids out, inside a TensorFlow graph.

    The tokens of a text are the text as a whole (so that a text which reads
    exactly like a label finds it, and every label has one token that is its
    own), its words in lower case, the beginnings of longer words (which
    "psychology" shares with "psychological"), and pairs of neighbouring words.
    A word that the vocabulary does not hold is replaced by its character
    n-grams. Weights are TF-IDF, of Euclidean norm 1 for each text.

    The graph that prepares the training data is the one that is exported, so
    training and serving cannot disagree.

    Args:
        vocabulary: `Vocabulary` of the tokens.
        length: Number of tokens of each bag; what does not fit is cut, in the
            order above from the end.
        ngrams: Lengths of the character n-grams; none if empty.
        prefixes: Lengths of the beginnings; none if empty.

    Call arguments:
        texts: `[b]`, string; UTF-8.

    Returns:
        `{"ids": [b, length] int32, "weights": [b, length] float32}`.

    Example:

    >>> texts = ["red wine", "white wine", "red meat", "wine"]
    >>> texts = tfxc.data.Texts.from_strings(texts)
    >>> tokenizer = tfxc.data.BagTokenizer.fit([texts], length=4)
    >>> tokenizer(["wine, RED wine"])["ids"].shape
    TensorShape([1, 4])
    """

    def __init__(self, vocabulary, length, ngrams=(4, 5), prefixes=()):
        super().__init__()
        self.length = length
        self.ngrams = tuple(ngrams)
        self.prefixes = tuple(prefixes)
        self.fingerprints = tf.Variable(
            np.asarray(vocabulary.fingerprints), trainable=False
        )
        idf = np.concatenate([[0.0], vocabulary.idf]).astype(np.float32)
        self.idf = tf.Variable(idf, trainable=False)

    @classmethod
    def fit(
        cls,
        texts,
        length,
        ngrams=(4, 5),
        min_count=2,
        max_tokens=1_000_000,
        labels=None,
        prefixes=(),
    ):
        """Learns the vocabulary.

        Args:
            texts: List of `Texts`; the rows to learn from.
            length: See the class.
            ngrams: See the class.
            min_count: Tokens with fewer occurrences are left out.
            max_tokens: Most words, pairs and parts of words to keep.
            labels: `Texts` of the labels; each one's whole text is kept as a
                token, however rare and beside the `max_tokens`.
            prefixes: See the class.
        """
        counter, own = TokenCounter(), TokenCounter()

        def common(texts):
            return word_fingerprints(texts, prefixes)

        for part in texts:
            for tokens in in_chunks(part, common):
                counter.add(tokens)
        labels = () if labels is None else labels
        for tokens in in_chunks(labels, whole_fingerprints):
            own.add(tokens)
        rows = sum(map(len, texts))
        frequent = counter.vocabulary(rows, min_count, max_tokens)
        known = merged(frequent, own.vocabulary(rows, 1, len(labels)))
        words = cls(known, length, ngrams, prefixes)
        if not ngrams:
            return words
        counter = TokenCounter()
        for part in texts:
            for tokens in in_chunks(part, words.unknown_parts):
                counter.add(tokens)
        rest = max_tokens - len(frequent)
        parts = counter.vocabulary(rows, min_count, rest)
        return cls(merged(known, parts), length, ngrams, prefixes)

    def with_length(self, length):
        """A tokenizer with the same vocabulary variables, other length."""
        twin = copy.copy(self)
        twin.length = length
        return twin

    @property
    def vocabulary(self):
        """The `Vocabulary`, as arrays."""
        return Vocabulary(self.fingerprints.numpy(), self.idf.numpy()[1:])

    def __len__(self):
        """How many ids there are, padding included."""
        return self.idf.shape[0]

    def __call__(self, texts):
        words = split_words(texts)
        known = self.lookup(fingerprint(words))
        pieces = [
            self.lookup(whole_fingerprints(texts))[:, None],
            known,
            *(self.lookup(beginnings(words, n)) for n in self.prefixes),
            self.lookup(fingerprint(tf.strings.ngrams(words, 2))),
        ]
        if self.ngrams:
            unknown = tf.ragged.boolean_mask(words, known == PADDING)
            pieces.append(self.lookup(part_fingerprints(unknown, self.ngrams)))
        ids = tf.concat(pieces, axis=1)
        ids = tf.ragged.boolean_mask(ids, ids != PADDING)
        ids = ids.to_tensor(shape=[None, self.length])  # [b, length]
        weights = tf.gather(self.idf, ids)
        return {"ids": ids, "weights": unit_weights(weights)}

    def unknown_parts(self, texts):
        """Fingerprints of the parts of unknown words: `[n]`, int64."""
        words = split_words(texts)
        known = self.lookup(fingerprint(words))
        unknown = tf.ragged.boolean_mask(words, known == PADDING)
        return part_fingerprints(unknown, self.ngrams).flat_values

    def lookup(self, fingerprints):
        """Token ids of fingerprints of any shape; 0 where unknown."""
        if isinstance(fingerprints, tf.RaggedTensor):
            return tf.ragged.map_flat_values(self.lookup, fingerprints)
        if len(self) == 1:
            return tf.zeros_like(fingerprints, tf.int32)
        place = tf.searchsorted(self.fingerprints, fingerprints)
        place = tf.minimum(place, tf.shape(self.fingerprints)[0] - 1)
        found = tf.gather(self.fingerprints, place) == fingerprints
        return tf.where(found, place + 1, PADDING)

    def bags(self, texts):
        """The bags of all `texts`, in parallel, in bounded memory.

        Args:
            texts: `Texts`.

        Returns:
            `Bags` of `len(texts)` rows.
        """
        ids = np.zeros((len(texts), self.length), np.int32)
        weights = np.zeros((len(texts), self.length), np.float16)
        row = 0
        for bag in in_chunks(texts, self):
            end = row + len(bag["ids"])
            ids[row:end], weights[row:end] = bag["ids"], bag["weights"]
            row = end
        return Bags(ids, weights)


def split_words(texts):
    """Words of each text, in lower case: `[b, None]` ragged string."""
    # A NUL would end the text in `lower`, so what is no word goes first.
    words = tf.strings.regex_replace(texts, r"[^\pL\pM\pN]+", " ")
    # How I and İ are lowered depends on the locale of the process, so do it
    # before: first I (and all ASCII), then İ, as Python does.
    words = tf.strings.regex_replace(tf.strings.lower(words), "İ", "i\u0307")
    return tf.strings.split(tf.strings.lower(words, encoding="utf-8"))


def fingerprint(tokens):
    """Fingerprints of string tokens of any shape, int64 in `[0, 2**62)`."""
    if isinstance(tokens, tf.RaggedTensor):
        return tf.ragged.map_flat_values(fingerprint, tokens)
    return tf.strings.to_hash_bucket_fast(tokens, NUM_FINGERPRINTS)


def whole_fingerprints(texts):
    """One fingerprint for each text as a whole: `[b]`, int64."""
    whole = tf.strings.reduce_join(split_words(texts), axis=1, separator=" ")
    return fingerprint(tf.strings.join(["=", whole]))


def word_fingerprints(texts, prefixes=()):
    """Fingerprints of words, their beginnings and word pairs: `[n]`, int64."""
    words = split_words(texts)
    pairs = tf.strings.ngrams(words, 2)
    whole = fingerprint(tf.concat([words.values, pairs.values], axis=0))
    parts = [beginnings(words, n).flat_values for n in prefixes]
    return tf.concat([whole, *parts], axis=0)


def beginnings(words, length):
    """Fingerprints of the first characters of longer words.

    Args:
        words: `[b, None]`, ragged string.
        length: How many characters; words that are no longer are left out.

    Returns:
        `[b, None]`, ragged int64.
    """
    characters = tf.ragged.map_flat_values(
        tf.strings.length, words, unit="UTF8_CHAR"
    )
    longer = tf.ragged.boolean_mask(words, characters > length)
    start = tf.strings.substr(longer.flat_values, 0, length, unit="UTF8_CHAR")
    # No word holds the mark, so none reads like a beginning.
    return longer.with_flat_values(fingerprint(tf.strings.join(["^", start])))


def part_fingerprints(words, ngrams):
    """Fingerprints of character n-grams of the words, `<` and `>` at the ends.

    Args:
        words: `[b, None]`, ragged string.
        ngrams: Lengths of the n-grams.

    Returns:
        `[b, None]`, ragged int64.
    """
    marked = tf.strings.join(["<", words.values, ">"])
    characters = tf.strings.unicode_split(marked, "UTF-8")
    grams = tf.strings.ngrams(characters, ngrams, separator="")
    return fingerprint(words.with_values(grams).merge_dims(1, 2))


def in_chunks(texts, function):
    """Yields `function` of each chunk of `texts`, in order, in parallel."""
    if not len(texts):
        return
    starts = tf.data.Dataset.range(0, len(texts), CHUNK)

    def read(start):
        return np.array(texts.encoded(start, start + CHUNK), object)

    chunks = starts.map(
        lambda start: tf.ensure_shape(
            tf.numpy_function(read, [start], tf.string), [None]
        )
    ).map(function, num_parallel_calls=tf.data.AUTOTUNE)
    yield from chunks.prefetch(2).as_numpy_iterator()
