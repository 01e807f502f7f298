"""An output layer whose right classes must win by a margin."""

import keras
import numpy as np
from keras import ops

from tfxc.layers.margin_scores import margin_easing, margin_scores
from tfxc.layers.row_labels import (
    check_labels,
    label_table,
    num_labels_of,
    sum_at,
)
from tfxc.losses.margin_cosine import check_margins

TINY = 1e-12  # added to a square, whose root has no slope at 0


@keras.saving.register_keras_serializable(package="tfxc")
class LargeMarginDense(keras.layers.Layer):
    """An output layer whose right classes must win by a margin.

    As `Dense` without a bias, `|w| |x| cos t` with the angle t between the
    weights of a class and the input. In training, the classes that are right
    get less, see `tfxc.losses.margin_cosine`: to be as likely as before, their
    angle must be that much smaller, so features of a class move together.

    A margin from the beginning is often too hard. `easing` lets it come by and
    by; the steps that were trained are counted in a variable, `steps`.

    Args:
        units: Number of classes.
        multiply: See `margin_cosine`; 2 to 4 are usual, 1 is no margin.
        angle: See `margin_cosine`.
        subtract: See `margin_cosine`.
        scale: Multiplies cosines in place of the norms, as in ArcFace and
            CosFace; `None` for the norms.
        easing: Keyword arguments of `margin_easing`, or `None` for a margin
            from the beginning.
        seed: Of the first weights.

    Call arguments:
        inputs: `[b, d]`, float.
        labels: `[b]` or `[b, p]`, int; the right classes of each row, then -1.
            Without them, no class has a margin.
        training: Whether right classes have a margin.

    Returns:
        `[b, units]`, float32 scores, for a softmax.

    Raises:
        ValueError: if margins are out of range, see `margin_cosine`; if labels
            that are a NumPy array are.

    Example:

    >>> layer = tfxc.layers.LargeMarginDense(3, multiply=2, scale=1.0)
    >>> x, labels = np.ones((1, 2), np.float32), np.array([0])
    >>> plain = layer(x, labels)
    >>> bool(layer(x, labels, training=True)[0, 0] < plain[0, 0])
    True

    References:
        - [Liu et al., 2016](https://arxiv.org/abs/1612.02295)
        - [Wang et al., 2018](https://arxiv.org/abs/1801.09414), CosFace
        - [Deng et al., 2019](https://arxiv.org/abs/1801.07698), ArcFace
    """

    def __init__(
        self,
        units,
        multiply=4,
        angle=0.0,
        subtract=0.0,
        scale=None,
        easing=None,
        seed=0,
        **kwargs,
    ):
        super().__init__(**kwargs)
        check_margins(multiply, angle, subtract)
        if units < 1 or (scale is not None and not scale > 0):
            raise ValueError(
                "`units` must be at least 1, and `scale` positive or None. "
                f"Received: units={units}, scale={scale}"
            )
        self.units, self.scale = units, scale
        self.margins = int(multiply), angle, subtract
        self.easing, self.seed = easing, seed

    def build(self, input_shape):
        self.kernel = self.add_weight(
            name="kernel",
            shape=(input_shape[-1], self.units),
            initializer=keras.initializers.GlorotUniform(self.seed),
        )
        self.steps = self.add_weight(
            name="steps",
            shape=(),
            dtype="int32",
            initializer="zeros",
            trainable=False,
        )
        self.built = True

    def __call__(self, inputs, labels=None, **kwargs):
        if isinstance(labels, np.ndarray):  # which Keras makes a tensor of
            check_labels(labels, self.units)
        return super().__call__(inputs, labels, **kwargs)

    def call(self, inputs, labels=None, training=False):
        inputs = ops.cast(inputs, self.compute_dtype)
        products = ops.cast(ops.matmul(inputs, self.kernel), "float32")
        margin = labels is not None and training
        if not margin and self.scale is None:
            return products
        norms = norms_of(inputs, 1)[:, None] * norms_of(self.kernel, 0)
        cosine = products / norms
        scale = norms if self.scale is None else self.scale
        if not margin:
            return scale * cosine
        easing = 0.0
        if self.easing is not None:
            self.steps.assign_add(1)
            easing = margin_easing(self.steps, **self.easing)
        relevance = relevance_of(label_table(labels), self.units)
        return margin_scores(relevance, cosine, scale, self.margins, easing)

    def compute_output_shape(self, input_shape, *_, **__):
        return (input_shape[0], self.units)

    def get_config(self):
        multiply, angle, subtract = self.margins
        return {
            **super().get_config(),
            "units": self.units,
            "multiply": multiply,
            "angle": angle,
            "subtract": subtract,
            "scale": self.scale,
            "easing": self.easing,
            "seed": self.seed,
        }


@keras.saving.register_keras_serializable(package="tfxc")
class MarginSoftmax(LargeMarginDense):
    """The softmax loss of a `LargeMarginDense`, and its best classes.

    With several right classes, the target is uniform over them, and each has a
    margin.

    Args:
        **kwargs: See `LargeMarginDense`.

    Call arguments:
        inputs: `[b, d]`, float.
        labels: `[b]` or `[b, p]`, int; the right classes of each row, then -1.
        training: Whether right classes have a margin.

    Returns:
        `[b]`, float32; the mean of -log p over a row's classes, 0 without any.

    Example:

    >>> layer = tfxc.layers.MarginSoftmax(100, multiply=2)
    >>> x = np.random.default_rng(0).normal(size=(4, 32)).astype("float32")
    >>> layer(x, np.array([3, 70, 99, 0]), training=True).shape
    TensorShape([4])
    """

    def call(self, inputs, labels, training=False):
        log_p = ops.log_softmax(super().call(inputs, labels, training), axis=-1)
        labels = label_table(labels)
        return -sum_at(log_p, labels) / num_labels_of(labels)

    def scores(self, inputs):
        """Scores of all classes, without a margin: `[b, units]`, float32."""
        if not self.built:
            self.build(inputs.shape)
        return super().call(inputs)

    def log_probs(self, inputs):
        """log p of each class: `[b, units]`, float32."""
        return ops.log_softmax(self.scores(inputs), axis=-1)

    def top_k(self, inputs, k):
        """The k likeliest classes: `(log p [b, k], ids [b, k] int32)`."""
        values, ids = ops.top_k(self.log_probs(inputs), k)
        return values, ops.cast(ids, "int32")

    def compute_output_shape(self, input_shape, *_, **__):
        return (input_shape[0],)


def norms_of(vectors, axis):
    """Norms along an axis, float32, with a slope at 0."""
    squares = ops.square(ops.cast(vectors, "float32"))
    return ops.sqrt(ops.sum(squares, axis=axis) + TINY)


def relevance_of(labels, units):
    """Whether each class is one of labels `[b, p]`: `[b, units]`, bool."""
    classes = ops.arange(units, dtype="int32")
    found = ops.equal(labels[:, :1], classes)
    for place in range(1, labels.shape[1]):  # not [b, p, units]
        found = found | ops.equal(labels[:, place, None], classes)
    return found
