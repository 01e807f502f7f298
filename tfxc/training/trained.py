"""What a recipe leaves to be evaluated and exported."""

import dataclasses
import typing

import numpy as np

from tfxc.data.tokens.bags import Bags


@dataclasses.dataclass(frozen=True)
class Trained:
    """A trained encoder with what it needs to read strings.

    Args:
        encoder: Keras layer: `{"ids", "weights"}` to unit vectors.
        tokenizer: From strings to what the encoder reads, for queries.
        label_tokenizer: The same for labels.
        test: `Bags` of the test queries.
        label_vectors: `[labels, d]`, float32.
        history: One dictionary per epoch.
    """

    encoder: typing.Any
    tokenizer: typing.Any
    label_tokenizer: typing.Any
    test: Bags
    label_vectors: np.ndarray
    history: list
