"""Adversarial softmax: negatives that a small tree takes for right.

A classifier per label learns to tell the right label of a query from one that
was drawn. Uniform draws are mostly easy to tell, and then teach nothing. Here
they come from a model of the data that is fitted once, in a minute:

1. train an encoder of queries and labels (NGAME's module M1), and keep it;
2. fit a balanced binary tree of logistic regressions to 16 principal components
   of the query vectors: q(y | x), of which a draw takes one step a level;
3. train the classifiers on right labels and draws of the tree, by sampled rows
   alone; with `train_encoder` the encoder too, whose queries the tree is fitted
   to anew before each epoch;
4. rank by w_y . x + b_y + log q(y | x): what classifiers did not have to learn,
   as the tree knew it, is added again.

`contrast` and `noise` name what the paper compares with.

Reference: Bamler and Mandt, 2020, Extreme classification via adversarial
softmax approximation, ICLR
"""

import dataclasses
import typing

import keras
import numpy as np

import tfxc
from models import ngame

INDEXES = ("exact",)


@dataclasses.dataclass(frozen=True)
class Recipe(ngame.Recipe):
    """Trains an encoder, then classifiers against draws of a tree."""

    classifier_epochs: int = 8
    """Further passes to train the classifiers."""
    classifier_learning_rate: float = 0.1
    """Rate of the classifiers (row-wise Adagrad)."""
    classifier_dropout: float = 0.5
    """Share of a stored query vector that is hidden from the classifiers."""
    noise: typing.Literal["tree", "uniform", "unigram"] = "tree"
    """What the classifiers' negatives are drawn by."""
    contrast: typing.Literal[
        "negative_sampling",
        "noise_contrastive",
        "one_vs_each",
        "augment_and_reduce",
        "softmax",
    ] = "negative_sampling"
    """The classifiers' loss, see `tfxc.losses.noise_contrast`; "softmax" draws
    nothing."""
    bias_removal: bool = True
    """Whether what draws were likely by is added to the scores again."""
    num_noise: int = 1
    """Labels drawn for each query."""
    regularizer: float = 1e-2
    """Strength of the penalty on the squares of softmax scores."""
    start: typing.Literal["texts", "zeros"] = "texts"
    """What the classifiers start from: encoded texts of labels, or nothing."""
    tree_dim: int = 16
    """Principal components that the tree sees."""
    tree_regularizer: float = 10.0
    """Strength of the penalty on the squares of its weights."""
    shortlist: int = 0
    """Labels to rank, the likeliest ones by the tree; 0 for all."""


def check(recipe, dataset):
    """Raises `tfxc.InputError` if the recipe cannot be run on the data."""
    ngame.check(recipe, dataset)
    if recipe.shortlist and not (
        recipe.noise == "tree"
        and recipe.contrast == "negative_sampling"
        and recipe.bias_removal
    ):
        raise tfxc.InputError(
            "--shortlist: expected 0, as only --noise tree with --contrast "
            "negative_sampling and --bias-removal lists labels. "
            f"Received: {recipe.shortlist}"
        )
    above = (tfxc.training.ABOVE_0, None)
    tfxc.training.check_fields(
        recipe,
        {
            **dict.fromkeys(
                ("num_noise", "classifier_epochs", "tree_dim"), (1, None)
            ),
            "regularizer": (0, None),
            "tree_regularizer": above,
            "shortlist": (0, dataset.num_labels),
        },
    )


def fit(recipe, dataset, key, run, console):
    """Trains in the folder of `run`, or continues there; see `ngame.fit`."""
    job = ngame.job_of(recipe, dataset, key, run, console)
    history = ngame.train_encoder(recipe, job)
    return train_layer(recipe, job, history)


def train_layer(recipe, job, history):
    """The output layer, after the encoder: `tfxc.training.Trained`."""
    side = tfxc.training.QuerySide(recipe, job)
    classifier = classifier_of(recipe, side)
    sampler, removal, callbacks = None, None, []
    if recipe.contrast != "softmax":
        sampler = sampler_of(recipe, side)
        if recipe.noise == "tree":
            callbacks = [
                keras.callbacks.LambdaCallback(
                    on_epoch_begin=lambda epoch, _: fit_tree(
                        recipe, side, sampler, epoch
                    )
                )
            ]
    if recipe.contrast == "negative_sampling" and recipe.bias_removal:
        removal = sampler
    layer = tfxc.layers.CorrectedClassifier(
        classifier, removal, recipe.shortlist
    )

    def model(*encoder):
        rows = ngame.classifier_optimizer(recipe, classifier, side.steps)
        parts = *encoder, recipe.batch_size, classifier, rows
        chunk_rows = recipe.chunk_rows or None
        if sampler is None:
            return tfxc.encoders.FullLabelClassifier(
                *parts, "softmax", chunk_rows=chunk_rows
            )
        return tfxc.encoders.SampledLabelClassifier(
            *(*parts, sampler, recipe.num_noise, recipe.contrast),
            recipe.regularizer,
            len(side.relevant),
            chunk_rows,
        )

    return tfxc.training.train_output_layer(
        side, layer, history, model, every_positive=False, callbacks=callbacks
    )


def classifier_of(recipe, side):
    """A vector and a bias for each label."""
    num_labels, dim = side.relevant.num_columns, side.encoder.dim
    initial = np.zeros((num_labels, dim + 1), np.float32)
    if recipe.start == "texts":
        initial[:, :-1] = side.label_vectors / recipe.temperature
    return tfxc.layers.LabelClassifier(
        num_labels, dim, cosine=False, initial=initial, bias=True
    )


def sampler_of(recipe, side):
    """What draws negatives, a tree that is yet to be fitted."""
    relevant, seed = side.relevant.take(side.rows), recipe.seed
    num_labels = relevant.num_columns
    if recipe.noise == "uniform":
        return tfxc.negatives.Uniform(num_labels, seed)
    if recipe.noise == "unigram":
        return tfxc.negatives.Unigram(relevant.counts() + 1, seed=seed)
    return tfxc.negatives.LabelTreeSampler(
        *(num_labels, side.encoder.dim, recipe.tree_dim),
        regularizer=recipe.tree_regularizer,
        seed=seed,
    )


def fit_tree(recipe, side, tree, epoch):
    """Fits it to vectors of the queries, and one label of each."""
    if epoch and not recipe.train_encoder:
        return
    job = side.job
    vectors = job.query_vectors(job.rows, np.float16) if epoch else side.bank
    relevant = side.relevant.take(side.rows)
    rng = np.random.default_rng([recipe.seed, epoch])
    one = tfxc.data.one_of_each(relevant, rng)
    tree.fit(vectors, one.ids)
