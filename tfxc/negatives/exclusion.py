"""Draws that exclude labels which would be no negatives."""

from typing import NamedTuple

from keras import ops

from tfxc.negatives.bisection import is_among
from tfxc.negatives.sampler import relevance_of

TINY = 1e-30


class Excluded(NamedTuple):
    """Labels that are no negatives to draw; a draw of one is an accidental hit.

    Args:
        positives: `[b, p]`, int; what is right for each query, distinct, then
            -1.
        candidates: `[c]`, int; what all queries are compared with anyway,
            distinct; -1 for none.
    """

    positives: object
    candidates: object

    def of(self, rows):
        """The same for some of the queries: `rows` `[n]`, int."""
        positives = ops.take(self.positives, rows, axis=0)
        return self._replace(positives=positives)

    def among_candidates(self, ids):
        """Whether labels are candidates, or -1: bool, of the shape of ids."""
        ids, candidates = (
            ops.cast(labels, "int32") for labels in (ids, self.candidates)
        )
        rows = ops.sort(candidates)[None]
        flat = is_among(rows, ops.reshape(ids, (1, -1)))
        return ops.reshape(flat, ids.shape)

    def among(self, ids):
        """Whether labels are excluded: `[b, n]`, bool.

        Args:
            ids: `[b, n]`, or `[n]` for the same labels for all queries.
        """
        right = ops.equal(relevance_of(ids, self.positives), -1)
        return ops.logical_or(right, self.among_candidates(ids))


def sample_excluding(
    sampler, queries, num, excluded, tries, seed=None, **batch
):
    """Draws by rejection, with a fixed number of tries: `[b, num]`, int32.

    A query that finds its positives likely would else draw little besides.

    Args:
        sampler: `Sampler` with `log_prob`, of one component.
        queries: `[b, d]`, float.
        num: Draws for each query.
        excluded: `Excluded`; `None` for none.
        tries: Draws for one, of which the last may be excluded.
        seed: See `Sampler.sample`.
        **batch: See `Sampler.sample`.

    Raises:
        ValueError: if the sampler mixes others, whose draws are no repeats.
    """
    if len(sampler.components(num * tries)) > 1:
        raise ValueError(
            "labels can be excluded from the draws of one sampler at a time, "
            f"as `shared_sample` does. Received: {sampler}"
        )
    if excluded is None or tries == 1:
        return sampler.sample(queries, num, seed, **batch)[0]
    ids, _ = sampler.sample(queries, num * tries, seed, **batch)
    good = ops.logical_not(excluded.among(ids))
    shape = (queries.shape[0], num, tries)
    ids, good = ops.reshape(ids, shape), ops.reshape(good, shape)
    first = ops.argmax(ops.cast(good, "int32"), axis=2)
    first = ops.where(ops.any(good, axis=2), first, tries - 1)
    return ops.take_along_axis(ids, first[..., None], axis=2)[..., 0]


def log_prob_excluding(sampler, queries, ids, excluded, tries, **batch):
    """The log-probability of `sample_excluding`: `[b, n]`, float32.

    With p how likely one draw is excluded,

    ```
    Q(y | x) (1 + p + ... + p^(tries - 1))    of a label that is not excluded
    Q(y | x) p^(tries - 1)                    of one that is
    ```

    Args:
        sampler: See `sample_excluding`.
        queries: See `sample_excluding`.
        ids: `[b, n]` or `[n]`, int.
        excluded: See `sample_excluding`.
        tries: See `sample_excluding`.
        **batch: See `Sampler.sample`.
    """
    log_q = sampler.log_prob(queries, ids, **batch)
    if excluded is None or tries == 1:
        return log_q
    p = excluded_share(sampler, queries, excluded, **batch)[:, None]
    total = ops.ones_like(p)
    for _ in range(tries - 1):
        total = 1 + p * total
    again = (tries - 1) * ops.log(ops.maximum(p, TINY))
    return log_q + ops.where(excluded.among(ids), again, ops.log(total))


def excluded_share(sampler, queries, excluded, **batch):
    """How likely a draw is excluded: `[b]`, float32."""
    positives, candidates = (ops.cast(labels, "int32") for labels in excluded)

    def law(ids):
        log_q = sampler.log_prob(queries, ops.maximum(ids, 0), **batch)
        return ops.exp(log_q)

    inside = excluded.among_candidates(positives)
    others = ops.logical_and(positives >= 0, ops.logical_not(inside))
    total = ops.sum(
        ops.where(candidates >= 0, law(candidates), 0.0), axis=1
    ) + ops.sum(ops.where(others, law(positives), 0.0), axis=1)
    return total / sampler.share
