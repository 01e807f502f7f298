"""The sampler of negatives that a recipe names, and what keeps it fresh."""

import numpy as np

from tfxc.encoders import DrawnNegatives, encode
from tfxc.negatives import (
    ClusterTreeSampler,
    Midx,
    MovingCodes,
    NegativeCache,
    Uniform,
    Unigram,
)
from tfxc.training.refresh_negatives import RefreshNegatives

CACHED = 16  # labels of a cache for each that is drawn


def drawn_negatives(recipe, job):
    """The negatives that a recipe names for a `Job`.

    Args:
        recipe: `TextRecipe`.
        job: `Job`; the labels are those of its data.

    Returns:
        `(tfxc.encoders.DrawnNegatives, callbacks)`; `(None, [])` for none.
    """
    if recipe.negatives == "none":
        return None, []
    num_labels, seed = job.dataset.num_labels, recipe.seed
    heat = 1 / recipe.temperature

    def encoded(ids):
        return encode(job.encoder, job.prepared.labels, ids)

    refresh = None
    if recipe.negatives == "uniform":
        sampler = Uniform(num_labels, seed)
    elif recipe.negatives == "unigram":
        sampler = Unigram(job.relevant.take(job.rows).counts(), seed=seed)
    elif recipe.negatives == "midx":
        sampler = Midx(job.label_vectors(), heat, seed=seed)

        def refresh(number):
            sampler.refresh(job.label_vectors())

    elif recipe.negatives == "cache":
        size = min(CACHED * recipe.num_negatives, num_labels)
        ids = np.random.default_rng(seed).permutation(num_labels)[:size]
        sampler = NegativeCache(ids, encoded(ids), num_labels, heat, seed)
    else:
        codes = MovingCodes(
            encoded,
            num_labels,
            recipe.landmarks,
            recipe.encoded_labels,
            recipe.full_refresh,
            seed=seed,
        )
        codes.refresh(0)
        sampler = ClusterTreeSampler(
            codes.codes, heat, projection=codes.projection, seed=seed
        )

        def refresh(number):
            codes.refresh(number)
            sampler.refresh(codes.codes, codes.projection)

    callbacks = []
    if refresh is not None:
        callbacks = [
            RefreshNegatives(
                *(sampler, refresh, recipe.refresh_steps),
                *(recipe.uniform_steps, heat),
            )
        ]
    labels = job.prepared.labels.take(np.arange(num_labels))
    negatives = DrawnNegatives(
        sampler,
        labels,
        recipe.num_negatives,
        recipe.temperature,
        recipe.estimator,
    )
    return negatives, callbacks
