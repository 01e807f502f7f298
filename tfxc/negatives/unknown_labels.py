"""Draws that avoid labels that would be no negatives."""

from typing import NamedTuple

from keras import ops

from tfxc.negatives.sampler import relevance_of

MOST = 1 - 1e-6  # a share that float32 can tell from all


class Known(NamedTuple):
    """Labels that are no negatives to be drawn.

    Args:
        positives: `[b, p]`, int; what is right for each query, then -1.
        candidates: `[c]`, int; what all queries are compared with anyway; -1
            for none.
    """

    positives: object
    candidates: object

    def of(self, rows):
        """The same for some of the queries: `rows` `[n]`, int."""
        positives = ops.take(self.positives, rows, axis=0)
        return self._replace(positives=positives)

    def among(self, ids):
        """Whether labels are known: `[b, n]`, bool.

        Args:
            ids: `[b, n]`, or `[n]` for the same labels for all queries.
        """
        right = ops.equal(relevance_of(ids, self.positives), -1)
        ids, candidates = (
            ops.cast(labels, "int32") for labels in (ids, self.candidates)
        )
        inside = ops.any(ops.equal(ids[..., None], candidates), axis=-1)
        return ops.logical_or(right, inside)


def sample_unknown(sampler, queries, num, known, tries, seed=None, **batch):
    """Draws again what was known, a few times: `[b, num]`, int32.

    A query that finds its positives likely would else draw little besides.

    Args:
        sampler: `Sampler` with `log_prob`.
        queries: `[b, d]`, float.
        num: Draws for each query.
        known: `Known`; `None` for none.
        tries: Draws for one, of which the last may be known.
        seed: See `Sampler.sample`.
        **batch: See `Sampler.sample`.
    """
    if known is None:
        return sampler.sample(queries, num, seed, **batch)[0]
    ids, _ = sampler.sample(queries, num * tries, seed, **batch)
    good = ops.logical_not(known.among(ids))
    shape = (queries.shape[0], num, tries)
    ids, good = ops.reshape(ids, shape), ops.reshape(good, shape)
    first = ops.argmax(ops.cast(good, "int32"), axis=2)
    first = ops.where(ops.any(good, axis=2), first, tries - 1)
    return ops.take_along_axis(ids, first[..., None], axis=2)[..., 0]


def log_prob_unknown(sampler, queries, ids, known, tries, **batch):
    """The log-probability of `sample_unknown`: `[b, n]`, float32.

    With p how likely one draw is known,

    ```
    Q(y | x) (1 + p + ... + p^(tries - 1))    of a label that is not known
    Q(y | x) p^(tries - 1)                    of one that is
    ```

    Args:
        sampler: See `sample_unknown`.
        queries: See `sample_unknown`.
        ids: `[b, n]` or `[n]`, int.
        known: See `sample_unknown`.
        tries: See `sample_unknown`.
        **batch: See `Sampler.sample`.
    """
    log_q = sampler.log_prob(queries, ids, **batch)
    if known is None:
        return log_q
    p = share_of_known(sampler, queries, known, **batch)[:, None]
    log_p = ops.log(ops.clip(p, 1 - MOST, MOST))
    return log_q + ops.where(
        known.among(ids),
        (tries - 1) * log_p,
        ops.log1p(-ops.exp(tries * log_p)) - ops.log1p(-ops.exp(log_p)),
    )


def share_of_known(sampler, queries, known, **batch):
    """How likely a draw is known: `[b]`, float32."""
    positives, candidates = (ops.cast(labels, "int32") for labels in known)

    def law(ids):
        log_q = sampler.log_prob(queries, ops.maximum(ids, 0), **batch)
        return ops.exp(log_q)

    inside = ops.any(ops.equal(positives[:, :, None], candidates), axis=2)
    others = ops.logical_and(positives >= 0, ops.logical_not(inside))
    total = ops.sum(
        ops.where(candidates >= 0, law(candidates), 0.0), axis=1
    ) + ops.sum(ops.where(others, law(positives), 0.0), axis=1)
    return total / sampler.share
