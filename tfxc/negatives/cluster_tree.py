"""Negatives by the model's own softmax, with the help of a tree of clusters."""

import math

import keras
import numpy as np
from keras import ops

from tfxc.negatives.categorical import categorical
from tfxc.negatives.chains import chain_law, end_of_chains
from tfxc.negatives.checks import (
    check_finite,
    check_finite_number,
    check_number,
    check_shape,
)
from tfxc.negatives.nested_partition import (
    NestedPartition,
    balanced_partition,
)
from tfxc.negatives.partition_law import label_scores
from tfxc.negatives.query_partition import query_partition
from tfxc.negatives.sampler import (
    Sampler,
    all_log_probs,
    fill,
    made_of_vectors,
)
from tfxc.negatives.scores import exact_scores, num_levels
from tfxc.negatives.tree_arrays import tree_arrays


class ClusterTreeSampler(Sampler):
    """Draws labels nearly as often as a softmax over all labels would.

    The best negatives are those that the model itself finds likely. To draw
    from `P(y | x) = e^(beta x . y) / Z` takes the score of every label; but
    labels far from the query matter little, and a whole cluster of them can
    stand for its mean. Near the query the tree is opened, level by level. The
    labels of opened leaves are scored by sketches, where they are beside the
    mean of their leaf in the few directions in which labels differ most; and
    the best of these exactly:

    ```
    Q(y | x)  ~  e^(beta x . y)              y among the best by their sketches
                 e^(beta x . (mean + V z_y)) where the leaf of y was opened
                 e^(beta x . mean C)         else, C the largest group with y
                                             in it that was not opened
    ```

    A draw takes a group by its weight |C| e^(beta x . mean C), then one of its
    labels at random, which is one gather: in depth-first order a group is a
    range. Each level costs as many scores, so the cost grows with the logarithm
    of the number of labels. The tree begins with the last level of no more
    groups than one level is opened to.

    With `steps`, a Metropolis-Hastings chain of that length corrects what is
    left: it replaces y by a new draw y' with probability
    `min(1, P(y') Q(y) / (P(y) Q(y')))`. log_q is then P, as far as it is
    known: with Z as the draws estimate it.

    Args:
        label_vectors: `[L, d]`, float; unit vectors, or codes of them. May be
            memory-mapped; the sampler holds a copy in half precision.
        inverse_temperature: beta; a variable, at 0 of which draws are uniform.
        opened: Groups of each level that are opened.
        branching: Groups that a group falls into; a power of two.
        leaf_size: Most labels of a leaf.
        sketch: Directions of the sketches.
        exact: Labels of opened leaves that are scored exactly.
        steps: Length of the chain.
        projection: `[d, d']`, float; what turns query vectors into codes, see
            `Nystrom`; `None` where labels are no codes.
        seed: See `Sampler`; of the tree, too.

    Example:

    >>> labels = np.random.default_rng(0).normal(size=(5000, 16))
    >>> labels /= np.linalg.norm(labels, axis=1, keepdims=True)
    >>> sampler = tfxc.negatives.ClusterTreeSampler(labels)
    >>> ids, log_q, relevance = sampler(labels[:2].astype("float32"), num=8)
    >>> ids.shape
    TensorShape([2, 8])

    Reference:
        [Monath et al., 2023](https://proceedings.mlr.press/v206/monath23a.html)
    """

    near_softmax = True

    def __init__(
        self,
        label_vectors,
        inverse_temperature=20.0,
        opened=96,
        branching=64,
        leaf_size=64,
        sketch=32,
        exact=384,
        steps=0,
        projection=None,
        seed=0,
        **kwargs,
    ):
        super().__init__(len(label_vectors), seed, **kwargs)
        self.dim = label_vectors.shape[1]
        check_number("opened", opened, 1)
        check_number("sketch", sketch, 1)
        check_number("exact", exact, 1)
        check_number("steps", steps, 0)
        check_finite_number("inverse_temperature", inverse_temperature)
        self.inverse_temperature = self.variable(
            "inverse_temperature", np.float32(inverse_temperature)
        )
        self.num_opened, self.num_exact, self.steps = opened, exact, steps
        self.branching, self.leaf_size = branching, leaf_size
        self.num_directions = min(sketch, self.dim)
        self.projection = None
        if projection is not None:
            self._check_projection(projection)
            self.projection = self.variable("projection", projection)
        arrays = self._arrays(self._clustered(label_vectors), label_vectors)
        self.parts = {n: self.variable(n, a) for n, a in arrays.items()}

    def _check_projection(self, projection, like=True):
        shape = np.shape(projection)
        if like is None or len(shape) != 2 or shape[1] != self.dim:
            raise ValueError(
                f"`projection` must be [d, {self.dim}], and given from the "
                f"beginning. Received: {shape}"
            )

    def _clustered(self, label_vectors):
        """A new `NestedPartition`, from the first level that is needed."""
        tree = balanced_partition(
            label_vectors, self.branching, self.leaf_size, self.seed
        )
        # Scoring all groups of a level costs no more than opening the last.
        most = self.num_opened * self.branching
        while len(tree.levels) > 1 and len(tree.levels[1]) - 1 <= most:
            tree = NestedPartition(tree.order, tree.levels[1:])
        return tree

    def _arrays(self, tree, label_vectors):
        return tree_arrays(tree, label_vectors, self.num_directions)

    @property
    def tree(self):
        """The `NestedPartition` of the labels."""
        levels = [
            ops.convert_to_numpy(self.parts[f"splits_{level}"]).astype(np.int64)
            for level in range(num_levels(self.parts))
        ]
        order = ops.convert_to_numpy(self.parts["order"])
        return NestedPartition(order, levels)

    def refresh(self, label_vectors, projection=None, rebuild=True):
        """Takes over new vectors; with `rebuild`, clusters them anew.

        Without, labels stay in their groups, whose means and radii are those
        of the new vectors. Either way the old state stays if a vector is not
        finite.

        Raises:
            ValueError: if a vector is not finite, or the shape is another.
        """
        check_shape(label_vectors, (self.num_labels, self.dim))
        if projection is not None:
            self._check_projection(projection, self.projection)
        if rebuild:
            tree = self._clustered(label_vectors)
        else:
            check_finite(label_vectors)
            tree = self.tree
        for name, array in self._arrays(tree, label_vectors).items():
            fill(self.parts[name], array)
        if projection is not None:
            self.projection.assign(projection)

    def sample(self, queries, num, seed=None, **batch):
        found = self.partition(queries)
        count = num * (self.steps + 1)
        picks = categorical(found.logits, count, self.draws(seed))
        start, size, logit = (
            ops.take_along_axis(part, picks, axis=1)
            for part in (found.starts, found.sizes, found.logits)
        )
        share = keras.random.uniform(ops.shape(picks), seed=self.draws(seed, 1))
        wide = ops.cast(size, "float32")
        inside = ops.minimum(ops.cast(share * wide, "int32"), size - 1)
        place = start + inside
        log_q = logit - ops.log(wide) - found.log_z
        ids = ops.take(self.parts["order"], place)
        if not self.steps:
            return ids, log_q
        score = exact_scores(self.parts, self._scaled(queries), place)
        coins = keras.random.uniform(ops.shape(picks), seed=self.draws(seed, 2))
        return end_of_chains(ids, score, log_q, coins, num)

    def log_prob(self, queries, ids, **batch):
        """See `Sampler`; with `steps`, not the law but what draws tend to: P,
        with the Z of the partition.
        """
        if not self.steps:
            return self._log_proposal(queries, ids)
        place = ops.take(self.parts["place"], ids)  # [n] or [b, n]
        score = exact_scores(self.parts, self._scaled(queries), place)
        return score - self.partition(queries).log_z

    def _log_proposal(self, queries, ids, **batch):
        """The log-probability of drawing labels from the partition."""
        place = ops.take(self.parts["place"], ids)  # [n] or [b, n]
        scaled, found = self._scaled(queries), self.partition(queries)
        return label_scores(self.parts, scaled, found, place) - found.log_z

    def law(self, queries, **batch):
        if not self.steps:
            return super().law(queries)
        target = super().law(queries)
        return chain_law(target, self.proposals(queries), self.steps)

    def proposals(self, queries):
        """As `law`, of what a chain proposes: without `steps` the same."""
        return all_log_probs(self._log_proposal, queries, self.num_labels)

    def partition(self, queries):
        """The groups that the labels fall into for each query: `Partition`."""
        return query_partition(
            *(self.parts, self._scaled(queries)),
            *(self.num_opened, self.num_exact),
        )

    def products_per_query(self):
        """How many products of vectors a partition takes, of full length."""
        means = self.parts["means_0"].shape[0]
        blocks = [
            self.parts[f"means_{level}"].shape[2]
            for level in range(1, num_levels(self.parts))
        ]
        leaves, _, width = self.parts["sketches"].shape
        opened = min(self.num_opened, leaves)
        if opened * width <= self.num_exact:
            return means + opened * (sum(blocks) + width)
        share = self.num_directions / self.dim
        of_sketches = self.num_directions + share * opened * width
        return means + opened * sum(blocks) + of_sketches + self.num_exact

    def bound(self, queries):
        """An upper bound on `max over y of log P(y | x) - log Q(y | x)`: `[b]`.

        With |x . (y - mean)| <= |x| r for every y of a group of radius r, see
        `NestedPartition.summaries`. Z is at least what groups weigh by their
        means, as the exponential is convex, and what labels weigh, less the
        slack of those scored by sketches. P is the softmax of the vectors or
        codes that the sampler holds; with `steps`, Q is the law of proposals.
        """
        found = self.partition(queries)
        norm = ops.sqrt(ops.sum(ops.square(self._scaled(queries)), axis=1))
        slack = norm[:, None] * found.slack
        used = ops.isfinite(found.logits)
        by_sketch = ops.where(found.sizes == 1, slack, 0.0)
        low = ops.where(used, found.logits - by_sketch, -math.inf)
        widest = ops.max(ops.where(used, slack, 0.0), axis=1)
        return widest + found.log_z[:, 0] - ops.logsumexp(low, axis=1)

    def get_config(self):
        raise made_of_vectors(self)

    def _scaled(self, queries):
        queries = ops.cast(queries, "float32")
        if self.projection is not None:
            queries = ops.matmul(queries, self.projection)
        return queries * self.inverse_temperature
