"""The phase of a run in which an output layer over all labels is trained."""

import dataclasses
import functools
import typing

import keras
import numpy as np

from tfxc.batching import NEVER, Curriculum
from tfxc.data.tokens.vectors import Vectors
from tfxc.encoders import OutputLayerClassifier, StoredVectors
from tfxc.search import LayerSearch
from tfxc.training.schedules import LinearDecay
from tfxc.training.text_recipe import dense_optimizer, row_optimizer
from tfxc.training.trained import Trained

PHASE = "classifier"


@dataclasses.dataclass(frozen=True)
class QuerySide:
    """What an output layer sees of queries: an encoder that trains, or vectors.

    Args:
        recipe: With `train_encoder`, whether the encoder goes on training;
            `classifier_dropout`, of vectors that stay; `classifier_epochs`,
            `batch_size` and `seed`.
        job: `Job` with a trained encoder.
    """

    recipe: typing.Any
    job: typing.Any

    @functools.cached_property
    def bank(self):
        """The vectors of `job.rows` at the beginning: `[n, dim]`, float16."""
        return self.job.query_vectors(self.job.rows, np.float16)

    @functools.cached_property
    def label_vectors(self):
        """The encoded labels at the beginning: `[L, dim]`."""
        return self.job.label_vectors()

    @functools.cached_property
    def encoder(self):
        """The encoder, or `StoredVectors`."""
        if self.recipe.train_encoder:
            return self.job.encoder
        recipe = self.recipe
        return StoredVectors(
            self.job.encoder.dim, recipe.classifier_dropout, recipe.seed
        )

    @functools.cached_property
    def queries(self):
        """What the encoder reads, by row."""
        if self.recipe.train_encoder:
            return self.job.prepared.train
        return Vectors(self.bank)

    @functools.cached_property
    def rows(self):
        """`[n]`, int; rows of `queries` to learn from."""
        if self.recipe.train_encoder:
            return self.job.rows
        return np.arange(len(self.job.rows))

    @functools.cached_property
    def relevant(self):
        """`LabelLists` of all of `queries`."""
        if self.recipe.train_encoder:
            return self.job.relevant
        return self.job.relevant.take(self.job.rows)

    @property
    def steps(self):
        """Steps of all epochs."""
        recipe = self.recipe
        batches = -(-len(self.rows) // recipe.batch_size)
        return recipe.classifier_epochs * batches


def train_output_layer(
    side,
    layer,
    history,
    make_model=None,
    every_positive=True,
    callbacks=(),
):
    """Trains an output layer: the `Trained` run that ranks by it.

    Args:
        side: `QuerySide`.
        layer: What ranks all labels in the end, see
            `tfxc.search.LayerSearch`.
        history: Of the encoder.
        make_model: Function `(encoder, row optimiser or None) ->
            QueryClassifier`; if left out, the layer itself is trained by its
            loss (Adam), see `tfxc.encoders.OutputLayerClassifier`.
        every_positive: See `Job.train`.
        callbacks: See `Job.train`.
    """
    recipe, job, steps = side.recipe, side.job, side.steps
    parts = side.encoder, row_optimizer(recipe, side.encoder, steps)
    if make_model:
        model = make_model(*parts)
    else:
        rate = LinearDecay(
            recipe.classifier_learning_rate, steps, recipe.warmup
        )
        model = OutputLayerClassifier(
            *(*parts, recipe.batch_size, layer, keras.optimizers.Adam(rate)),
            recipe.chunk_rows or None,
        )
    model.compile(dense_optimizer(recipe, steps), jit_compile=True)
    search = LayerSearch(layer, side.label_vectors)
    history = job.train(
        model,
        PHASE,
        recipe.classifier_epochs,
        None,
        Curriculum(start_epoch=NEVER),
        queries=side.queries,
        rows=side.rows,
        relevant=side.relevant,
        search=search,
        every_positive=every_positive,
        token_dropout=recipe.token_dropout if recipe.train_encoder else 0.0,
        history=history,
        callbacks=callbacks,
    )
    if recipe.train_encoder:
        search = LayerSearch(layer, job.label_vectors())
    prepared = job.prepared
    tokenizers = prepared.tokenizer, prepared.label_tokenizer
    return Trained(job.encoder, *tokenizers, prepared.test, search, history)
