"""What recipes that train an encoder of texts are told, and make of it."""

import dataclasses
import typing

import keras

from tfxc.batching import balanced_clusters
from tfxc.data.cluster_tokens import with_cluster_tokens
from tfxc.data.prepared import Tokens, prepare
from tfxc.data.prepared_sequences import prepare_sequences
from tfxc.encoders import BagEncoder, encode, load_pretrained
from tfxc.errors import InputError
from tfxc.training.check_fields import ABOVE_0
from tfxc.training.negatives_recipe import NEGATIVES_RANGES, NegativesRecipe
from tfxc.training.row_adagrad import RowAdagrad
from tfxc.training.schedules import LinearDecay


@dataclasses.dataclass(frozen=True)
class TextRecipe(NegativesRecipe):
    """Fields of the encoder, its data and its optimisers; and of negatives."""

    encoder: str = "bag"
    """"bag", or a pretrained transformer: a folder, or a preset of KerasHub."""
    epochs: int = 8
    """Passes over the training queries to train the encoder."""
    batch_size: int = 1024
    """Queries of a batch."""
    num_candidates: int = 2048
    """Labels that each query of a batch is compared with."""
    learning_rate: float = 6.0
    """Rate of the bag encoder's tokens (row-wise Adagrad)."""
    dense_learning_rate: float = 1e-3
    """Rate of all other weights of the encoder (Adam)."""
    initial_accumulator: float = 100.0
    """Where Adagrad's sums start; small values overfit the rare tokens."""
    warmup: float = 0.0
    """Share of the steps in which rates rise; then they fall to zero."""
    weight_decay: float = 0.0
    """Of the weights that Adam trains."""
    token_dropout: float = 0.0
    """Share of a query's tokens that training hides from the bag encoder."""
    temperature: float = 0.07
    """Divides the scores in the loss; smaller looks at harder negatives."""
    dim: int = 512
    """Dimension of the vectors of the bag encoder."""
    hidden: int = 0
    """Width of a residual block after the sum of token vectors; 0: none."""
    length: int = 48
    """Tokens of a query; what is longer is cut."""
    label_length: int = 24
    """Tokens of a label."""
    prefixes: tuple[int, ...] = (4, 6)
    """Beginnings of words that are tokens too, by their length."""
    ngrams: tuple[int, ...] = (4, 5)
    """Lengths of the character n-grams that stand for unknown words."""
    min_count: int = 2
    """Tokens that are rarer in the training data are unknown."""
    max_tokens: int = 1_000_000
    """Most tokens to know; each is a row of the table."""
    pooling: typing.Literal["mean", "cls"] = "mean"
    """How a transformer's outputs become one vector."""
    chunk_rows: int = 0
    """Texts that a transformer encodes at once (gradient caching); 0: all."""
    label_clusters: int = 0
    """Labels per cluster that share a free vector (DEXA); 0 for none."""
    validation_rows: int = 1000
    """Training queries held out to watch and to weigh scores on."""
    seed: int = 0
    """Of initial values, order, clusters and drawn positives."""


# What the fields may be, see `check_fields`.
TEXT_RANGES = {
    **dict.fromkeys(("epochs", "dim", "min_count", "max_tokens"), (1, None)),
    **dict.fromkeys(
        ("learning_rate", "dense_learning_rate", "temperature"),
        (ABOVE_0, None),
    ),
    **dict.fromkeys(("initial_accumulator", "hidden"), (0, None)),
    **dict.fromkeys(
        ("validation_rows", "label_clusters", "chunk_rows"), (0, None)
    ),
    **dict.fromkeys(("warmup", "weight_decay"), (0, 1)),
    "token_dropout": (0, 0.99),
    **NEGATIVES_RANGES,
    **dict.fromkeys(("length", "label_length"), (3, 4096)),
    **dict.fromkeys(("ngrams", "prefixes"), (1, 64)),
    "seed": (0, 2**32 - 1),
}


def check_encoder(recipe):
    """Raises `InputError` if fields are those of another kind of encoder."""
    chunk = recipe.chunk_rows
    if recipe.encoder == "bag":
        if chunk:
            raise InputError(
                "--chunk-rows: expected 0 for the bag encoder; it is for "
                f"transformers, see --encoder. Received: {chunk}"
            )
        return
    if recipe.token_dropout:
        raise InputError(
            "--token-dropout: expected 0 for a transformer, which has dropout "
            f"of its own. Received: {recipe.token_dropout}"
        )
    if recipe.label_clusters:
        raise InputError(
            "--label-clusters: expected 0 for a transformer; labels of the bag "
            f"encoder can share vectors. Received: {recipe.label_clusters}"
        )
    if chunk and (recipe.batch_size % chunk or recipe.num_candidates % chunk):
        raise InputError(
            "--chunk-rows: expected a divisor of --batch-size and of "
            f"--num-candidates. Received: {chunk}"
        )


def encoder_and_tokens(recipe, dataset, key):
    """The encoder that a recipe names, and the data as it reads it.

    Args:
        recipe: `TextRecipe`.
        dataset: `tfxc.data.Dataset`.
        key: Names the content of the data set.

    Returns:
        `(encoder, tfxc.data.Prepared)`.

    Raises:
        InputError: if a pretrained encoder cannot be loaded or the data set has
            no texts for it.
    """
    if recipe.encoder != "bag":
        encoder, tokenizer = load_pretrained(recipe.encoder, recipe.pooling)
        lengths = (recipe.length, recipe.label_length)
        if max(lengths) > encoder.max_length:
            print(
                f"the encoder reads {encoder.max_length} tokens at most: "
                "longer texts are cut there"
            )
        lengths = (min(length, encoder.max_length) for length in lengths)
        return encoder, prepare_sequences(dataset, key, tokenizer, *lengths)
    prepared = prepare(dataset, key, tokens(recipe))
    num_tokens = len(prepared.tokenizer)
    if not recipe.label_clusters:
        return bag_encoder(recipe, num_tokens), prepared
    vectors = encode(bag_encoder(recipe, num_tokens), prepared.labels)
    clusters = balanced_clusters(vectors, recipe.label_clusters, recipe.seed)
    labels = with_cluster_tokens(
        prepared.labels, clusters.of_rows(), num_tokens
    )
    encoder = bag_encoder(recipe, num_tokens + len(clusters))
    return encoder, dataclasses.replace(prepared, labels=labels)


def tokens(recipe):
    """How a recipe turns texts into the tokens of a bag encoder: `Tokens`."""
    return Tokens(
        recipe.length,
        recipe.label_length,
        recipe.ngrams,
        recipe.prefixes,
        recipe.min_count,
        recipe.max_tokens,
    )


def bag_encoder(recipe, num_tokens):
    """A new `BagEncoder` of so many tokens."""
    return BagEncoder(
        num_tokens=num_tokens,
        dim=recipe.dim,
        hidden=recipe.hidden,
        seed=recipe.seed,
    )


def row_optimizer(recipe, encoder, steps):
    """The optimiser of an encoder's table; `None` where it has none."""
    if not isinstance(encoder, BagEncoder):
        return None
    return RowAdagrad(
        encoder.num_tokens,
        LinearDecay(recipe.learning_rate, steps, recipe.warmup),
        recipe.initial_accumulator,
    )


def dense_optimizer(recipe, steps):
    """The optimiser of all weights that are no table's."""
    return keras.optimizers.AdamW(
        LinearDecay(recipe.dense_learning_rate, steps, recipe.warmup),
        weight_decay=recipe.weight_decay,
        global_clipnorm=1.0 if recipe.encoder != "bag" else None,
    )
