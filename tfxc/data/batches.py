"""What one training step sees: queries, candidates and their relevance."""

import numpy as np
import tensorflow as tf

from tfxc.data.label_lists import LabelLists
from tfxc.data.tokens.bags import padded

NEGATIVE, POSITIVE, IGNORED = 0, 1, -1


def in_batch_candidates(relevant, shape, rng, every_positive=True):
    """The positives of a batch: together they are its candidates.

    One positive of each query is drawn. Where there is room, the other
    positives of the queries follow, and then labels at random; where there is
    room for all labels, they all are candidates. A candidate
    that is known to be right for a query is a positive of it, or is ignored,
    but never its negative. Rows and columns beyond those in use are ignored.

    Args:
        relevant: `LabelLists` of the batch's queries; no row empty.
        shape: `(queries, candidates)` of the result, with room for one
            positive of each query.
        rng: `numpy.random.Generator`.
        every_positive: Whether positives that were not drawn count as
            positives; else they are ignored, as in NGAME.

    Returns:
        `(candidates [c] int, relevance [queries, candidates] int8)`;
        candidates are sorted and distinct.
    """
    counts = relevant.row_counts()
    drawn = drawn_entries(relevant, rng)
    candidates = _distinct(relevant.ids[drawn])
    if relevant.num_columns <= shape[1]:
        candidates = np.arange(relevant.num_columns)
    if len(candidates) < shape[1]:
        candidates = _filled(candidates, relevant.ids, shape[1], rng)
    if len(candidates) < shape[1]:
        anything = rng.integers(relevant.num_columns, size=shape[1])
        candidates = _filled(candidates, anything, shape[1], rng)

    relevance = np.full(shape, IGNORED, np.int8)
    relevance[: len(relevant), : len(candidates)] = NEGATIVE
    place = np.searchsorted(candidates, relevant.ids)
    place = np.minimum(place, len(candidates) - 1)
    known = candidates[place] == relevant.ids
    row = np.repeat(np.arange(len(relevant)), counts)
    others = POSITIVE if every_positive else IGNORED
    relevance[row[known], place[known]] = others
    relevance[np.arange(len(relevant)), place[drawn]] = POSITIVE
    return candidates, relevance


def _filled(chosen, more, size, rng):
    """`chosen` and random ones of `more`, up to `size`: sorted, distinct."""
    place = np.minimum(np.searchsorted(chosen, more), len(chosen) - 1)
    more = _distinct(more[chosen[place] != more])
    missing = size - len(chosen)
    if len(more) > missing:
        more = more[np.argsort(rng.random(len(more)))[:missing]]
    return np.sort(np.concatenate([chosen, more]))


def _distinct(values):
    """Sorted, without repeats; NumPy's own way hashes, which is slower."""
    values = np.sort(values)
    first = np.ones(len(values), bool)
    first[1:] = values[1:] != values[:-1]
    return values[first]


def training_batches(
    plan,
    queries,
    labels,
    relevant,
    batch_size,
    num_candidates,
    seed,
    every_positive=True,
    token_dropout=0.0,
    with_ids=False,
):
    """The batches of an epoch, as a `tf.data.Dataset` for `DualEncoder.fit`.

    tf.data only gathers: which rows meet in a batch is decided by `plan`.

    Args:
        plan: Function without arguments that returns `(epoch, batches)`, with
            `batches` a list of row ids, each `[at most batch_size]`; called
            when an iteration over the data set begins.
        queries: `Bags` or `Sequences`; one row per training query.
        labels: The same; one row per label.
        relevant: `LabelLists`; the labels of each query.
        batch_size: Queries of every batch; short batches are padded with rows
            that are ignored.
        num_candidates: Candidates of every batch, at least `batch_size`.
        seed: Seed of what is drawn, together with epoch and step.
        every_positive: See `in_batch_candidates`.
        token_dropout: Share of the queries' tokens to hide, see `hide_tokens`.
        with_ids: Whether batches say which labels their candidates are, for
            `tfxc.encoders.DrawnNegatives`.

    Returns:
        Batches `{"query", "candidates", "relevance"}`; with ids also
        `"candidate_ids"` `[num_candidates]`, `"rows"` `[batch_size]` and
        `"positives"` `[batch_size, most labels of a query]`, int32, with -1 for
        none.

    Raises:
        ValueError: if `num_candidates` is below `batch_size`.
    """
    if num_candidates < batch_size:
        raise ValueError(
            f"`num_candidates` must be at least batch_size={batch_size}, one "
            f"for each query. Received: {num_candidates}"
        )
    shape = (batch_size, num_candidates)
    most = most_labels(relevant)

    def gather(epoch, step, rows):
        rng = np.random.default_rng((seed, int(epoch), int(step)))
        candidates, relevance = in_batch_candidates(
            relevant.take(rows), shape, rng, every_positive
        )
        query = queries.take(rows, batch_size)
        if token_dropout:
            query = hide_tokens(query, token_dropout, rng)
        label = labels.take(candidates, num_candidates)
        arrays = *query.values(), *label.values(), relevance
        if not with_ids:
            return arrays
        known = positives_of(relevant.take(rows), batch_size, most)
        ids = padded(candidates.astype(np.int32), num_candidates, -1)
        own = padded(rows.astype(np.int32), batch_size, -1)
        return *arrays, ids, own, known

    fields = {
        **_named("query", queries.fields, batch_size),
        **_named("candidates", labels.fields, num_candidates),
        ("relevance",): (np.int8, shape),
    }
    if with_ids:
        fields[("candidate_ids",)] = (np.int32, (num_candidates,))
        fields[("rows",)] = (np.int32, (batch_size,))
        fields[("positives",)] = (np.int32, (batch_size, most))
    return _gathered(plan, gather, fields)


