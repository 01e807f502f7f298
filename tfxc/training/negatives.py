"""The sampler of negatives that a recipe names, and what keeps it fresh."""

import numpy as np

from tfxc.encoders import DrawnNegatives, encode
from tfxc.errors import InputError
from tfxc.negatives import (
    ClusterTreeSampler,
    LabelIndex,
    Midx,
    MixedNegatives,
    MovingCodes,
    NearestNegatives,
    NegativeCache,
    Uniform,
    Unigram,
)
from tfxc.training.refresh_negatives import RefreshNearest, RefreshNegatives

WORDS = 64  # of each codebook
CACHED = 16  # labels of a cache for each that is drawn
NEAREST = 32  # labels of the list that each query draws from


def check_negatives(recipe, num_labels):
    """Raises `InputError` if negatives cannot be drawn as a recipe asks.

    Args:
        recipe: `TextRecipe`.
        num_labels: Labels of the data set.
    """
    if recipe.negatives == "none":
        return
    num, rows = recipe.num_negatives, recipe.batch_size
    if recipe.num_candidates >= num_labels:
        raise InputError(
            f"--negatives: expected fewer --num-candidates than {num_labels:,} "
            "labels, for else all are candidates anyway. "
            f"Received: {recipe.num_candidates:,}"
        )
    if num > num_labels or (num > rows and num % rows):
        raise InputError(
            f"--num-negatives: expected at most the {num_labels:,} labels, and "
            f"at most the {rows:,} queries of a batch or a multiple of them. "
            f"Received: {num:,}"
        )
    if recipe.negatives in ("cache", "nearest") and not 4 <= num <= rows:
        raise InputError(
            "--num-negatives: expected 4 to --batch-size, of which some are "
            f"drawn among all labels. Received: {num}"
        )
    if recipe.chunk_rows and num % recipe.chunk_rows:
        raise InputError(
            "--num-negatives: expected a multiple of --chunk-rows. "
            f"Received: {num}"
        )


def drawn_negatives(recipe, job):
    """The negatives that a recipe names for a `Job`.

    Args:
        recipe: `TextRecipe`.
        job: `Job`; the labels are those of its data.

    Returns:
        `(tfxc.encoders.DrawnNegatives, callbacks)`, see `Job.train`; `(None,
        [])` for none.
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
        words = min(WORDS, num_labels)
        sampler = Midx(job.label_vectors(), heat, words, seed)

        def refresh(number):
            sampler.refresh(job.label_vectors())

    elif recipe.negatives == "cache":
        size = min(CACHED * recipe.num_negatives, num_labels)
        ids = np.random.default_rng(seed).permutation(num_labels)[:size]
        cache = NegativeCache(
            *(ids, encoded(ids), num_labels, heat),
            stands_for_all=False,
            seed=seed,
        )
        sampler = MixedNegatives([Uniform(num_labels, seed + 1), cache], [1, 3])
    elif recipe.negatives == "nearest":
        return nearest_negatives(recipe, job)
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
    return with_labels(recipe, job, sampler), callbacks


def nearest_negatives(recipe, job):
    """As many of the nearest wrong labels as of all labels."""
    num_labels = job.dataset.num_labels
    most = len(job.prepared.train) + num_labels  # labels may be queries
    size = min(NEAREST, num_labels)
    nearest = NearestNegatives(most, num_labels, size, recipe.seed)
    index = LabelIndex(job.label_vectors())
    uniform = Uniform(num_labels, recipe.seed + 1)
    sampler = MixedNegatives([uniform, nearest], [1, 1])

    def callbacks(mining):
        return [
            RefreshNearest(
                *(nearest, index, job.label_vectors, mining),
                recipe.refresh_steps,
            )
        ]

    return with_labels(recipe, job, sampler), callbacks


def with_labels(recipe, job, sampler):
    """`DrawnNegatives` of a sampler, with what the encoder reads of labels."""
    return DrawnNegatives(
        sampler,
        job.prepared.labels.take(np.arange(job.dataset.num_labels)),
        recipe.num_negatives,
        recipe.temperature,
        recipe.estimator,
        getattr(job.prepared.labels, "pad_id", 0),
    )
