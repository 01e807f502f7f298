"""From strings of `feature:value` pairs to bags."""

import tensorflow as tf


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

    >>> FeatureTokenizer(5, length=2)(["0:3 4:4"])["ids"].numpy()
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
        fields = tf.strings.split(text, ":").to_tensor("", [None, 2])
        ids = tf.strings.to_number(fields[:, 0], tf.int32)
        values = tf.strings.to_number(fields[:, 1], tf.float32)
        known = (ids >= 0) & (ids < self.num_features)
        ids = pairs.with_flat_values(tf.where(known, ids + 1, 0))
        values = pairs.with_flat_values(tf.where(known, values, 0.0))
        width = tf.maximum(ids.bounding_shape(axis=1), self.length)
        ids = ids.to_tensor(shape=[None, width])
        values = values.to_tensor(shape=[None, width])
        order = tf.argsort(
            tf.abs(values), direction="DESCENDING", stable=True
        )[:, : self.length]
        ids = tf.ensure_shape(
            tf.gather(ids, order, batch_dims=1), [None, self.length]
        )
        values = tf.ensure_shape(
            tf.gather(values, order, batch_dims=1), [None, self.length]
        )
        return {"ids": ids, "weights": tf.math.l2_normalize(values, axis=1)}
