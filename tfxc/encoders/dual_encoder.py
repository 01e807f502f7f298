"""Queries and labels as vectors, trained against each other."""

import keras
from keras import ops

from tfxc.encoders.drawn_negatives import joined
from tfxc.encoders.gradients import (
    Side,
    cached_gradients,
    direct_gradients,
    encode_chunks,
)
from tfxc.encoders.noise import MOST_CHUNKS, set_noise
from tfxc.encoders.query_model import QueryModel


@keras.saving.register_keras_serializable(package="tfxc")
class DualEncoder(QueryModel):
    """Queries and labels as vectors; relevance is their inner product.

    `fit` takes batches `{"query": inputs, "candidates": inputs, "relevance":
    [q, c]}`, where relevance is 1 for a positive, 0 for a negative and -1 for
    a pair to ignore. One pass encodes q + c texts and scores all pairs: the
    candidates of one query are the negatives of the others.

    Args:
        encoder: Layer with `gather(inputs) -> x` and `head(x, training) -> unit
            vectors`, as `BagEncoder`. `x` is where the gradient leaves the
            dense part: if the encoder has a table, `row_optimizer` takes it to
            the rows of the table.
        row_optimizer: As `tfxc.training.RowAdagrad`; `None` without a table.
        batch_size: Queries of each batch; their vectors of the last step are
            kept in `query_vectors`, for an embedding bank.
        label_encoder: Encoder of the labels; the same as of queries if left
            out. A `tfxc.layers.LabelClassifier` has a free vector for each.
        label_row_optimizer: `row_optimizer` for the table of `label_encoder`.
        chunk_rows: Texts that are encoded together, by gradient caching: memory
            is that of so many, not of the batch. Divides the rows of a batch,
            queries and candidates, of which there are at most 8,192 chunks;
            needs an encoder without a table, while `label_encoder` may have
            one, whose rows are not chunked. `None` for all at once.
        negatives: `DrawnNegatives`, which join the candidates, or
            `InBatchNegatives`, which are the candidates; its loss is then in
            place of the compiled one, and batches are those of
            `tfxc.data.training_batches` with ids. Not part of the
            configuration: a copy of a saved model trains without.

    Call arguments:
        inputs: What the encoder takes.

    Returns:
        `[b, dim]`, float32; unit vectors.
    """

    parts = (*QueryModel.parts, "label_encoder", "label_row_optimizer")

    def __init__(
        self,
        encoder,
        row_optimizer,
        batch_size,
        label_encoder=None,
        label_row_optimizer=None,
        chunk_rows=None,
        negatives=None,
        **kwargs,
    ):
        super().__init__(
            *(encoder, row_optimizer, batch_size, chunk_rows),
            label_encoder,
            **kwargs,
        )
        self.label_encoder = label_encoder
        self.label_row_optimizer = label_row_optimizer
        self.negatives = negatives
        self.sampler = negatives and negatives.sampler  # Keras keeps its state

    @property
    def encoders(self):
        """The encoder of queries and that of labels, perhaps the same."""
        return [self.encoder, self.label_encoder or self.encoder]

    def train_step(self, batch):
        query, labels, draw = batch["query"], [batch["candidates"]], None
        encoder, label_encoder = self.encoders
        sides = [self._side(0, encoder.gather(query))]
        gathered = label_encoder.gather(labels[0])
        if self.negatives is not None:
            # Without chunks, XLA does not compute these vectors twice.
            draw = self.negatives.draw(encode_chunks(sides[0]), batch)
        if draw is not None and draw.inputs is not None:
            labels.append(draw.inputs)
            gathered = joined(
                *(gathered, label_encoder.gather(draw.inputs)),
                self.negatives.padding,
            )
        sides.append(self._side(1, gathered))
        dense = self.trainable_variables
        gradients_of = cached_gradients if self.chunk_rows else direct_gradients
        loss, vectors, gradients, row_gradients = gradients_of(
            sides,
            [variable.value for variable in dense],
            lambda queries, labels: self._loss(
                batch["relevance"],
                ops.matmul(queries, ops.transpose(labels)),  # [q, c]
                draw,
            ),
        )
        if dense:
            self.optimizer.apply_gradients(zip(gradients, dense, strict=True))
        else:
            self.optimizer.iterations.assign_add(1)
        self._update_tables(query, labels, row_gradients)
        if hasattr(self.sampler, "update"):
            self.sampler.update(draw.ids, vectors[1][-self.negatives.num :])
        self.query_vectors.assign(vectors[0])
        self.loss_tracker.update_state(loss)
        return {"loss": loss}

    def _loss(self, relevance, scores, draw):
        """The loss of candidates, and of what was drawn."""
        if draw is None:
            return self.loss(relevance, scores)
        if self.negatives.estimator == "hard_negatives":  # more candidates
            together = ops.concatenate([relevance, draw.relevance], axis=1)
            return self.loss(together, scores)
        return self.negatives.loss(relevance, scores, draw)

    def _side(self, number, gathered):
        """The queries (0) or labels (1) of a batch, with their own noise."""
        encoder = self.encoders[number]
        step = ops.cast(self.optimizer.iterations, "int32")

        def head(x, chunk):
            place = (2 * step + number) * MOST_CHUNKS + chunk
            set_noise(self.generators, place)
            return encoder.head(x, training=True)

        chunked = self.chunk_rows and not gathered.dtype.is_floating
        size = self.chunk_rows if chunked else gathered.shape[0]
        return Side(head, gathered, size)

    def _update_tables(self, query, labels, gradients):
        """Gives the gradients at what was gathered to the row optimisers."""
        size = self.query_vectors.shape[0]
        of_query, of_labels = gradients
        if of_labels is not None and len(labels) == 2:  # with draws
            num = self.negatives.num
            of_labels = [of_labels[:-num], of_labels[-num:]]
        else:
            of_labels = [of_labels] * len(labels)
        if self.label_encoder is None:
            bags, at_sums = [query, *labels], [of_query, *of_labels]
            updates = [(self.encoder, self.row_optimizer, bags, at_sums)]
        else:
            updates = [
                (self.encoder, self.row_optimizer, [query], [of_query]),
                (
                    *(self.label_encoder, self.label_row_optimizer),
                    *(labels, of_labels),
                ),
            ]
        for encoder, optimizer, bags, at_sums in updates:
            if optimizer is not None:
                optimizer.update(encoder.table, bags, at_sums, size)
