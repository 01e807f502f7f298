"""Negatives that a training step draws among all labels, and encodes."""

import dataclasses
import typing

import tensorflow as tf

from tfxc.losses import sampled_softmax
from tfxc.negatives import Excluded, excluded_share, shared_sample
from tfxc.negatives.checks import check_near_softmax

ESTIMATORS = ("sampled_softmax", "self_normalized", "hard_negatives")
EPSILON = 1e-6  # to which float32 knows what is left of 1


class Draw(typing.NamedTuple):
    """What a step has drawn.

    Args:
        inputs: Nested tensors `[num, ...]`; what the label encoder reads;
            `None` if all draws are candidates, whose vectors are known.
        ids: `[num]`, int32.
        log_q: `[num]`, float32.
        relevance: `[q, num]`, int8: 0, or -1 for what is right for a query, or
            a candidate of the batch anyway.
        log_odds: `[q]`, float32; see `tfxc.losses.sampled_softmax`, `None`
            where its estimator asks for none.
    """

    inputs: typing.Any
    ids: typing.Any
    log_q: typing.Any
    relevance: typing.Any
    log_odds: typing.Any = None


@dataclasses.dataclass(frozen=True, eq=False)
class DrawnNegatives:
    """Negatives that a training step draws among all labels, and encodes.

    Candidates of a batch are the labels that its queries brought along. Labels
    that a sampler draws join them, after a look at the query vectors of this
    very step, and share the cost of encoding: they are negatives of all queries
    of the batch.

    Args:
        sampler: `tfxc.negatives.Sampler` with `log_prob`. Not `InBatch`: what
            it draws among are candidates anyway.
        labels: Nested arrays `[L, ...]`; what the label encoder reads of every
            label, of the same fields as the candidates of a batch.
        num: Labels drawn for a batch.
        temperature: Divides the scores.
        estimator: One of `ESTIMATORS`, see `tfxc.losses.sampled_softmax`; the
            others ask each query for draws of its own. With "hard_negatives"
            draws are further candidates of the model's loss, whatever it is.
            "self_normalized" needs a sampler of the softmax at the same
            temperature, which it is near to; at inverse temperature 0, in a
            warm-up, the estimate is "sampled_softmax".
        padding: What follows the tokens of a short label.
        tries: See `shared_sample`; with 1 a query may draw its own positives.

    Raises:
        ValueError: if the estimator is none of these, or its law is not near
            the softmax.
    """

    sampler: typing.Any
    labels: typing.Any
    num: int
    temperature: float = 1.0
    estimator: str = "sampled_softmax"
    padding: int = 0
    tries: int = 8

    def __post_init__(self):
        if self.estimator not in ESTIMATORS:
            raise ValueError(
                f"`estimator` must be one of {ESTIMATORS}, as queries share "
                f"their draws. Received: {self.estimator!r}"
            )
        if self.estimator == "self_normalized":
            check_near_softmax(self.sampler, self.temperature)
        # As tensors: arrays would become constants of the compiled step.
        labels = tf.nest.map_structure(tf.constant, self.labels)
        object.__setattr__(self, "labels", labels)

    def draw(self, queries, batch):
        """Draws for some of the queries: a `Draw`.

        Args:
            queries: `[q, d]`; the vectors of this step, without gradient.
            batch: With "positives" `[q, p]`, "rows" `[q]` and "candidate_ids"
                `[c]`, int, with -1 for none, and "relevance" `[q, c]`.
        """
        excluded = Excluded(batch["positives"], batch["candidate_ids"])
        ids, log_q = shared_sample(
            self.sampler,
            queries,
            self.num,
            excluded=excluded,
            tries=self.tries,
            rows=batch["rows"],
        )
        inputs = tf.nest.map_structure(
            lambda rows: tf.gather(rows, ids), self.labels
        )
        relevance = -tf.cast(excluded.among(ids), tf.int8)
        odds = None
        if self.estimator == "self_normalized":
            odds = log_odds(self.sampler, queries, excluded, batch)
        return Draw(inputs, ids, log_q, relevance, odds)

    def loss(self, relevance, scores, draw):
        """The mean loss of the queries.

        Args:
            relevance: `[q, c]`; of the candidates.
            scores: `[q, c + num]`; those of the draws last.
            draw: `Draw`.
        """
        candidates = relevance.shape[1]
        return tf.reduce_mean(
            sampled_softmax(
                relevance,
                scores[:, :candidates],
                draw.relevance,
                scores[:, candidates:],
                draw.log_q,
                self.temperature,
                self.estimator,
                draw.log_odds,
            )
        )


def log_odds(sampler, queries, excluded, batch):
    """Log of Q(labels that are not excluded) / Q(candidates): `[q]`.

    Candidates that are ignored do not count. Infinite where none does, and at
    inverse temperature 0, at which the law does not look at the query.

    Args:
        sampler: `Sampler` with `log_prob` and `inverse_temperature`.
        queries: `[q, d]`.
        excluded: `Excluded`.
        batch: See `DrawnNegatives.draw`.
    """
    rows = batch["rows"]
    others = 1.0 - excluded_share(sampler, queries, excluded, rows=rows)
    ids = tf.maximum(batch["candidate_ids"], 0)
    log_q = sampler.log_prob(queries, ids, rows=rows)  # [q, c]
    counts = batch["relevance"] >= 0
    candidates = tf.where(counts, log_q, -float("inf"))
    odds = tf.math.log(tf.maximum(others, EPSILON))
    odds -= tf.reduce_logsumexp(candidates, axis=1)
    follows = sampler.inverse_temperature > 0
    return tf.where(follows, odds, tf.constant(float("inf")))


def joined(candidates, drawn, padding=0):
    """Rows of candidates, then of draws; shorter ones are padded: `[c + n, w]`.

    Widths may be known no sooner than a step is compiled, see
    `tfxc.data.Sequences`.

    Args:
        candidates: `[c, w]`.
        drawn: `[n, w']`.
        padding: What shorter rows end with.
    """
    drawn = tf.cast(drawn, candidates.dtype)
    widths = [tf.shape(rows)[1] for rows in (candidates, drawn)]
    width = tf.maximum(*widths)
    parts = [
        tf.pad(rows, [[0, 0], [0, width - own]], constant_values=padding)
        for rows, own in zip((candidates, drawn), widths, strict=True)
    ]
    return tf.concat(parts, axis=0)
