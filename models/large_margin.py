"""Large-margin softmax: the right label must win by an angle.

1. train an encoder of queries and labels (NGAME's module M1), and keep it;
2. start each label's classifier from its encoded text;
3. train the classifiers by the softmax loss over all labels, in which the angle
   between a query and its labels counts `multiply` times; the margin comes by
   and by, as `easing_share` says; with `train_encoder` the encoder too;
4. rank by the inner product, without a margin.

`angle` and `subtract` are the margins of ArcFace and CosFace, usually with a
`scale` in place of norms.

Reference: Liu et al., 2016, Large-margin softmax loss for convolutional neural
networks, ICML
"""

import dataclasses

import numpy as np

import tfxc
from models import ngame

INDEXES = ("exact",)
START, POWER = 1000.0, 35.0  # of the easing, as published


@dataclasses.dataclass(frozen=True)
class Recipe(ngame.Recipe):
    """Trains an encoder, then classifiers by a large-margin softmax."""

    classifier_epochs: int = 8
    """Further passes to train the classifiers."""
    classifier_learning_rate: float = 5e-3
    """Their rate (Adam)."""
    multiply: int = 2
    """What the angle to the right label is multiplied by; 1 for no margin."""
    angle: float = 0.0
    """What is added to it, in radians."""
    subtract: float = 0.0
    """What is taken from its cosine."""
    scale: float = 0.0
    """Multiplies cosines in place of the norms; 0 for these."""
    easing_share: float = 0.5
    """Share of the steps after which half of a score has the margin; 0 for a
    margin from the beginning."""
    easing_least: float = 0.0
    """Least weight of a score without a margin, beside one with it."""


def check(recipe, dataset):
    """Raises `tfxc.InputError` if the recipe cannot be run on the data."""
    ngame.check(recipe, dataset)
    tfxc.training.check_fields(
        recipe,
        {
            **dict.fromkeys(("classifier_epochs", "multiply"), (1, None)),
            **dict.fromkeys(("subtract", "scale", "easing_least"), (0, None)),
            "angle": (0, np.pi / 2),
            "easing_share": (0, 1),
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
    layer = tfxc.layers.MarginSoftmax(
        job.dataset.num_labels,
        recipe.multiply,
        recipe.angle,
        recipe.subtract,
        recipe.scale or None,
        easing_of(recipe, side.steps),
        recipe.seed,
    )
    layer.build((recipe.batch_size, job.encoder.dim))
    layer.kernel.assign(side.label_vectors.T / recipe.temperature)
    return tfxc.training.train_output_layer(side, layer, history)


def easing_of(recipe, steps):
    """Arguments of `tfxc.layers.margin_easing` that is 1 when it should be."""
    if not recipe.easing_share:
        return None
    growth = START ** (1 / POWER) - 1
    return {
        "start": START,
        "power": POWER,
        "rate": growth / max(recipe.easing_share * steps, 1),
        "least": recipe.easing_least,
    }
