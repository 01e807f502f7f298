"""Queries and labels as vectors, trained against each other."""

import keras
import tensorflow as tf
from keras import ops


@keras.saving.register_keras_serializable(package="tfxc")
class DualEncoder(keras.Model):
    """One encoder for queries and labels; relevance is their inner product.

    `fit` takes batches `{"query": inputs, "candidates": inputs, "relevance":
    [q, c]}`, where relevance is 1 for a positive, 0 for a negative and -1 for
    a pair to ignore. One pass encodes q + c texts and scores all pairs: the
    candidates of one query are the negatives of the others.

    Args:
        encoder: Layer with `gather(inputs) -> x` and `head(x) -> unit
            vectors`, as `BagEncoder`. `x` is where the gradient leaves the
            dense part: `row_optimizer` takes it to the rows of the table.
        row_optimizer: As `tfxc.training.RowAdagrad`.
        batch_size: Queries of each batch; their vectors of the last step are
            kept in `query_vectors`, for an embedding bank.

    Call arguments:
        inputs: What the encoder takes.

    Returns:
        `[b, dim]`, float32; unit vectors.
    """

    def __init__(self, encoder, row_optimizer, batch_size, **kwargs):
        super().__init__(**kwargs)
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
        self.loss_tracker = keras.metrics.Mean(name="loss")
        self.built = True

    @property
    def metrics(self):
        # Keras shows their results at the end of an epoch.
        return [self.loss_tracker]

    def call(self, inputs):
        return self.encoder(inputs)

    def train_step(self, batch):
        query, candidates = batch["query"], batch["candidates"]
        query_sums = self.encoder.gather(query)  # [q, d]
        label_sums = self.encoder.gather(candidates)  # [c, d]
        with tf.GradientTape() as tape:
            tape.watch([query_sums, label_sums])
            queries = self.encoder.head(query_sums)
            labels = self.encoder.head(label_sums)
            scores = ops.matmul(queries, ops.transpose(labels))  # [q, c]
            loss = self.loss(batch["relevance"], scores)
        dense = self.encoder.trainable_variables
        dense_gradients, row_gradients = tape.gradient(
            loss, [[v.value for v in dense], [query_sums, label_sums]]
        )
        if dense:
            self.optimizer.apply_gradients(
                zip(dense_gradients, dense, strict=True)
            )
        else:
            self.optimizer.iterations.assign_add(1)
        self.row_optimizer.update(
            self.encoder.table,
            [query, candidates],
            row_gradients,
            queries.shape[0],
        )
        self.query_vectors.assign(queries)
        self.loss_tracker.update_state(loss)
        return {"loss": loss}

    def get_config(self):
        serialize = keras.saving.serialize_keras_object
        return {
            **super().get_config(),
            "encoder": serialize(self.encoder),
            "row_optimizer": serialize(self.row_optimizer),
            "batch_size": self.query_vectors.shape[0],
        }

    @classmethod
    def from_config(cls, config):
        parts = {
            name: keras.saving.deserialize_keras_object(config[name])
            for name in ("encoder", "row_optimizer")
        }
        return cls(**{**config, **parts})
