"""An encoder of queries and a vector per label, trained on all labels."""

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
from tfxc.layers import full_label_loss_and_gradients


@keras.saving.register_keras_serializable(package="tfxc")
class FullLabelClassifier(keras.Model):
    """An encoder of queries and a vector per label, trained on all labels.

    Nothing is sampled: each step compares its queries with every label, a block
    at a time, see `tfxc.layers.full_label_loss`. `fit` takes batches
    `{"query": inputs, "positives": [q, p]}`. A query without labels is padding
    and changes nothing.

    Args:
        encoder: See `DualEncoder`.
        row_optimizer: See `DualEncoder`.
        batch_size: Queries of each batch; their vectors of the last step are
            kept in `query_vectors`, for an embedding bank.
        classifier: `tfxc.layers.LabelClassifier`.
        label_row_optimizer: `tfxc.training.RowAdagrad` of its table.
        label_loss: Name of the loss, see `tfxc.layers.full_label_loss`.
        temperature: Positive float that divides the scores.
        block_labels: Labels that are scored at a time.
        shift: Float that is taken from the scores, see there.
        chunk_rows: Queries that are encoded together, see `DualEncoder`.

    Call arguments:
        inputs: What the encoder takes.

    Returns:
        `[b, dim]`, float32; unit vectors.

    Reference:
        Jain et al., 2023, Renee: End-to-end training of extreme classification
        models, MLSys.
    """

    def __init__(
        self,
        encoder,
        row_optimizer,
        batch_size,
        classifier,
        label_row_optimizer,
        label_loss="binary_cross_entropy",
        temperature=1.0,
        block_labels=2048,
        shift=0.0,
        chunk_rows=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        check_chunks(chunk_rows, row_optimizer)
        self.chunk_rows = chunk_rows
        self.encoder = encoder
        self.row_optimizer = row_optimizer
        self.classifier = classifier
        self.label_row_optimizer = label_row_optimizer
        self.settings = {
            "loss": label_loss,
            "temperature": temperature,
            "block_labels": block_labels,
            "shift": shift,
        }
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
        losses, to_queries, to_table = full_label_loss_and_gradients(
            queries,
            self.classifier.table,
            batch["positives"],
            cosine=self.classifier.cosine,
            weights=weights,
            **self.settings,
        )
        gradients, at_gathered = gradients_of(to_queries)
        if dense:
            self.optimizer.apply_gradients(zip(gradients, dense, strict=True))
        else:
            self.optimizer.iterations.assign_add(1)
        if self.row_optimizer is not None:
            self.row_optimizer.update(
                self.encoder.table, [batch["query"]], at_gathered, size
            )
        self.label_row_optimizer.update_all(
            self.classifier.table, to_table, size
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
        settings = dict(self.settings)
        settings["label_loss"] = settings.pop("loss")
        return {
            **super().get_config(),
            **{name: serialize(getattr(self, name)) for name in PARTS},
            "batch_size": self.query_vectors.shape[0],
            "chunk_rows": self.chunk_rows,
            **settings,
        }

    @classmethod
    def from_config(cls, config):
        deserialize = keras.saving.deserialize_keras_object
        parts = {name: deserialize(config[name]) for name in PARTS}
        return cls(**{**config, **parts})


PARTS = ("encoder", "row_optimizer", "classifier", "label_row_optimizer")
