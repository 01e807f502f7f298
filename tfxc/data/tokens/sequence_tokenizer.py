"""From strings to the token ids of a pretrained transformer."""

import functools

import numpy as np
import tensorflow as tf

from tfxc.data.tokens.bag_tokenizer import in_chunks
from tfxc.data.tokens.sequences import Sequences


class SequenceTokenizer(tf.Module):
    """Strings in, token ids out, inside a TensorFlow graph.

    Wraps the tokenizer that belongs to a pretrained encoder: a text becomes
    its start token, its own tokens, cut to fit, and its end token.

    The graph that prepares the training data is the one that is exported.
    (Outside of graphs, KerasHub's tokenizers run other code.)

    Args:
        tokenizer: KerasHub tokenizer.
        length: Most tokens of a text, with start and end; at least 3.

    Call arguments:
        texts: `[b]`, string; UTF-8.

    Returns:
        `{"token_ids": [b, at most length] int32}`, as long as the longest.
    """

    # What a process must import before it loads a SavedModel with this.
    packages = ("tensorflow_text",)

    def __init__(self, tokenizer, length):
        super().__init__()
        if length < 3:
            raise ValueError(
                "`length` must be at least 3, for start, a token and end. "
                f"Received: length={length}"
            )
        self._tokenizer = tokenizer
        self.length = length
        self.pad_id = tokenizer.pad_token_id
        self.num_cut = 0  # texts of all `sequences` that were too long

    def with_length(self, length):
        """A tokenizer of the same vocabulary with another length."""
        return SequenceTokenizer(self._tokenizer, length)

    def __len__(self):
        """How many ids there are."""
        return self._tokenizer.vocabulary_size()

    def __call__(self, texts):
        token_ids, _ = self._framed(texts)
        return {"token_ids": token_ids}

    def sequences(self, texts):
        """The tokens of all `texts`, in parallel, in bounded memory.

        Args:
            texts: `Texts`.

        Returns:
            `Sequences` of `len(texts)` rows, no longer than the longest text.
        """
        ids = np.full((len(texts), self.length), self.pad_id, np.int32)
        row = longest = self.num_cut = 0
        for tokens, cut in in_chunks(texts, self._framed):
            end = row + len(tokens)
            ids[row:end, : tokens.shape[1]] = tokens
            longest = max(longest, tokens.shape[1])
            self.num_cut += int(cut)
            row = end
        return Sequences(ids[:, : max(longest, 1)], self.pad_id)

    def _framed(self, texts):
        """Tokens with start and end, padded, and how many texts were cut."""
        texts = tf.convert_to_tensor(texts, tf.string)
        tokens = tf.cast(in_graph(self._tokenizer)(texts), tf.int32)
        room = self.length - 2
        cut = tf.reduce_sum(tf.cast(tokens.row_lengths() > room, tf.int32))
        column = tf.ones_like(texts, tf.int32)[:, None]
        start = self._tokenizer.start_token_id * column
        end = self._tokenizer.end_token_id * column
        framed = tf.concat([start, tokens[:, :room], end], axis=1)
        dense = framed.to_tensor(self.pad_id)
        # Without texts there still is a first token to take.
        missing = tf.maximum(2 - tf.shape(dense)[1], 0)
        return tf.pad(
            dense, [[0, 0], [0, missing]], constant_values=self.pad_id
        ), cut


@functools.lru_cache(maxsize=4)
def in_graph(tokenizer):
    """A KerasHub tokenizer as one graph, which takes seconds to make."""
    return tf.function(
        tokenizer,
        input_signature=[tf.TensorSpec([None], tf.string)],
        autograph=False,
    )
