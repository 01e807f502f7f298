"""The candidates of a batch, as a sample of all labels."""

import dataclasses
import math
import typing

import numpy as np
import tensorflow as tf

from tfxc.encoders.drawn_negatives import Draw
from tfxc.losses import sampled_softmax


@dataclasses.dataclass(frozen=True, eq=False)
class InBatchNegatives:
    """Candidates of a batch that stand for all labels.

    What other queries bring along costs nothing; but frequent labels are in
    most batches, and a model that meets them more than others ranks them too
    low. So a candidate weighs one over the probability that a batch holds it:

    ```
    Z = sum over candidates n that are no positives of e^s_n / probability_n
    ```

    In a short batch, which labels at random fill, candidates weigh 1.

    Args:
        probability: `[L]`, float, in (0, 1]; see
            `tfxc.negatives.candidate_probability`.
        temperature: Divides the scores.

    Raises:
        ValueError: if a probability is out of range.

    References:
        - [Yi et al., 2019](https://doi.org/10.1145/3298689.3346996)
        - Horvitz and Thompson, 1952
    """

    probability: typing.Any
    temperature: float = 1.0
    sampler = None
    estimator = "sampled_softmax"

    def __post_init__(self):
        least, most = np.min(self.probability), np.max(self.probability)
        if not 0 < least <= most <= 1:
            raise ValueError(
                "`probability` must be in (0, 1], as any label may be a "
                f"candidate. Received: {least} to {most}"
            )
        log_p = tf.math.log(tf.cast(self.probability, tf.float32))
        object.__setattr__(self, "log_p", log_p)

    def draw(self, queries, batch):
        """The candidates as a `Draw` without inputs.

        Args:
            queries: Ignored.
            batch: With "candidate_ids" `[c]` and "rows" `[q]`, int, -1 for
                none, and "relevance" `[q, c]`.
        """
        ids = batch["candidate_ids"]
        whole = tf.reduce_all(batch["rows"] >= 0)
        log_p = tf.gather(self.log_p, tf.maximum(ids, 0))
        log_p = tf.where(whole, log_p, 0.0)
        relevance = tf.where(batch["relevance"] == 0, 0, -1)
        return Draw(None, ids, log_p - math.log(ids.shape[0]), relevance)

    def loss(self, relevance, scores, draw):
        """The mean loss of the queries.

        Args:
            relevance: `[q, c]`; of the candidates.
            scores: `[q, c]`.
            draw: `Draw`.
        """
        positives = tf.where(relevance == 1, 1, -1)
        return tf.reduce_mean(
            sampled_softmax(
                *(positives, scores, draw.relevance, scores, draw.log_q),
                self.temperature,
            )
        )
