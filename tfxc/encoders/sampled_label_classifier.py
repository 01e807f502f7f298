"""An encoder of queries and a vector per label, trained on drawn labels."""

import math

import keras
import tensorflow as tf

from tfxc.encoders.query_classifier import QueryClassifier
from tfxc.losses import augment_and_reduce, noise_contrast

BOUNDED = "augment_and_reduce"


@keras.saving.register_keras_serializable(package="tfxc")
class SampledLabelClassifier(QueryClassifier):
    """An encoder of queries and a vector per label, trained on drawn labels.

    A step scores the labels of its queries, and a few that a sampler draws for
    each of them after a look at its vector. It reads and writes the rows of
    those labels alone, and takes as long with ten million labels as with a
    thousand. For `fit` and calls see `QueryClassifier`.

    Args:
        encoder: See `DualEncoder`.
        row_optimizer: See `DualEncoder`.
        batch_size: See `QueryClassifier`.
        classifier: `tfxc.layers.LabelClassifier`; scores are inner products.
        label_row_optimizer: `tfxc.training.RowAdagrad` of its table.
        sampler: `tfxc.negatives.Sampler` with `log_prob`.
        num: Labels drawn for each query.
        contrast: Name of the loss, see `tfxc.losses.noise_contrast`; or
            "augment_and_reduce", see `tfxc.losses.augment_and_reduce`, for
            batches with "rows" `[q]`, int, and one label of each query.
        regularizer: See `noise_contrast`; the bounds have none.
        num_rows: Queries, for each of which "augment_and_reduce" keeps a
            number; else 0.
        chunk_rows: See `DualEncoder`.

    Raises:
        ValueError: if the classifier takes cosines.

    Reference:
        [Bamler and Mandt, 2020](https://arxiv.org/abs/2002.06298)
    """

    parts = (
        *QueryClassifier.parts,
        *("classifier", "label_row_optimizer", "sampler"),
    )

    def __init__(
        self,
        encoder,
        row_optimizer,
        batch_size,
        classifier,
        label_row_optimizer,
        sampler,
        num=1,
        contrast="negative_sampling",
        regularizer=0.0,
        num_rows=0,
        chunk_rows=None,
        **kwargs,
    ):
        super().__init__(
            encoder, row_optimizer, batch_size, chunk_rows, **kwargs
        )
        if classifier.cosine:
            raise ValueError(
                "`classifier` must take inner products, as the scores of a "
                "softmax have no bounds. Received: cosine=True"
            )
        self.classifier = classifier
        self.label_row_optimizer = label_row_optimizer
        self.sampler = sampler
        self.settings = {
            "num": num,
            "contrast": contrast,
            "regularizer": regularizer,
            "num_rows": num_rows,
        }
        if contrast == BOUNDED:
            self.log_sums = self.add_weight(
                shape=(num_rows,),
                initializer=keras.initializers.Constant(
                    math.log(classifier.num_labels)
                ),
                trainable=False,
                dtype="float32",
                name="log_sums",
            )

    def label_step(self, queries, batch, weights):
        positives = batch["positives"]
        right = tf.maximum(positives, 0)
        drawn, log_q = self.sampler.sample(queries, self.settings["num"])
        log_q_right = self.sampler.log_prob(queries, right)
        inputs = self.classifier.inputs(queries)
        rows = tf.concat([right, drawn], axis=1)  # [q, p + n]
        vectors = tf.gather(self.classifier.table, rows)  # [q, p + n, d]
        scores = tf.einsum("qd,qnd->qn", inputs, vectors)
        with tf.GradientTape() as tape:
            tape.watch(scores)
            of_right, of_drawn = tf.split(scores, [right.shape[1], -1], axis=1)
            if self.settings["contrast"] == BOUNDED:
                losses = self._bounds(
                    *(batch["rows"], positives, of_right),
                    *(drawn, of_drawn, log_q),
                )
            else:
                losses = noise_contrast(
                    *(positives, of_right, log_q_right),
                    *(drawn, of_drawn, log_q),
                    self.settings["contrast"],
                    self.settings["regularizer"],
                )
            loss = tf.reduce_sum(weights * losses)
        to_scores = tape.gradient(loss, scores)
        to_inputs = tf.einsum("qn,qnd->qd", to_scores, vectors)
        # The gradient at a row is that at its score times the inputs.
        self.label_row_optimizer.update(
            self.classifier.table,
            [{"ids": rows, "weights": to_scores * queries.shape[0]}],
            [inputs],
            1,
        )
        return losses, to_inputs[:, : queries.shape[1]], []

    def _bounds(self, rows, *parts):
        """Losses of "augment_and_reduce", and what rows then know."""
        rows = tf.maximum(rows, 0)
        known = tf.gather(self.log_sums, rows)
        losses, sums = augment_and_reduce(*parts, known)
        # Padding adds 0 to a row.
        self.log_sums.value.scatter_add(tf.IndexedSlices(sums - known, rows))
        return losses

    def get_config(self):
        return {**super().get_config(), **self.settings}
