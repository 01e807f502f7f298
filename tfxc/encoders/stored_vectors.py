"""The encoder of what is encoded already."""

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="tfxc")
class StoredVectors(keras.layers.Layer):
    """Passes vectors on, with dropout in training.

    A classifier on the vectors of its own training queries, which the encoder
    has learnt by heart, trusts them too much; dropout is what NGAME does about
    it.

    Args:
        dim: Dimension of the vectors.
        dropout: Share of the values that are set to zero in training.
        seed: Seed of the dropout.

    Call arguments:
        inputs: `{"vectors": [b, dim] float}`.
        training: Whether dropout is on.

    Returns:
        `[b, dim]`, float32; unit vectors.

    Example:

    >>> layer = tfxc.encoders.StoredVectors(dim=2)
    >>> layer({"vectors": np.array([[3.0, 4.0]])}).numpy()
    array([[0.6, 0.8]], dtype=float32)

    Reference:
        [Dahiya et al., 2023](https://arxiv.org/abs/2207.04452), module M4
    """

    def __init__(self, dim, dropout=0.5, seed=0, **kwargs):
        # Vectors stay float32 under a policy of low precision.
        super().__init__(autocast=False, **kwargs)
        self.dim = dim
        self.rate = dropout
        self.seed = seed
        self.dropout = keras.layers.Dropout(dropout, seed=seed, dtype="float32")

    def build(self, input_shape=None):
        self.built = True

    def gather(self, inputs):
        """The vectors themselves: `[b, dim]`."""
        return ops.cast(inputs["vectors"], "float32")

    def head(self, vectors, training=False):
        """Unit vectors of `[b, dim]`."""
        vectors = self.dropout(vectors, training=training)
        square = ops.sum(ops.square(vectors), axis=-1, keepdims=True)
        return vectors * ops.rsqrt(ops.maximum(square, 1e-12))

    def call(self, inputs, training=False):
        return self.head(self.gather(inputs), training)

    def compute_output_shape(self, input_shape):
        return input_shape["vectors"]

    def get_config(self):
        return {
            **super().get_config(),
            "dim": self.dim,
            "dropout": self.rate,
            "seed": self.seed,
        }
