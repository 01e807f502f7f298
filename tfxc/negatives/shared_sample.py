"""One set of negatives for all queries of a batch."""

import math

import keras
from keras import ops

from tfxc.negatives.checks import check_no_chain
from tfxc.negatives.exclusion import log_prob_excluding, sample_excluding


def shared_sample(
    sampler, queries, num, seed=None, excluded=None, tries=8, **batch
):
    """One set of negatives for a whole batch, drawn for some of its queries.

    All queries of the batch draw, if there is a label for each. Else random
    ones draw two each: what a draw costs is mostly the look at the labels for a
    query. All draws are negatives of all queries, so each is as likely as it is
    on average over those who drew: what is summed over draws with weight
    `1 / (num q)` is then unbiased, whoever a draw was for.

    ```
    q(y) = mean over drawing queries x of Q(y | x)
    ```

    Args:
        sampler: `Sampler` with `log_prob`, and without chains.
        queries: `[b, d]`, float.
        num: Draws in all; at most b, or a multiple of b.
        seed: See `Sampler.sample`.
        excluded: `Excluded`; what a query does not draw for itself, see
            `sample_excluding`; others that it draws may be positives of others.
        tries: Draws for one, of which the last may be excluded.
        **batch: See `Sampler.sample`; `rows` is cut to those that draw.

    Returns:
        `(ids [num] int32, log_q [num] float32)`.

    Reference:
        Veach and Guibas, 1995, the balance heuristic.
    """
    drawn, laws = [], []
    for part, (member, count) in enumerate(sampler.components(num)):
        check_no_chain(member)
        part_seed = None if seed is None else seed + part
        rows = _drawing(sampler, queries.shape[0], count, part_seed)
        own, given, drawing = excluded, batch, queries
        if rows is not None:
            own = excluded and excluded.of(rows)
            drawing = ops.take(queries, rows, axis=0)
            given = {
                name: ops.take(array, rows, axis=0) if name == "rows" else array
                for name, array in batch.items()
            }
        common = member, drawing
        each = count // drawing.shape[0]
        ids = sample_excluding(*common, each, own, tries, part_seed, **given)
        drawn.append(ops.reshape(ids, (count,)))
        laws.append((common, own, given, count / num))
    ids = ops.concatenate(drawn)
    log_q = [
        ops.logsumexp(
            log_prob_excluding(*common, ids, own, tries, **given), axis=0
        )
        + math.log(share / common[1].shape[0])
        for common, own, given, share in laws
    ]
    return ids, ops.logsumexp(ops.stack(log_q), axis=0)


def _drawing(sampler, rows, count, seed):
    """Which of the queries draw `count` labels: `[n]`; `None` for all."""
    if count >= rows:
        if count % rows:
            raise ValueError(
                f"`num` must be a multiple of {rows} queries, or less. "
                f"Received: {count} draws"
            )
        return None
    size = count // 2 if count % 2 == 0 else count
    order = keras.random.uniform((rows,), seed=sampler.draws(seed, 9))
    return ops.top_k(order, size)[1]
