"""Approximate search with ScaNN, in the form that a SavedModel can hold."""

import math

import tensorflow as tf

from tfxc.errors import InputError
from tfxc.legacy_keras import legacy_keras
from tfxc.serving.search_model import top_k_in_blocks

MIN_LABELS = 16  # ScaNN's codebooks have 16 centres: it refuses fewer vectors
ONE_LEAF = 200_000  # labels up to which all are looked at: half a millisecond
SEARCHED = 0.2  # share of the leaves to look into, of more labels
REORDERED = 1000  # candidates that are scored again, exactly


class ScannIndex:
    """`tfrs.layers.factorized_top_k.ScaNN` that always returns k labels.

    ScaNN compares the query with compressed vectors and computes the exact
    scores of the best 1,000 labels. Up to 200,000 labels it compares all, and
    finds nearly what exact search finds (everything up to 1,000 labels); more
    labels are put into `sqrt(L)` leaves, and the nearest fifth is compared.

    ScaNN takes k as a tensor, but returns no more than the 1,000, and pads with
    label 0 and score NaN where the leaves held fewer. Both would reach the
    user as wrong labels, so such a batch is searched exactly instead.

    Args:
        label_vectors: `[L, d]`, float32; at least 16 of them.

    Call arguments:
        query_vectors: `[b, d]`, float32 tensor.
        k: In `[1, L]`; may be a tensor.

    Returns:
        `(scores [b, k] float32, ids [b, k] int32)`, best first.

    Raises:
        InputError: if ScaNN cannot be imported.

    Reference:
        [Guo et al., 2020](https://arxiv.org/abs/1908.10396)
    """

    def __init__(self, label_vectors):
        num_labels = len(label_vectors)
        leaves = round(math.sqrt(num_labels)) if num_labels > ONE_LEAF else 1
        self.layer = import_scann_layer()(
            k=min(10, num_labels),
            num_leaves=leaves,
            num_leaves_to_search=max(1, math.ceil(leaves * SEARCHED)),
            num_reordering_candidates=min(REORDERED, num_labels),
        )
        self.layer.index(tf.convert_to_tensor(label_vectors, tf.float32))
        [self.state] = [
            module
            for module in self.layer.submodules
            if hasattr(module, "recreate_handle")
        ]

    @property
    def label_vectors(self):
        """`[L, d]`, float32 variable: ScaNN's own copy, to save a second."""
        return self.state.dataset

    def __call__(self, query_vectors, k):
        scores, ids = self.layer(query_vectors, k=k)
        short = tf.shape(ids)[1] < k
        padded = tf.reduce_any(tf.math.is_nan(scores))
        return tf.cond(
            ~(short | padded),
            lambda: (scores, ids),
            lambda: top_k_in_blocks(query_vectors, self.label_vectors, k),
        )


def import_scann_layer():
    """TFRS's ScaNN layer.

    Raises:
        InputError: if it is not installed, or `tf.keras` is Keras 3 already.
    """
    try:
        with legacy_keras():
            import scann  # noqa: F401  TFRS would only say so when it is used
            from tensorflow_recommenders.layers import factorized_top_k
    except ImportError as error:
        raise InputError(
            "`--index scann` needs the packages scann and "
            "tensorflow-recommenders, before `tf.keras` is used; otherwise "
            f"choose `--index exact`. Received: {error}"
        ) from error
    return factorized_top_k.ScaNN
