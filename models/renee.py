"""Renee: encoder and label classifiers trained end to end, on all labels.

No negatives are sampled: every step compares its queries with every label, by
one yes-or-no question per label, and computes the gradient at the scores
directly, sigmoid(s) - y, for a block of labels at a time.

1. train an encoder of queries and labels first (NGAME's module M1);
2. start each label's classifier from its encoded text;
3. train encoder and classifiers together, with the labels' own texts as
   further queries.

Reference: Jain et al., 2023, Renee: End-to-end training of extreme
classification models, MLSys
"""

import dataclasses
import os
import typing

import numpy as np

import tfxc
from models import ngame


@dataclasses.dataclass(frozen=True)
class Recipe(ngame.Recipe):
    """Trains Renee: an encoder, then it and a classifier on all labels."""

    classifier_epochs: int = 4
    """Further passes, over all labels, of encoder and classifiers."""
    classifier_learning_rate: float = 0.05
    """Rate of the classifiers (row-wise Adagrad)."""
    end_to_end_rate: float = 1.0
    """Rate of the bag encoder's tokens in these passes."""
    label_queries: bool = True
    """Whether each label's own text is a training query for it."""
    label_loss: typing.Literal[
        "binary_cross_entropy", "decoupled_softmax", "softmax"
    ] = "binary_cross_entropy"
    """The loss over all labels."""
    label_temperature: float = 0.07
    """Divides the scores in it."""
    block_labels: int = 2048
    """Labels that are scored at a time."""


def check(recipe, dataset):
    """Raises `tfxc.InputError` if the recipe cannot be run on the data."""
    ngame.check(recipe, dataset)
    above = (tfxc.training.ABOVE_0, None)
    ranges = {"end_to_end_rate": above, "label_temperature": above}
    tfxc.training.check_fields(
        recipe,
        {**ranges, "block_labels": (1, None), "classifier_epochs": (1, None)},
    )
    if recipe.encoder == "bag":
        check_memory(recipe, dataset.num_labels, recipe.dim)


def check_memory(recipe, num_labels, dim):
    """Raises `tfxc.InputError` if a loss over all labels would not fit."""
    classifiers = 2 * 4 * num_labels * dim  # and the texts' vectors
    needed = classifiers + tfxc.layers.full_label_memory(
        num_labels, dim, recipe.batch_size, recipe.block_labels
    )
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if needed > memory:
        raise tfxc.InputError(
            f"a loss over all {num_labels:,} labels needs "
            f"{needed / 1e9:.1f} GB with its classifiers: expected a smaller "
            "--dim, --batch-size or --block-labels, or the recipe ngame, which "
            f"samples labels. Received: a machine of {memory / 1e9:.1f} GB"
        )


def fit(recipe, dataset, key, run, console):
    """Trains in the folder of `run`, or continues there; see `ngame.fit`."""
    job = ngame.job_of(recipe, dataset, key, run, console)
    # The dimension of a pretrained encoder is known only now.
    check_memory(recipe, dataset.num_labels, job.encoder.dim)
    history = ngame.train_encoder(recipe, job)
    classifier, history = train_on_all_labels(recipe, job, history)
    return ngame.trained(recipe, job, classifier, history)


def train_on_all_labels(recipe, job, history):
    """Encoder and classifiers together: vectors `[L, dim]`, and the history."""
    queries, relevant, rows = ngame.training_rows(recipe, job)
    steps = recipe.classifier_epochs * -(-len(rows) // recipe.batch_size)
    rates = dataclasses.replace(recipe, learning_rate=recipe.end_to_end_rate)
    classifier = tfxc.layers.LabelClassifier(
        job.dataset.num_labels, job.encoder.dim, initial=job.label_vectors()
    )
    model = tfxc.encoders.FullLabelClassifier(
        job.encoder,
        tfxc.training.row_optimizer(rates, job.encoder, steps),
        recipe.batch_size,
        classifier,
        ngame.classifier_optimizer(recipe, classifier, steps),
        recipe.label_loss,
        recipe.label_temperature,
        recipe.block_labels,
        recipe.shift,
        chunk_rows=recipe.chunk_rows or None,
    )
    model.compile(
        tfxc.training.dense_optimizer(recipe, steps), jit_compile=True
    )
    history = job.train(
        model,
        "classifier",
        recipe.classifier_epochs,
        None,
        # All labels are negatives in any batch.
        ngame.curriculum(recipe, start=recipe.classifier_epochs),
        queries=queries,
        rows=rows,
        relevant=relevant,
        vectors=lambda: np.asarray(classifier.vectors()),
        token_dropout=recipe.token_dropout,
        history=history,
    )
    return np.asarray(classifier.vectors()), history
