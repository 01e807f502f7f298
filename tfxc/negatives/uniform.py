"""All labels, equally likely."""

import math

import keras
from keras import ops

from tfxc.negatives.sampler import Sampler


@keras.saving.register_keras_serializable(package="tfxc")
class Uniform(Sampler):
    """Draws all labels with equal probability, with replacement.

    Args:
        num_labels: See `Sampler`.
        seed: See `Sampler`.

    Example:

    >>> sampler = tfxc.negatives.Uniform(num_labels=1000)
    >>> ids, log_q, relevance = sampler(np.zeros((2, 8)), num=5)
    >>> ids.shape, round(float(log_q[0, 0]), 3)
    (TensorShape([2, 5]), -6.908)
    """

    def sample(self, queries, num, seed=None, **batch):
        shape = (queries.shape[0], num)
        ids = keras.random.randint(
            shape, 0, self.num_labels, "int32", self.draws(seed)
        )
        return ids, ops.full(shape, -math.log(self.num_labels), "float32")

    def log_prob(self, queries, ids, **batch):
        shape = (queries.shape[0], ids.shape[-1])
        return ops.full(shape, -math.log(self.num_labels), "float32")
