"""Negatives that a training step draws among all labels, and encodes."""

import dataclasses
import typing

import tensorflow as tf

from tfxc.losses import sampled_softmax
from tfxc.negatives import relevance_of, shared_sample


class Draw(typing.NamedTuple):
    """What a step has drawn.

    Args:
        inputs: Nested tensors `[num, ...]`; what the label encoder reads.
        ids: `[num]`, int32.
        log_q: `[num]`, float32.
        relevance: `[q, num]`, int8: 0, or -1 for what is right for a query, or
            a candidate of the batch anyway.
    """

    inputs: typing.Any
    ids: typing.Any
    log_q: typing.Any
    relevance: typing.Any


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
        estimator: See `tfxc.losses.sampled_softmax`; with "hard_negatives"
            draws are further candidates of the model's loss, whatever it is.
        padding: What follows the tokens of a short label.
    """

    sampler: typing.Any
    labels: typing.Any
    num: int
    temperature: float = 1.0
    estimator: str = "sampled_softmax"
    padding: int = 0

    def __post_init__(self):
        # As tensors: arrays would become constants of the compiled step.
        labels = tf.nest.map_structure(tf.constant, self.labels)
        object.__setattr__(self, "labels", labels)

    def draw(self, queries, batch):
        """Draws for some of the queries: a `Draw`.

        Args:
            queries: `[q, d]`; the vectors of this step, without gradient.
            batch: With "positives" `[q, p]`, "rows" `[q]` and "candidate_ids"
                `[c]`, int, with -1 for none.
        """
        ids, log_q = shared_sample(
            self.sampler,
            queries,
            self.num,
            rows=batch["rows"],
        )
        inputs = tf.nest.map_structure(
            lambda rows: tf.gather(rows, ids), self.labels
        )
        known = tf.reduce_any(ids[:, None] == batch["candidate_ids"], axis=1)
        hits = relevance_of(ids, batch["positives"])
        relevance = tf.where(known, tf.constant(-1, tf.int8), hits)
        return Draw(inputs, ids, log_q, relevance)

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
            )
        )


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
