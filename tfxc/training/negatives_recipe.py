"""What recipes are told of the negatives that they draw."""

import dataclasses
import typing

# What draws negatives, see `drawn_negatives`.
Negatives = typing.Literal[
    "none",
    "in_batch",
    "uniform",
    "unigram",
    "cache",
    "nearest",
    "midx",
    "tree",
    "label_tree",
]


@dataclasses.dataclass(frozen=True)
class NegativesRecipe:
    """Fields of negatives that are drawn among all labels."""

    negatives: Negatives = "none"
    """Labels that are drawn beside the candidates of a batch, and how; with
    "in_batch" none are, but candidates stand for all labels."""
    num_negatives: int = 64
    """How many of them a batch shares."""
    estimator: typing.Literal[
        "sampled_softmax", "self_normalized", "hard_negatives"
    ] = "sampled_softmax"
    """What draws are made of: an estimate of the softmax over all labels, see
    `tfxc.losses.sampled_softmax`, or further candidates of any loss.
    "self_normalized" is for "tree", and "cache" with all labels."""
    uniform_steps: int = 100
    """First steps, in which draws ignore what the encoder finds likely."""
    refresh_steps: int = 100
    """Steps after which the sampler learns where labels have gone."""
    index_updates: typing.Literal["move", "rebuild"] = "move"
    """Whether the index of "nearest" puts labels in place that have moved, or
    is built anew, in a thread."""
    cached_labels: int = 1024
    """Labels of the cache of "cache"; with all of them it draws by the softmax
    of vectors as they were when labels were last encoded."""
    landmarks: int = 256
    """Labels whose vectors code those of all, for the tree."""
    encoded_labels: int = 1024
    """Labels encoded again at a refresh of the tree; it guesses the rest."""
    full_refresh: int = 10
    """Refreshes of "tree" after which it encodes all labels, and of
    "label_tree" after which it is fitted anew, to the queries as they are."""


# What the fields may be, see `check_fields`.
NEGATIVES_RANGES = {
    **dict.fromkeys(
        (
            *("num_negatives", "refresh_steps", "landmarks"),
            *("encoded_labels", "cached_labels", "full_refresh"),
        ),
        (1, None),
    ),
    "uniform_steps": (0, None),
}
