"""What a recipe leaves to be evaluated and exported."""

import dataclasses
import typing

from tfxc.search.fused import FusedSearch


@dataclasses.dataclass(frozen=True)
class Trained:
    """A trained encoder with what it needs to read strings.

    Args:
        encoder: Keras layer: `{"ids", "weights"}` to unit vectors.
        tokenizer: From strings to what the encoder reads, for queries.
        label_tokenizer: The same for labels.
        test: `Bags` or `Sequences` of the test queries.
        search: `tfxc.search.FusedSearch` among the labels.
        history: One dictionary per epoch.
    """

    encoder: typing.Any
    tokenizer: typing.Any
    label_tokenizer: typing.Any
    test: typing.Any
    search: FusedSearch
    history: list
