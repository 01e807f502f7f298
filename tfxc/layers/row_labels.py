"""The labels of rows: in range, and looked up."""

import numpy as np
from keras import ops


def check_labels(labels, num_labels):
    """Raises `ValueError` if a label is out of range; -1 is none."""
    wrong = np.flatnonzero((labels < -1) | (labels >= num_labels))
    if len(wrong):
        raise ValueError(
            f"`labels` must be in [-1, {num_labels - 1}]. "
            f"Received: {labels.ravel()[wrong[0]]}"
        )


def label_table(labels):
    """Labels `[b]` or `[b, p]` as `[b, p]`, int32."""
    labels = ops.cast(labels, "int32")
    return labels[:, None] if len(labels.shape) == 1 else labels


def sum_at(values, labels):
    """The sum of values `[b, n]` at labels `[b, p]`, but for -1: `[b]`."""
    found = ops.take_along_axis(values, ops.maximum(labels, 0), axis=1)
    return ops.sum(ops.where(labels >= 0, found, 0), axis=1)


def num_labels_of(labels):
    """How many labels `[b, p]` are not -1, at least 1: `[b]`, float32."""
    return ops.maximum(ops.sum(ops.cast(labels >= 0, "float32"), axis=1), 1)
