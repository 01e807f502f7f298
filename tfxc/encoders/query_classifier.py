"""What all models of an encoder of queries and an output layer share."""

import tensorflow as tf
from keras import ops

from tfxc.encoders.gradients import Side, add_gradients, encode_chunks
from tfxc.encoders.noise import MOST_CHUNKS, set_noise
from tfxc.encoders.query_model import QueryModel


class QueryClassifier(QueryModel):
    """An encoder of queries, and what a subclass tells their labels by.

    `fit` takes batches `{"query": inputs, "positives": [q, p]}`. A query
    without labels is padding and changes nothing. For arguments and calls see
    `QueryModel`; a subclass writes `label_step`.
    """

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
