"""A vector of its own for each label."""

import keras
import numpy as np
from keras import ops

from tfxc.layers.label_blocks import unit_rows
from tfxc.layers.weighted_rows import weighted_rows


@keras.saving.register_keras_serializable(package="tfxc")
class LabelClassifier(keras.layers.Layer):
    """A free vector for each label, beside or in place of its text's encoding.

    A text says what a label should mean; its training queries say what it does
    mean. With enough of them, a vector that is no function of the text gets
    further. NGAME starts these from the encodings, `w_l = E(z_l)`, and trains
    them against queries of the frozen encoder.

    It stands where the encoder of labels does: `gather` and `head` are those
    of `tfxc.encoders.BagEncoder`, with labels for tokens. As there, the table
    is a non-trainable weight, which Keras' optimisers would update in full.
    `tfxc.training.RowAdagrad(num_labels, padding=False)` updates the rows of a
    batch's candidates by `update`, or all of them by `update_all` from the
    gradient of `full_label_loss_and_gradients`.

    Row l belongs to label l: no row is spent on padding, so the table is what
    full-label losses and searches take as it is. Padding is whatever has
    weight 0: its vector is 0, and its row stays as it is.

    Args:
        num_labels: Rows of the table.
        dim: Dimension of the vectors.
        cosine: Whether to divide vectors by their norms; as in NGAME, the
            norm of a row is then of no account.
        initial: `[num_labels, dim]` array, or one column more with biases, such
            as the labels' encodings; random directions by default. Not part of
            the configuration: a saved classifier has its weights.
        seed: Seed of the random directions.
        bias: Whether each label has a bias, the last column of its row.

    Call arguments:
        inputs: `{"ids": [b, n] int, "weights": [b, n] float}`; n is 1, or
            as many labels as one vector is the weighted sum of.

    Returns:
        `[b, dim]`, float32.

    Example:

    >>> encodings = np.array([[3.0, 4.0], [0.0, 2.0]])
    >>> classifier = tfxc.layers.LabelClassifier(2, dim=2, initial=encodings)
    >>> inputs = {"ids": np.array([[0]]), "weights": np.array([[1.0]])}
    >>> [round(float(x), 2) for x in classifier(inputs)[0]]
    [0.6, 0.8]

    References:
        - [Dahiya et al., 2023](https://arxiv.org/abs/2207.04452), NGAME, M3, M4
        - Jain et al., 2023, Renee, MLSys
    """

    def __init__(
        self,
        num_labels,
        dim,
        cosine=True,
        initial=None,
        seed=0,
        bias=False,
        **kwargs,
    ):
        super().__init__(autocast=False, **kwargs)
        self.num_labels = num_labels
        self.dim = dim
        self.cosine = cosine
        self.seed = seed
        self.bias = bias
        shape = (num_labels, dim + bias)
        if initial is None:
            initial = _random_rows(shape, seed)
        if tuple(initial.shape) != shape:
            raise ValueError(
                f"`initial` must have the shape {shape}. "
                f"Received: initial of shape {tuple(initial.shape)}"
            )
        self.table = self.add_weight(
            shape=shape,
            initializer=lambda shape, dtype: ops.cast(initial, dtype),
            trainable=False,
            autocast=False,
            dtype="float32",
            name="table",
        )

    def build(self, input_shape=None):
        """Nothing is left to do; an encoder has this method."""

    def inputs(self, queries):
        """Vectors `[b, dim]` of queries as rows of the table are multiplied."""
        if not self.bias:
            return queries
        return ops.pad(queries, ((0, 0), (0, 1)), constant_values=1)

    def gather(self, inputs):
        """The weighted sum of rows, of most often one: `[b, dim]`."""
        weights = ops.cast(inputs["weights"], "float32")
        return weighted_rows(self.table, inputs["ids"], weights)

    def head(self, sums, training=False):
        """The vectors of `[b, dim]` weighted sums, the same in training."""
        return unit_rows(sums)[0] if self.cosine else sums

    def call(self, inputs):
        return self.head(self.gather(inputs))

    def vectors(self):
        """The vectors of all labels, to search among: `[num_labels, dim]`."""
        return self.head(ops.convert_to_tensor(self.table))

    def compute_output_shape(self, input_shape):
        return (input_shape["ids"][0], self.dim)

    def get_config(self):
        return {
            **super().get_config(),
            "num_labels": self.num_labels,
            "dim": self.dim,
            "cosine": self.cosine,
            "seed": self.seed,
            "bias": self.bias,
        }


def _random_rows(shape, seed):
    """Rows of length 1 on average, without a second array of their size."""
    rows = np.random.default_rng(seed).random(shape, dtype=np.float32)
    rows -= 0.5
    rows *= 2 * (3 / shape[1]) ** 0.5
    return rows
