"""An encoder of queries and an output layer, trained by the loss of that."""

import keras
import tensorflow as tf

from tfxc.encoders.query_classifier import QueryClassifier


@keras.saving.register_keras_serializable(package="tfxc")
class OutputLayerClassifier(QueryClassifier):
    """An encoder of queries and an output layer, trained by its loss.

    For `fit` and calls see `QueryClassifier`.

    Args:
        encoder: See `DualEncoder`.
        row_optimizer: See `DualEncoder`.
        batch_size: See `QueryClassifier`.
        layer: Keras layer: `(vectors [q, d], labels [q, p], training=True) ->
            losses [q]`, as `tfxc.layers.AdaptiveSoftmax` or `MarginSoftmax`.
        layer_optimizer: Keras optimiser of the layer; if left out, that of
            `compile`, which moves what is no table of the encoder.
        chunk_rows: See `DualEncoder`.
    """

    parts = (*QueryClassifier.parts, "layer", "layer_optimizer")

    def __init__(
        self,
        encoder,
        row_optimizer,
        batch_size,
        layer,
        layer_optimizer=None,
        chunk_rows=None,
        **kwargs,
    ):
        super().__init__(
            encoder, row_optimizer, batch_size, chunk_rows, **kwargs
        )
        self.layer = layer
        if not layer.built:
            layer.build((batch_size, encoder.dim))
        self.layer_optimizer = layer_optimizer
        if layer_optimizer is not None:
            layer_optimizer.build(layer.trainable_variables)
            # As a list, they are variables of the model, and saved with it.
            self.layer_optimizer_state = layer_optimizer.variables

    @property
    def trainable_variables(self):
        """What the optimiser of `compile` moves, and keeps a state of."""
        variables = super().trainable_variables
        if self.layer_optimizer is None:
            return variables
        others = {id(weight) for weight in self.layer.trainable_variables}
        return [weight for weight in variables if id(weight) not in others]

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
        pairs = [*zip(gradients, variables, strict=True)]
        if self.layer_optimizer is not None:
            self.layer_optimizer.apply_gradients(pairs)
            pairs = []
        return losses, to_queries, pairs
