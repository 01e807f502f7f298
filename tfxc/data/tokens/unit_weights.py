"""Weights of tokens as they are stored."""

import tensorflow as tf


def unit_weights(weights):
    """Divides each row by its Euclidean norm, in the precision of `Bags`.

    Rounded as the stored weights are, so that a served model sees what the
    trained one saw.

    Args:
        weights: `[b, length]`, float32.

    Returns:
        `[b, length]`, float32 with the values of float16.
    """
    unit = tf.math.l2_normalize(weights, axis=1)
    return tf.cast(tf.cast(unit, tf.float16), tf.float32)
