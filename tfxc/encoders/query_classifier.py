"""What all models of an encoder of queries and vectors of labels share."""

import keras
import tensorflow as tf
from keras import ops

from tfxc.encoders.gradients import (
    Side,
    add_gradients,
    check_chunks,
    encode_chunks,
)
from tfxc.encoders.noise import MOST_CHUNKS, noise_generators, set_noise


class QueryClassifier(keras.Model):
    """An encoder of queries, and what a subclass tells their labels by.

    `fit` takes batches `{"query": inputs, "positives": [q, p]}`. A query
    without labels is padding and changes nothing.

    A subclass writes `label_step`, and names in `parts` the attributes that
    are to be saved beside the settings that `get_config` returns.

    Args:
        encoder: See `DualEncoder`.
        row_optimizer: See `DualEncoder`.
        batch_size: Queries of each batch; their vectors of the last step are
            kept in `query_vectors`, for an embedding bank.
        chunk_rows: Queries that are encoded together, see `DualEncoder`.

    Call arguments:
        inputs: What the encoder takes.

    Returns:
        `[b, dim]`, float32; unit vectors.
    """

    parts = ("encoder", "row_optimizer")

    def __init__(
        self, encoder, row_optimizer, batch_size, chunk_rows=None, **kwargs
    ):
        super().__init__(**kwargs)
        check_chunks(chunk_rows, row_optimizer)
        self.chunk_rows = chunk_rows
        self.encoder = encoder
        self.row_optimizer = row_optimizer
        self.encoder.build()
        self.query_vectors = self.add_weight(
            shape=(batch_size, encoder.dim),
            initializer="zeros",
            trainable=False,
            dtype="float32",
            name="query_vectors",
        )
        self.generators = noise_generators(encoder)
        self.loss_tracker = keras.metrics.Mean(name="loss")
        self.built = True

    def label_step(self, queries, batch, weights):
        """Losses of a batch, once what is known of labels was updated by it.

        Args:
            queries: `[q, dim]`, float32; their vectors.
            batch: See above.
            weights: `[q]`, float32; of the losses of the queries, 0 for
                padding.

        Returns:
            `(losses [q], gradient at queries [q, dim], pairs)`; pairs of
            gradients and variables are left to the optimiser of the model.
        """
        raise NotImplementedError

    @property
    def metrics(self):
        # Keras shows their results at the end of an epoch.
        return [self.loss_tracker]

    def call(self, inputs, training=False):
        return self.encoder(inputs, training=training)

    def train_step(self, batch):
        dense = self.encoder.trainable_variables
        queries, gradients_of = self._encode(
            batch["query"], [variable.value for variable in dense]
        )
        size = self.query_vectors.shape[0]
        # Padding has no labels; no label is to be wrong for it.
        used = tf.reduce_any(batch["positives"] >= 0, axis=1)
        weights = tf.cast(used, "float32") / size  # [q]
        losses, to_queries, pairs = self.label_step(queries, batch, weights)
        gradients, at_gathered = gradients_of(to_queries)
        pairs = [*zip(gradients, dense, strict=True), *pairs]
        if pairs:
            self.optimizer.apply_gradients(pairs)
        else:
            self.optimizer.iterations.assign_add(1)
        if self.row_optimizer is not None:
            self.row_optimizer.update(
                self.encoder.table, [batch["query"]], at_gathered, size
            )
        self.query_vectors.assign(queries)
        loss = tf.reduce_sum(weights * losses)
        self.loss_tracker.update_state(loss)
        return {"loss": loss}

    def _encode(self, inputs, dense):
        """The query vectors, and the way back from a gradient at them."""
        gathered = self.encoder.gather(inputs)
        step = ops.cast(self.optimizer.iterations, "int32")

        def head(x, chunk):
            set_noise(self.generators, step * MOST_CHUNKS + chunk)
            return self.encoder.head(x, training=True)

        if self.chunk_rows and not gathered.dtype.is_floating:
            side = Side(head, gathered, self.chunk_rows)
            zeros = [tf.zeros_like(value) for value in dense]
            return encode_chunks(side), lambda cotangent: (
                add_gradients(zeros, side, cotangent, dense),
                [],
            )
        floats = [gathered] if gathered.dtype.is_floating else []
        with tf.GradientTape() as tape:
            tape.watch(floats)
            queries = head(gathered, 0)
        return queries, lambda cotangent: tape.gradient(
            queries,
            [dense, floats],
            output_gradients=cotangent,
            unconnected_gradients="zero",
        )

    def get_config(self):
        serialize = keras.saving.serialize_keras_object
        return {
            **super().get_config(),
            **{name: serialize(getattr(self, name)) for name in self.parts},
            "batch_size": self.query_vectors.shape[0],
            "chunk_rows": self.chunk_rows,
        }

    @classmethod
    def from_config(cls, config):
        deserialize = keras.saving.deserialize_keras_object
        parts = {name: deserialize(config[name]) for name in cls.parts}
        return cls(**{**config, **parts})
