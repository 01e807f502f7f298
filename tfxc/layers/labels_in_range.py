"""Whether labels are labels."""

import numpy as np


def check_labels(labels, num_labels):
    """Raises `ValueError` if a label is out of range; -1 is none."""
    wrong = np.flatnonzero((labels < -1) | (labels >= num_labels))
    if len(wrong):
        raise ValueError(
            f"`labels` must be in [-1, {num_labels - 1}]. "
            f"Received: {labels.ravel()[wrong[0]]}"
        )
