"""An encoder of queries and an output layer, trained by the loss of that."""

import keras
import tensorflow as tf

from tfxc.encoders.query_classifier import QueryClassifier


@keras.saving.register_keras_serializable(package="tfxc")
class OutputLayerClassifier(QueryClassifier):
    """An encoder of queries and an output layer, trained by its loss.

    The weights of both are the optimiser's, but for the encoder's table. For
    `fit` and calls see `QueryClassifier`.

    Args:
        encoder: See `DualEncoder`.
        row_optimizer: See `DualEncoder`.
        batch_size: See `QueryClassifier`.
        layer: Keras layer: `(vectors [q, d], labels [q, p], training=True) ->
            losses [q]`, as `tfxc.layers.AdaptiveSoftmax` or `MarginSoftmax`.
        chunk_rows: See `DualEncoder`.
    """

    parts = (*QueryClassifier.parts, "layer")

    def __init__(
        self,
        encoder,
        row_optimizer,
        batch_size,
        layer,
        chunk_rows=None,
        **kwargs,
    ):
        super().__init__(
            encoder, row_optimizer, batch_size, chunk_rows, **kwargs
        )
        self.layer = layer
        if not layer.built:
            layer.build((batch_size, encoder.dim))

    def label_step(self, queries, batch, weights):
        variables = self.layer.trainable_variables
        with tf.GradientTape() as tape:
            tape.watch(queries)
            losses = self.layer(queries, batch["positives"], training=True)
            loss = tf.reduce_sum(weights * losses)
        to_queries, gradients = tape.gradient(
            loss,
            [queries, [variable.value for variable in variables]],
            unconnected_gradients="zero",
        )
        return losses, to_queries, [*zip(gradients, variables, strict=True)]
