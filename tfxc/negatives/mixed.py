"""Several samplers at once."""

import math

import keras
import numpy as np
from keras import ops

from tfxc.negatives.checks import check_finite, check_no_chain
from tfxc.negatives.sampler import Sampler


@keras.saving.register_keras_serializable(package="tfxc")
class MixedNegatives(Sampler):
    """Draws a fixed share from each of several samplers.

    Hard negatives alone let a model forget the easy ones. With n_i of n draws
    from Q_i, every draw counts as one from their mixture, whoever drew it:

    ```
    Q(y | x) = sum over i of (n_i / n) Q_i(y | x)
    ```

    which makes sums with weights 1 / (n Q) unbiased, with less variance than
    weights of each draw's own Q_i.

    Args:
        samplers: List of `Sampler` with `log_prob`, over the same labels, and
            without chains.
        shares: List of positive numbers; how many draws of each, up to a
            factor. Of `num` draws each gets the nearest whole number, and log_q
            of a draw is by these; `log_prob` by the shares.
        seed: Of which queries of a batch draw; each sampler has its own.

    Example:

    >>> uniform = tfxc.negatives.Uniform(3)
    >>> frequent = tfxc.negatives.Unigram([0, 0, 9], power=1, smoothing=0)
    >>> mixed = tfxc.negatives.MixedNegatives([uniform, frequent], [1, 1])
    >>> ids = np.arange(3)
    >>> np.exp(mixed.log_prob(np.zeros((1, 4)), ids)).round(3)
    array([[0.167, 0.167, 0.667]], dtype=float32)

    Reference:
        Veach and Guibas, 1995, the balance heuristic.
    """

    def __init__(self, samplers, shares, seed=0, **kwargs):
        sizes = {sampler.num_labels for sampler in samplers}
        if len(sizes) != 1 or len(samplers) != len(shares) or min(shares) <= 0:
            raise ValueError(
                "`samplers` must be over the same labels, each with a positive "
                f"share. Received: {sorted(sizes)} labels, shares={shares}"
            )
        for sampler in samplers:
            check_no_chain(sampler)
        super().__init__(*sizes, seed, **kwargs)
        self.samplers = list(samplers)
        self.shares = [float(share) for share in shares]

    @property
    def share(self):
        weights = np.array(self.shares) / sum(self.shares)
        return float(weights @ [sampler.share for sampler in self.samplers])

    def components(self, num):
        counts = self._counts(num)
        return [part for s, count in counts for part in s.components(count)]

    def _counts(self, num):
        """How many draws each of the samplers makes: `[(sampler, count)]`."""
        ends = np.cumsum(self.shares) * num / sum(self.shares)
        counts = np.diff(np.rint(ends).astype(int), prepend=0)
        if counts.min() < 1:
            raise ValueError(
                "`num` must leave a draw for each sampler. "
                f"Received: num={num}, shares={self.shares}"
            )
        return list(zip(self.samplers, counts.tolist(), strict=True))

    def sample(self, queries, num, seed=None, **batch):
        drawn = [
            sampler.sample(
                queries, count, None if seed is None else seed + place, **batch
            )[0]
            for place, (sampler, count) in enumerate(self._counts(num))
        ]
        ids = ops.concatenate(drawn, axis=1)
        weights = [count / num for _, count in self._counts(num)]
        return ids, self._log_mixture(queries, ids, weights, batch)

    def log_prob(self, queries, ids, **batch):
        weights = np.array(self.shares) / sum(self.shares)
        return self._log_mixture(queries, ids, weights, batch)

    def _log_mixture(self, queries, ids, weights, batch):
        parts = [
            sampler.log_prob(queries, ids, **batch) + math.log(weight)
            for sampler, weight in zip(self.samplers, weights, strict=True)
        ]
        return ops.logsumexp(ops.stack(parts), axis=0)

    def update(self, ids, vectors):
        """Gives fresh vectors to the caches among them."""
        for sampler in self.samplers:
            if hasattr(sampler, "update"):
                sampler.update(ids, vectors)

    def refresh(self, label_vectors):
        check_finite(label_vectors)  # before one is refreshed
        for sampler in self.samplers:
            sampler.refresh(label_vectors)

    def state(self):
        own = {"generator": ops.convert_to_numpy(self.generator.state)}
        return own | {
            f"{place}/{name}": array
            for place, sampler in enumerate(self.samplers)
            for name, array in sampler.state().items()
        }

    def restore(self, state):
        if "generator" not in state:
            raise ValueError(
                "`state` must be that of mixed negatives. "
                f"Received: {sorted(state)}"
            )
        self.generator.state.assign(state["generator"])
        for place, sampler in enumerate(self.samplers):
            start = f"{place}/"
            sampler.restore(
                {
                    name.removeprefix(start): array
                    for name, array in state.items()
                    if name.startswith(start)
                }
            )

    def get_config(self):
        config = super().get_config()
        del config["num_labels"]
        samplers = [
            keras.saving.serialize_keras_object(s) for s in self.samplers
        ]
        return {**config, "samplers": samplers, "shares": self.shares}

    @classmethod
    def from_config(cls, config):
        samplers = [
            keras.saving.deserialize_keras_object(s) for s in config["samplers"]
        ]
        return cls(**{**config, "samplers": samplers})
