"""What all models that train an encoder of queries share."""

import keras

from tfxc.encoders.gradients import check_chunks
from tfxc.encoders.noise import noise_generators


class QueryModel(keras.Model):
    """An encoder of queries, with what a subclass trains it by.

    A subclass names in `parts` the attributes that are saved with it, beside
    the settings that its `get_config` adds.

    Args:
        encoder: See `DualEncoder`.
        row_optimizer: See `DualEncoder`.
        batch_size: Queries of each batch; their vectors of the last step are
            kept in `query_vectors`, for an embedding bank.
        chunk_rows: See `DualEncoder`.
        label_encoder: Another encoder that draws noise, or `None`.

    Call arguments:
        inputs: What the encoder takes.

    Returns:
        `[b, dim]`, float32; unit vectors.
    """

    parts = ("encoder", "row_optimizer")

    def __init__(
        self,
        encoder,
        row_optimizer,
        batch_size,
        chunk_rows=None,
        label_encoder=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        check_chunks(chunk_rows, row_optimizer)
        self.encoder = encoder
        self.row_optimizer = row_optimizer
        self.chunk_rows = chunk_rows
        encoders = [encoder]
        if label_encoder not in (None, encoder):
            encoders.append(label_encoder)
        self.generators = []
        for part in encoders:
            part.build()
            self.generators += noise_generators(part)
        self.query_vectors = self.add_weight(
            shape=(batch_size, encoder.dim),
            initializer="zeros",
            trainable=False,
            dtype="float32",
            name="query_vectors",
        )
        self.loss_tracker = keras.metrics.Mean(name="loss")
        self.built = True

    @property
    def metrics(self):
        # Keras shows their results at the end of an epoch.
        return [self.loss_tracker]

    def call(self, inputs, training=False):
        return self.encoder(inputs, training=training)

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
