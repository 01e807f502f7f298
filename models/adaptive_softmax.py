"""Adaptive softmax: rare labels are looked at by queries that need them.

1. train an encoder of queries and labels (NGAME's module M1), and keep it;
2. time products of matrices on this machine, and cut the labels, in the order
   of their frequency, where a step costs least: a head that has the labels of
   most queries, and tails, of which a step opens those that its queries need;
3. start both from the encoded texts of labels, and train them by the softmax
   loss over all labels; with `train_encoder` the encoder too;
4. rank by log p, opening a tail only where it may hold one of the best.

Reference: Grave et al., 2017, Efficient softmax approximation for GPUs, ICML
"""

import dataclasses
import typing

import numpy as np

import tfxc
from models import ngame

INDEXES = ("exact",)
START_QUERIES = 4096  # that a start from texts looks at


@dataclasses.dataclass(frozen=True)
class Recipe(ngame.Recipe):
    """Trains an encoder, then an adaptive softmax over the labels."""

    classifier_epochs: int = 8
    """Further passes to train the output layer."""
    classifier_learning_rate: float = 1e-3
    """Its rate (Adam)."""
    classifier_dropout: float = 0.5
    """Share of a stored query vector that is hidden from it."""
    cutoffs: tuple[int, ...] = ()
    """Places of the first label of each tail; without any, what costs least."""
    start: typing.Literal["texts", "random"] = "texts"
    """What the layer starts from: encoded texts of labels, or nothing."""
    head_share: float = 0.8
    """Least share of the queries' labels that is in the head, of chosen
    cutoffs."""
    shrink: float = 1.0
    """What the dimensions of each tail are divided by once more; as published,
    4."""


def check(recipe, dataset):
    """Raises `tfxc.InputError` if the recipe cannot be run on the data."""
    ngame.check(recipe, dataset)
    tfxc.training.check_fields(
        recipe,
        {
            "classifier_epochs": (1, None),
            "shrink": (1, None),
            "head_share": (0, 1),
            "cutoffs": (1, dataset.num_labels - 1),
        },
    )
    if list(recipe.cutoffs) != sorted(set(recipe.cutoffs)):
        raise tfxc.InputError(
            "--cutoffs: expected numbers that increase. "
            f"Received: {recipe.cutoffs}"
        )


def fit(recipe, dataset, key, run, console):
    """Trains in the folder of `run`, or continues there; see `ngame.fit`."""
    job = ngame.job_of(recipe, dataset, key, run, console)
    history = ngame.train_encoder(recipe, job)
    return train_layer(recipe, job, history)


def train_layer(recipe, job, history):
    """The output layer, after the encoder: `tfxc.training.Trained`."""
    counts = job.relevant.take(job.rows).counts() + 1  # some have no query
    layer = tfxc.layers.AdaptiveSoftmax(
        len(counts),
        cutoffs_of(recipe, job, counts),
        recipe.shrink,
        frequencies=counts,
        head_bias=True,
        seed=recipe.seed,
    )
    side = tfxc.training.QuerySide(recipe, job)
    if recipe.start == "texts":
        rows = np.random.default_rng(recipe.seed).permutation(job.rows)
        tfxc.layers.start_adaptive_softmax(
            layer,
            side.label_vectors / recipe.temperature,
            job.query_vectors(np.sort(rows[:START_QUERIES]), np.float16),
        )
    return tfxc.training.train_output_layer(side, layer, history)


def cutoffs_of(recipe, job, counts):
    """Those of the recipe, or what costs least on the machine at hand."""
    if recipe.cutoffs:
        return recipe.cutoffs
    return job.run.once(
        "cutoffs",
        lambda: tfxc.layers.choose_cutoffs(
            np.sort(counts)[::-1],
            tfxc.layers.measure_cost(),
            job.encoder.dim,
            recipe.batch_size,
            recipe.shrink,
            head_share=recipe.head_share,
        ),
    )
