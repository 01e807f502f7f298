"""From strings of `feature:value` pairs to bags."""

import tensorflow as tf

from tfxc.data.tokens.unit_weights import unit_weights


class FeatureTokenizer(tf.Module):
    """Reads sparse feature vectors written as text, inside a graph.

    So that a model of sparse features takes strings like every other one.
    Feature `f` is token `f + 1`; values are divided by the Euclidean norm of
    their row, and a row keeps its `length` largest, as
    `tfxc.data.bags_from_features` does. A pair without `:value` counts 1; a
    feature outside the vocabulary is dropped.

    Args:
        num_features: Number of features; larger ids are unknown.
        length: Number of tokens of each bag.

    Call arguments:
        texts: `[b]`, string; such as `"3:0.5 17:1"`.

    Returns:
        `{"ids": [b, length] int32, "weights": [b, length] float32}`.

    Example:

    >>> tokenizer = tfxc.data.FeatureTokenizer(num_features=5, length=2)
    >>> tokenizer(["0:3 4:4"])["ids"].numpy()
    array([[5, 1]], dtype=int32)
    """

    def __init__(self, num_features, length):
        super().__init__()
        self.num_features = num_features
        self.length = length

    def with_length(self, length):
        """The same tokenizer with bags of another length."""
        return FeatureTokenizer(self.num_features, length)

    def __len__(self):
        """How many ids there are, padding included."""
        return self.num_features + 1

    def __call__(self, texts):
        pairs = tf.strings.split(texts)
        text = tf.strings.join([pairs.flat_values, ":1"])
        fields = tf.strings.split(text, ":").to_tensor("", shape=[None, 2])
        ids = tf.strings.to_number(fields[:, 0], tf.int64)
        values = tf.strings.to_number(fields[:, 1], tf.float32)
        known = (ids >= 0) & (ids < self.num_features)
        ids = tf.where(known, tf.cast(ids, tf.int32) + 1, 0)
        values = tf.where(known, values, 0.0)
        # Padding is as long as a bag, so that every row fills one.
        padding = [[0, 0], [0, self.length]]
        ids = tf.pad(pairs.with_flat_values(ids).to_tensor(), padding)
        values = tf.pad(pairs.with_flat_values(values).to_tensor(), padding)
        order = tf.argsort(
            tf.abs(values), direction="DESCENDING", stable=True
        )  # [b, longest + length]
        order = tf.ensure_shape(order[:, : self.length], [None, self.length])
        ids = tf.gather(ids, order, batch_dims=1)
        values = tf.gather(values, order, batch_dims=1)
        return {"ids": ids, "weights": unit_weights(values)}
