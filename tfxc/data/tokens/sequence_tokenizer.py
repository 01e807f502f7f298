"""From strings to the token ids of a pretrained transformer."""

import numpy as np
import tensorflow as tf

from tfxc.data.tokens.bag_tokenizer import in_chunks
from tfxc.data.tokens.sequences import Sequences


class SequenceTokenizer(tf.Module):
    """Strings in, token ids out, inside a TensorFlow graph.

    Wraps the tokenizer that belongs to a pretrained encoder: a text becomes
    its start token, its own tokens, cut to fit, and its end token.

    Args:
        tokenizer: KerasHub tokenizer.
        length: Most tokens of a text, with start and end; at least 3.

    Call arguments:
        texts: `[b]`, string; UTF-8.

    Returns:
        `{"token_ids": [b, at most length] int32}`, as long as the longest.
    """

    def __init__(self, tokenizer, length):
        super().__init__()
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
        tokens, _ = self._framed(texts)
        return {"token_ids": tokens.to_tensor(self.pad_id)}

    def sequences(self, texts):
        """The tokens of all `texts`, in parallel, in bounded memory.

        Args:
            texts: `Texts`.

        Returns:
            `Sequences` of `len(texts)` rows, no longer than the longest text.
        """
        ids = np.full((len(texts), self.length), self.pad_id, np.int32)
        row = longest = self.num_cut = 0
        for tokens, cut in in_chunks(texts, self._dense):
            end = row + len(tokens)
            ids[row:end, : tokens.shape[1]] = tokens
            longest = max(longest, tokens.shape[1])
            self.num_cut += int(cut)
            row = end
        return Sequences(ids[:, : max(longest, 1)], self.pad_id)

    def _dense(self, texts):
        tokens, cut = self._framed(texts)
        return tokens.to_tensor(self.pad_id), cut

    def _framed(self, texts):
        """Ragged tokens with start and end, and how many texts were cut."""
        tokens = tf.cast(self._tokenizer(texts), tf.int32)
        room = self.length - 2
        cut = tf.reduce_sum(tf.cast(tokens.row_lengths() > room, tf.int32))
        column = tf.ones_like(texts, tf.int32)[:, None]
        start = self._tokenizer.start_token_id * column
        end = self._tokenizer.end_token_id * column
        return tf.concat([start, tokens[:, :room], end], axis=1), cut
