"""Text encoder that is fast on any machine: a sum of token vectors."""

import keras
from keras import ops

from tfxc.layers.weighted_rows import weighted_rows


@keras.saving.register_keras_serializable(package="tfxc")
class BagEncoder(keras.layers.Layer):
    """Weighted sum of token vectors, a residual block, unit norm.

    A step of a transformer costs milliseconds a text on a CPU; this costs
    microseconds, and on short texts with many training pairs it is hard to
    beat. With x the weighted sum of a bag's token vectors:

    ```
    u = x / |x|
    y = u + W2 relu(W1 u + b1)
    E = y / |y|
    ```

    W2 starts at zero and token vectors at random directions, so that an
    untrained encoder compares TF-IDF vectors under a random projection.

    The token table has as many rows as there are tokens, while a batch
    touches few. Keras' optimisers would update all of it at every step, so
    the table is a non-trainable weight, and `tfxc.training.RowAdagrad`
    updates the rows of the batch from the gradient of the sum.

    Args:
        num_tokens: Rows of the table; token 0 is padding.
        dim: Dimension of the vectors.
        hidden: Width of the residual block; 0 for none.
        seed: Seed of the initial values.

    Call arguments:
        inputs: `{"ids": [b, length] int, "weights": [b, length] float}`.

    Returns:
        `[b, dim]`, float32; unit vectors.

    Example:

    >>> encoder = tfxc.encoders.BagEncoder(num_tokens=10, dim=4, hidden=8)
    >>> inputs = {"ids": np.array([[1, 2, 0]]),
    ...           "weights": np.array([[0.6, 0.8, 0.0]])}
    >>> encoder(inputs).shape
    TensorShape([1, 4])
    """

    def __init__(self, num_tokens, dim=128, hidden=256, seed=0, **kwargs):
        # Under a policy of low precision, only the residual block is in it.
        super().__init__(autocast=False, **kwargs)
        self.num_tokens = num_tokens
        self.dim = dim
        self.hidden = hidden
        self.seed = seed
        self.table = self.add_weight(
            shape=(num_tokens, dim),
            initializer=UniformRows(seed),
            trainable=False,
            autocast=False,
            dtype="float32",
            name="table",
        )
        self.block = []
        if hidden:
            self.block = [
                keras.layers.Dense(
                    hidden,
                    activation="relu",
                    kernel_initializer=keras.initializers.GlorotNormal(seed),
                    dtype=self.dtype_policy,
                    name="widen",
                ),
                keras.layers.Dense(
                    dim,
                    kernel_initializer="zeros",
                    dtype=self.dtype_policy,
                    name="narrow",
                ),
            ]

    def build(self, input_shape=None):
        for layer, width in zip(
            self.block, (self.dim, self.hidden), strict=False
        ):
            if not layer.built:
                layer.build((None, width))

    def gather(self, inputs):
        """The weighted sum of each bag's token vectors: `[b, dim]`."""
        weights = ops.cast(inputs["weights"], "float32")
        return weighted_rows(self.table, inputs["ids"], weights)

    def head(self, sums, training=False):
        """Unit vectors of `[b, dim]` weighted sums, the same in training."""
        unit = _normalise(sums)
        change = unit
        for layer in self.block:
            change = layer(change)
        if not self.block:
            return unit
        moved = _normalise(unit + ops.cast(change, "float32"))
        # A text without known tokens has no direction: it scores 0 everywhere.
        return ops.where(ops.any(unit != 0, axis=-1, keepdims=True), moved, 0.0)

    def call(self, inputs, training=False):
        return self.head(self.gather(inputs))

    def compute_output_shape(self, input_shape):
        return (input_shape["ids"][0], self.dim)

    def get_config(self):
        return {
            **super().get_config(),
            "num_tokens": self.num_tokens,
            "dim": self.dim,
            "hidden": self.hidden,
            "seed": self.seed,
        }


@keras.saving.register_keras_serializable(package="tfxc")
class UniformRows(keras.initializers.Initializer):
    """Rows of length 1 on average, drawn in one pass over the memory.

    Normal values take twice as long, and uniform ones as Keras draws them hold
    the table three times.

    Args:
        seed: Integer.
    """

    def __init__(self, seed=0):
        self.seed = seed

    def __call__(self, shape, dtype=None):
        bound = (3 / shape[-1]) ** 0.5

        def draw():
            return keras.random.uniform(shape, -bound, bound, dtype, self.seed)

        if keras.backend.backend() == "tensorflow":
            import tensorflow as tf

            draw = tf.function(draw, jit_compile=True, autograph=False)
        return draw()

    def get_config(self):
        return {"seed": self.seed}


def _normalise(vectors):
    """Divides by the Euclidean norm; zero vectors, of empty texts, stay."""
    square = ops.sum(ops.square(vectors), axis=-1, keepdims=True)
    return vectors * ops.rsqrt(ops.maximum(square, 1e-12))
