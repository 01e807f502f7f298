"""An encoder of queries and a vector per label, trained on all labels."""

import keras

from tfxc.encoders.query_classifier import QueryClassifier
from tfxc.layers import full_label_loss_and_gradients


@keras.saving.register_keras_serializable(package="tfxc")
class FullLabelClassifier(QueryClassifier):
    """An encoder of queries and a vector per label, trained on all labels.

    Nothing is sampled: each step compares its queries with every label, a block
    at a time, see `tfxc.layers.full_label_loss`. For `fit` and calls see
    `QueryClassifier`.

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

    Reference:
        Jain et al., 2023, Renee: End-to-end training of extreme classification
        models, MLSys.
    """

    parts = (*QueryClassifier.parts, "classifier", "label_row_optimizer")

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
        super().__init__(
            encoder, row_optimizer, batch_size, chunk_rows, **kwargs
        )
        self.classifier = classifier
        self.label_row_optimizer = label_row_optimizer
        self.settings = {
            "loss": label_loss,
            "temperature": temperature,
            "block_labels": block_labels,
            "shift": shift,
        }

    def label_step(self, queries, batch, weights):
        losses, to_queries, to_table = full_label_loss_and_gradients(
            self.classifier.inputs(queries),
            self.classifier.table,
            batch["positives"],
            cosine=self.classifier.cosine,
            weights=weights,
            **self.settings,
        )
        self.label_row_optimizer.update_all(
            self.classifier.table, to_table, queries.shape[0]
        )
        return losses, to_queries[:, : queries.shape[1]], []

    def get_config(self):
        settings = dict(self.settings)
        settings["label_loss"] = settings.pop("loss")
        return {**super().get_config(), **settings}
