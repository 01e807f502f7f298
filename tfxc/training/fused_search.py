"""The search of a trained run, by all scores."""

import dataclasses
import typing

import numpy as np

from tfxc.metrics import inverse_propensity
from tfxc.search import FusedSearch, Memory, fit_fusion

Fusion = typing.Literal["none", "sum", "tree"]


def fused_search(job, classifier=None, fusion="sum", memory=0, popularity=True):
    """The search by all scores, weighed on the held-out queries of a `Job`.

    They decide what memory and frequencies count, and so must not be in them.
    Once they have decided, they are training queries like any other.

    Args:
        job: `Job` with a trained encoder.
        classifier: `[L, dim]`, float32; a vector for each label, or `None`.
        fusion: "none" adds the scores of encoder and classifiers, "sum" weighs
            all scores, "tree" adds a tree if those rank better with it.
        memory: Similar training queries whose labels count; 0 for none.
        popularity: Whether frequent labels gain.

    Returns:
        `tfxc.search.FusedSearch`.
    """
    search = FusedSearch(
        job.label_vectors(),
        classifier=classifier,
        classifier_weight=0.0 if classifier is None else 1.0,
    )
    if fusion == "none":
        return search
    vectors = job.query_vectors(job.rows, np.float16) if memory else None
    judges = job.query_vectors(job.held_out)
    learnt = job.relevant.take(job.rows)
    search = fit_fusion(
        with_queries(search, job, job.rows, vectors, popularity, memory),
        judges,
        job.relevant.take(job.held_out),
        inverse_propensity(learnt.counts(), len(learnt), *job.propensity),
        tree=fusion == "tree",
        seed=job.seed,
        filtered=job.filtered.take(job.held_out),
    )
    rows = np.sort(np.append(job.rows, job.held_out))
    vectors = (
        None
        if search.memory is None
        else merged(rows, (job.rows, vectors), (job.held_out, judges))
    )
    search = dataclasses.replace(search, memory=None)  # frees the old one
    popularity = search.popularity is not None
    return with_queries(search, job, rows, vectors, popularity, memory)


def merged(rows, *parts):
    """The vectors of sorted rows `[n]` from parts `(rows, vectors)` of them."""
    dim = parts[0][1].shape[1]
    vectors = np.empty((len(rows), dim), np.float16)
    for some, known in parts:
        vectors[np.searchsorted(rows, some)] = known
    return vectors


def with_queries(search, job, rows, vectors, popularity, memory):
    """The search with what it knows of some training queries.

    Args:
        search: `FusedSearch`.
        job: `Job`.
        rows: `[n]`, int; the queries.
        vectors: `[n, d]`, float; theirs, or `None` for no memory.
        popularity: See `fused_search`.
        memory: See `fused_search`.
    """
    relevant = job.relevant.take(rows)
    parts = {"memory": None, "popularity": None}
    if vectors is not None:
        parts["memory"] = Memory.build(
            vectors, relevant, job.seed, neighbours=memory
        )
    if popularity:
        counts = relevant.counts()
        parts["popularity"] = np.log1p(counts).astype(np.float32)
    return dataclasses.replace(search, **parts)
