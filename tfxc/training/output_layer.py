"""The phase of a run in which an output layer over all labels is trained."""

import dataclasses
import typing

import numpy as np

from tfxc.batching import NEVER, Curriculum
from tfxc.data.tokens.vectors import Vectors
from tfxc.encoders import StoredVectors
from tfxc.search import LayerSearch
from tfxc.training.text_recipe import dense_optimizer, row_optimizer
from tfxc.training.trained import Trained


@dataclasses.dataclass(frozen=True)
class QuerySide:
    """What an output layer sees of queries.

    Args:
        encoder: An encoder that trains on, or `StoredVectors`.
        queries: What it reads, by row.
        rows: `[n]`, int; rows of `queries` to learn from.
        relevant: `LabelLists` of all of `queries`.
        bank: `[n, dim]`, float16; the vectors of `rows` at the beginning.
    """

    encoder: typing.Any
    queries: typing.Any
    rows: np.ndarray
    relevant: typing.Any
    bank: np.ndarray


def query_side(recipe, job):
    """The `QuerySide` of a `Job` with a trained encoder.

    Args:
        recipe: With `train_encoder`, whether it goes on training, and
            `classifier_dropout`.
        job: `Job`.
    """
    bank = job.query_vectors(job.rows, np.float16)
    if recipe.train_encoder:
        queries = job.prepared.train
        return QuerySide(job.encoder, queries, job.rows, job.relevant, bank)
    return fixed_queries(job, bank, recipe.classifier_dropout, recipe.seed)


def fixed_queries(job, bank, dropout=0.0, seed=0):
    """The `QuerySide` of vectors `[n, dim]` of `job.rows` that stay."""
    return QuerySide(
        StoredVectors(bank.shape[1], dropout, seed),
        Vectors(bank),
        np.arange(len(bank)),
        job.relevant.take(job.rows),
        bank,
    )


def train_output_layer(
    recipe, job, side, make_model, layer, history, every_positive=True
):
    """Trains an output layer: the `Trained` run that ranks by it.

    Args:
        recipe: `TextRecipe` with `classifier_epochs`,
            `classifier_learning_rate`, `train_encoder`.
        job: `Job`.
        side: `QuerySide`.
        make_model: Function `(encoder, row optimiser or None, batch size,
            steps) -> QueryClassifier`.
        layer: What ranks all labels in the end, see
            `tfxc.search.LayerSearch`.
        history: Of the encoder.
        every_positive: See `Job.train`.
    """
    epochs = recipe.classifier_epochs
    steps = epochs * -(-len(side.rows) // recipe.batch_size)
    rows_of_tokens = row_optimizer(recipe, side.encoder, steps)
    model = make_model(side.encoder, rows_of_tokens, recipe.batch_size, steps)
    rates = dataclasses.replace(
        recipe, dense_learning_rate=recipe.classifier_learning_rate
    )
    model.compile(dense_optimizer(rates, steps), jit_compile=True)
    search = LayerSearch(layer, job.label_vectors())
    history = job.train(
        model,
        "classifier",
        epochs,
        None,
        Curriculum(start_epoch=NEVER),
        queries=side.queries,
        rows=side.rows,
        relevant=side.relevant,
        search=search,
        every_positive=every_positive,
        token_dropout=recipe.token_dropout if recipe.train_encoder else 0.0,
        history=history,
    )
    if recipe.train_encoder:
        search = dataclasses.replace(search, label_vectors=job.label_vectors())
    prepared = job.prepared
    tokenizers = prepared.tokenizer, prepared.label_tokenizer
    return Trained(job.encoder, *tokenizers, prepared.test, search, history)
