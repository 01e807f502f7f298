"""The sampler of negatives that a recipe names, and what keeps it fresh."""

import functools

import numpy as np

from tfxc.data.batches import one_of_each
from tfxc.encoders import DrawnNegatives, InBatchNegatives, encode
from tfxc.negatives import (
    ClusterTreeSampler,
    LabelIndex,
    LabelTreeSampler,
    Midx,
    MixedNegatives,
    MovingCodes,
    NearestNegatives,
    NegativeCache,
    Uniform,
    Unigram,
    candidate_probability,
)
from tfxc.training.cache_age import CacheAge
from tfxc.training.refresh_nearest import RefreshNearest
from tfxc.training.refresh_negatives import RefreshNegatives
from tfxc.training.warm_up import WarmUp

WORDS = 64  # of each codebook
# Of the tree, half of what it opens by default: its codes are farther from the
# vectors of labels than the groups that stay closed.
OPENED, EXACT = 48, 192
NEAREST = 32  # labels of the list that each query draws from
FITTED = 100_000  # queries that a label tree is fitted to


def drawn_negatives(recipe, job, relevant, rows):
    """The negatives that a recipe names for a `Job`.

    Args:
        recipe: `TextRecipe`.
        job: `Job`; the labels are those of its data.
        relevant: `tfxc.data.LabelLists` of queries; labels may be among them.
        rows: `[n]`, int; the queries that the encoder trains on.

    Returns:
        `(negatives, callbacks)`: see `tfxc.encoders.DualEncoder`, `Job.train`;
        `(None, [])` for none.
    """
    if recipe.negatives == "none":
        return None, []
    if recipe.negatives == "in_batch":
        sizes = recipe.batch_size, recipe.num_candidates
        probability = candidate_probability(relevant.take(rows), *sizes)
        return InBatchNegatives(probability, recipe.temperature), []
    sampler, callbacks = SAMPLERS[recipe.negatives](recipe, job)
    labels = job.prepared.labels
    negatives = DrawnNegatives(
        sampler,
        labels.take(np.arange(job.dataset.num_labels)),
        recipe.num_negatives,
        recipe.temperature,
        recipe.estimator,
        getattr(labels, "pad_id", 0),
    )
    return negatives, callbacks


def uniform(recipe, job):
    """All labels alike."""
    return Uniform(job.dataset.num_labels, recipe.seed), []


def unigram(recipe, job):
    """Labels by how frequent they are among those to learn from."""
    counts = job.relevant.take(job.rows).counts()
    return Unigram(counts, seed=recipe.seed), []


def cache(recipe, job):
    """Three of a cache for one of all labels, which also renew the cache.

    A cache that holds all labels needs no others beside it, but to be told
    where labels have gone that are never drawn.
    """
    num_labels, seed = job.dataset.num_labels, recipe.seed
    beta = 1 / recipe.temperature
    size = min(recipe.cached_labels, num_labels)
    ids = np.random.default_rng(seed).permutation(num_labels)[:size]
    vectors = encode(job.encoder, job.prepared.labels, ids)
    cached = NegativeCache(
        *(ids, vectors, num_labels, beta), stands_for_all=False, seed=seed
    )
    if size < num_labels:
        others = Uniform(num_labels, seed + 1)
        warm_up = WarmUp(cached, recipe.uniform_steps, beta)
        sampler = MixedNegatives([others, cached], [1, 3])
        return sampler, [warm_up, CacheAge(cached)]

    def refresh(number):
        cached.refresh(job.label_vectors())
        return {"encoded_labels": num_labels}

    return cached, refreshed(recipe, cached, refresh)


def nearest(recipe, job):
    """As many of the nearest wrong labels as of all labels."""
    num_labels = job.dataset.num_labels
    most = len(job.prepared.train) + num_labels  # labels may be queries
    size = min(NEAREST, num_labels)
    lists = NearestNegatives(most, num_labels, size, recipe.seed)
    index = LabelIndex()  # the first refresh builds it

    def refreshes(mining, queries):
        encoded = functools.partial(encode, job.encoder, queries)
        return RefreshNearest(
            *(lists, index, job.label_vectors, encoded, mining),
            *(recipe.refresh_steps, recipe.uniform_steps),
            recipe.index_updates == "rebuild",
        )

    other = Uniform(num_labels, recipe.seed + 1)
    return MixedNegatives([other, lists], [1, 1]), [refreshes]


def midx(recipe, job):
    """Near the model's softmax, by two codebooks."""
    num_labels = job.dataset.num_labels
    words = min(WORDS, num_labels)
    beta = 1 / recipe.temperature
    sampler = Midx(job.label_vectors(), beta, words, recipe.seed)

    def refresh(number):
        sampler.refresh(job.label_vectors())
        return {"encoded_labels": num_labels}

    return sampler, refreshed(recipe, sampler, refresh)


def tree(recipe, job):
    """Near the model's softmax, by a tree; a refresh encodes a few labels."""
    codes = MovingCodes(
        lambda ids: encode(job.encoder, job.prepared.labels, ids),
        job.dataset.num_labels,
        recipe.landmarks,
        recipe.encoded_labels,
        recipe.full_refresh,
        seed=recipe.seed,
    )
    codes.refresh(0)
    sampler = ClusterTreeSampler(
        codes.codes,
        1 / recipe.temperature,
        OPENED,
        exact=EXACT,
        projection=codes.projection,
        seed=recipe.seed,
    )

    def refresh(number):
        codes.refresh(number)
        done = codes.report
        # Labels change their groups when all of them were encoded.
        sampler.refresh(
            *(codes.codes, codes.projection),
            rebuild=done["encoded"] > job.dataset.num_labels,
        )
        return {"encoded_labels": done["encoded"], "code_error": done["error"]}

    return sampler, refreshed(recipe, sampler, refresh)


def label_tree(recipe, job):
    """What a tree takes for right that was fitted to queries and labels."""
    rng = np.random.default_rng(recipe.seed)
    rows = np.sort(rng.permutation(job.rows)[:FITTED])
    labels = one_of_each(job.relevant.take(rows), rng).ids
    sampler = LabelTreeSampler(
        job.dataset.num_labels, job.encoder.dim, seed=recipe.seed
    )

    def refresh(number):
        if number % recipe.full_refresh == 0:
            sampler.fit(job.query_vectors(rows, np.float16), labels)
        return {}

    refreshes = RefreshNegatives(
        refresh, recipe.refresh_steps, recipe.uniform_steps
    )
    return sampler, [refreshes]


def refreshed(recipe, sampler, refresh):
    """Callbacks of a sampler that is refreshed after a warm-up."""
    return [
        WarmUp(sampler, recipe.uniform_steps, 1 / recipe.temperature),
        RefreshNegatives(refresh, recipe.refresh_steps, recipe.uniform_steps),
    ]


# Functions of recipe and job: `(sampler, callbacks)`, by the name in a recipe.
SAMPLERS = {
    "uniform": uniform,
    "unigram": unigram,
    "cache": cache,
    "nearest": nearest,
    "midx": midx,
    "tree": tree,
    "label_tree": label_tree,
}