def full_label_batches(
    plan,
    queries,
    relevant,
    batch_size,
    seed=0,
    token_dropout=0.0,
    every_positive=True,
):
    """Batches for a loss over all labels: queries and what is right for them.

    Args:
        plan: See `training_batches`.
        queries: See `training_batches`.
        relevant: `LabelLists`; the labels of each query.
        batch_size: Queries of every batch; short ones are padded with queries
            without labels.
        seed: Of what is hidden and drawn, together with epoch and step.
        token_dropout: See `hide_tokens`.
        every_positive: Whether a query brings along all of its labels, or one
            that is drawn.

    Returns:
        Batches `{"query", "positives", "rows"}`, with the labels of each query,
        then -1: `[batch_size, most labels of a query]`, int32, or `[batch_size,
        1]`; and the number of its row, or -1: `[batch_size]`, int32.
    """
    most = most_labels(relevant) if every_positive else 1

    def gather(epoch, step, rows):
        rng = np.random.default_rng((seed, int(epoch), int(step)))
        query = queries.take(rows, batch_size)
        if token_dropout:
            query = hide_tokens(query, token_dropout, rng)
        own = relevant.take(rows)
        if not every_positive:
            own = one_of_each(own, rng)
        positives = positives_of(own, batch_size, most)
        numbers = padded(rows.astype(np.int32), batch_size, -1)
        return *query.values(), positives, numbers

    fields = {
        **_named("query", queries.fields, batch_size),
        ("positives",): (np.int32, (batch_size, most)),
        ("rows",): (np.int32, (batch_size,)),
    }
    return _gathered(plan, gather, fields)


def most_labels(relevant):
    """Labels of the query that has most."""
    return int(relevant.row_counts().max(initial=1))


def one_of_each(lists, rng):
    """`LabelLists` with one label of each row, drawn; no row is empty."""
    ids = lists.ids[drawn_entries(lists, rng)]
    return LabelLists(ids, np.arange(len(ids) + 1), lists.num_columns)


def drawn_entries(lists, rng):
    """Where in `lists.ids` the label that is drawn of each row stands."""
    drawn = rng.random(len(lists)) * lists.row_counts()
    return drawn.astype(np.int64) + lists.splits[:-1]


def positives_of(lists, batch_size, most):
    """The labels of each query, then -1: `[batch_size, most]`, int32."""
    row = np.repeat(np.arange(len(lists)), lists.row_counts())
    positives = np.full((batch_size, most), -1, np.int32)
    positives[row, np.arange(len(row)) - lists.splits[row]] = lists.ids
    return positives


def hide_tokens(bags, share, rng):
    """Gives a random share of the tokens weight 0.

    An encoder that has to do without some of the words learns from all of
    them, and learns less by heart.

    Args:
        bags: `{"ids": [b, n] int, "weights": [b, n] float}`.
        share: From 0 to below 1.
        rng: `numpy.random.Generator`.

    Returns:
        Bags of the same shapes and types.

    Example:

    >>> bags = {"ids": np.ones((2, 50), int), "weights": np.ones((2, 50))}
    >>> rng = np.random.default_rng(0)
    >>> int(tfxc.data.hide_tokens(bags, 0.3, rng)["weights"].sum())
    75
    """
    weights = bags["weights"]
    kept = rng.random(weights.shape, np.float32) >= share
    return {**bags, "weights": np.where(kept, weights, weights.dtype.type(0))}


def _named(side, fields, size):
    """`{(side, name): (dtype, shape)}` of one side of a batch."""
    return {
        (side, name): (dtype, (size, *row_shape))
        for name, (dtype, row_shape) in fields.items()
    }


def _gathered(plan, gather, fields):
    """The batches of a plan, gathered by a function of numpy.

    Args:
        plan: See `training_batches`.
        gather: Function `(epoch, step, rows)`; returns one array per field.
        fields: `{path: (dtype, shape)}`; paths are keys of nested dictionaries.
    """

    def start():
        epoch, order = plan()
        splits = np.cumsum([0, *map(len, order)])
        rows = np.concatenate([np.empty(0, np.int64), *order])
        return np.int64(epoch), rows.astype(np.int64), splits

    def steps(_):
        # In the graph, so that each iteration keeps the plan it began with.
        epoch, rows, splits = tf.numpy_function(start, [], [tf.int64] * 3)
        count = tf.size(splits, tf.int64) - 1
        return tf.data.Dataset.range(count).map(
            lambda step: (epoch, step, rows[splits[step] : splits[step + 1]])
        )

    def tensors(*step):
        types = [dtype for dtype, _ in fields.values()]
        arrays = tf.numpy_function(gather, step, types, stateful=False)
        batch = {}
        for (path, (_, shape)), array in zip(
            fields.items(), arrays, strict=True
        ):
            inner = batch
            for name in path[:-1]:
                inner = inner.setdefault(name, {})
            inner[path[-1]] = tf.ensure_shape(array, shape)
        return batch

    batches = tf.data.Dataset.from_tensors(0).flat_map(steps)
    # One batch ahead of the training step; more threads would only wait for
    # each other, as the gathering is Python's.
    return batches.map(tensors, num_parallel_calls=1)
