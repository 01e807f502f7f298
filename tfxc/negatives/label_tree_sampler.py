"""Negatives by a tree that was fitted to tell the labels of queries."""

import keras
import numpy as np
from keras import ops

from tfxc.losses.softplus import softplus
from tfxc.negatives.checks import check_number, finite_chunks
from tfxc.negatives.label_tree import blank_tree, fit_label_tree
from tfxc.negatives.sampler import Sampler
from tfxc.negatives.whitening import whitening


@keras.saving.register_keras_serializable(package="tfxc")
class LabelTreeSampler(Sampler):
    """Draws labels that a small model of the data takes for right.

    A negative that the model knows to be wrong teaches nothing: its gradient is
    about as small as its probability. Draws that fool the model teach most, and
    a binary tree that was fitted once, to a few features of the queries, draws
    such in one step a level:

    ```
    Q(y | x) = product over the nodes v from the root to y of
               sigmoid(w_v . z + b_v), or 1 - that where the path goes left
    z        = (x - mean) A, whitened principal components of x
    ```

    Unlike samplers that follow the vectors of labels, it follows rows and their
    labels, and stays as it is while another model trains. Until it is
    fitted, it goes either way with the same probability.

    Args:
        num_labels: Number of labels L.
        num_features: Features f of a query.
        dim: Most components of z.
        regularizer: See `fit_label_tree`.
        max_rounds: See `fit_label_tree`.
        seed: See `Sampler`.

    Example:

    >>> rng = np.random.default_rng(0)
    >>> labels = rng.integers(0, 100, 5000)
    >>> x = rng.normal(size=(100, 8))[labels] + rng.normal(size=(5000, 8))
    >>> sampler = tfxc.negatives.LabelTreeSampler(100, 8).fit(x, labels)
    >>> log_q = sampler.log_prob(x, labels[:, None])
    >>> bool(np.mean(log_q) > np.log(1 / 100) + 1)
    True

    Reference:
        [Bamler and Mandt, 2020](https://arxiv.org/abs/2002.06298)
    """

    def __init__(
        self,
        num_labels,
        num_features,
        dim=16,
        regularizer=0.1,
        max_rounds=10,
        seed=0,
        **kwargs,
    ):
        super().__init__(num_labels, seed, **kwargs)
        check_number("num_features", num_features, 1)
        check_number("dim", dim, 1)
        check_number("max_rounds", max_rounds, 0)
        if not regularizer > 0:
            raise ValueError(
                f"`regularizer` must be positive. Received: {regularizer}"
            )
        self.num_features, self.dim = num_features, min(dim, num_features)
        self.regularizer, self.max_rounds = regularizer, max_rounds
        tree = blank_tree(num_labels, self.dim)
        self.depth = len(tree.biases).bit_length() - 1
        self.mean = self.variable("mean", np.zeros(num_features, np.float32))
        self.matrix = self.variable(
            "matrix", np.zeros((num_features, self.dim), np.float32)
        )
        self.node_weights = self.variable("node_weights", tree.weights)
        self.node_biases = self.variable("node_biases", tree.biases)
        self.positions = self.variable("positions", tree.positions)
        self.label_of = self.variable("label_of", label_of_leaf(tree))

    def fit(self, features, labels, row_weights=None):
        """Fits the tree to rows `[N, f]` and the label `[N]` of each.

        A row with several labels is several rows, with a weight each.

        Returns:
            The sampler.

        Raises:
            ValueError: if there is no row, a label is out of range, or a
                feature is not finite.
        """
        labels = np.asarray(labels)
        check_rows(features, labels, self.num_labels, self.num_features)
        mean, matrix = whitening(features, self.dim)
        codes = np.concatenate(
            [(rows - mean) @ matrix for _, rows in finite_chunks(features)]
        )
        tree = fit_label_tree(
            *(codes, labels, self.num_labels, row_weights),
            *(self.regularizer, self.max_rounds),
        )
        self.mean.assign(mean)
        self.matrix.assign(matrix)
        self.node_weights.assign(tree.weights)
        self.node_biases.assign(tree.biases)
        self.positions.assign(tree.positions)
        self.label_of.assign(label_of_leaf(tree))
        return self

    def sample(self, queries, num, seed=None, **batch):
        codes, shape = self.codes(queries), (queries.shape[0], num)
        shares = keras.random.uniform(
            (self.depth, *shape), seed=self.draws(seed)
        )
        node, log_q = ops.ones(shape, "int32"), ops.zeros(shape)
        for level in range(self.depth):
            score = self._scores(codes, node)
            # Shares are never 1, so that what has no probability is not drawn.
            right = shares[level] > ops.sigmoid(-score)
            log_q = log_q - softplus(ops.where(right, -score, score))
            node = 2 * node + ops.cast(right, "int32")
        return ops.take(self.label_of, node - 2**self.depth), log_q

    def log_prob(self, queries, ids, **batch):
        codes = self.codes(queries)
        leaf = ops.take(self.positions, ids) + 2**self.depth
        log_q = ops.zeros((queries.shape[0], ids.shape[-1]))
        for level in range(self.depth):
            child = leaf // 2 ** (self.depth - level - 1)
            score = self._scores(codes, child // 2)
            log_q = log_q - softplus(ops.where(child % 2 == 1, -score, score))
        return log_q

    def log_probs(self, queries, **batch):
        # By one product of matrices for a level.
        codes = self.codes(queries)
        total = ops.zeros((queries.shape[0], 1))
        for level in range(self.depth):
            nodes = slice(2**level, 2 ** (level + 1))
            score = ops.matmul(codes, ops.transpose(self.node_weights[nodes]))
            score = score + self.node_biases[nodes]
            sides = [-softplus(score), -softplus(-score)]
            total = total[:, :, None] + ops.stack(sides, axis=-1)
            total = ops.reshape(total, (queries.shape[0], 2 ** (level + 1)))
        return ops.take(total, self.positions, axis=1)

    def law(self, queries, **batch):
        return np.float64(ops.convert_to_numpy(self.log_probs(queries)))

    def likeliest(self, queries, num):
        """The likeliest labels, by a beam search of that width.

        Returns:
            `(log_q [b, num] float32, ids [b, num] int32)`, the likeliest first.
            A label is missed where a node on its path is not among the
            likeliest of its level.
        """
        codes = self.codes(queries)
        nodes = ops.ones((queries.shape[0], 1), "int32")
        log_q = ops.zeros((queries.shape[0], 1))
        for _ in range(self.depth):
            score = self._scores(codes, nodes)
            sides = [-softplus(score), -softplus(-score)]
            log_q = ops.concatenate([log_q + side for side in sides], axis=1)
            nodes = ops.concatenate([2 * nodes, 2 * nodes + 1], axis=1)
            log_q, place = ops.top_k(log_q, min(num, log_q.shape[1]))
            nodes = ops.take_along_axis(nodes, place, axis=1)
        leaf = nodes - 2**self.depth
        ids = ops.take(self.label_of, leaf)
        padding = ops.not_equal(ops.take(self.positions, ids), leaf)
        log_q, place = ops.top_k(
            ops.where(padding, -float("inf"), log_q), min(num, leaf.shape[1])
        )
        return log_q, ops.take_along_axis(ids, place, axis=1)

    def codes(self, queries):
        """What the tree sees of queries: `[b, dim]`, float32."""
        queries = ops.cast(queries, "float32")
        return ops.matmul(queries - self.mean, self.matrix)

    def _scores(self, codes, node):
        """w . z + b of nodes `[b, n]`, or `[n]` for all queries: `[b, n]`."""
        weights = ops.take(self.node_weights, node, axis=0)
        if len(node.shape) == 1:
            products = ops.matmul(codes, ops.transpose(weights))
        else:  # one loop with the gather, and no matrix for each query
            products = ops.sum(codes[:, None] * weights, axis=-1)
        return products + ops.take(self.node_biases, node)

    def get_config(self):
        return {
            **super().get_config(),
            "num_features": self.num_features,
            "dim": self.dim,
            "regularizer": self.regularizer,
            "max_rounds": self.max_rounds,
        }


def label_of_leaf(tree):
    """The label of each leaf, or of the one before it: `[leaves]`, int32."""
    order = np.argsort(tree.positions).astype(np.int32)
    leaves = np.arange(len(tree.biases))
    found = np.searchsorted(tree.positions[order], leaves, side="right")
    return order[found - 1]


def check_rows(features, labels, num_labels, num_features):
    """Raises `ValueError` unless rows and labels go with the sampler."""
    expected = (len(labels), num_features)
    if not len(labels) or tuple(features.shape) != expected:
        raise ValueError(
            f"`features` must be [N, {num_features}], N at least 1, and "
            "`labels` [N]. "
            f"Received: {tuple(features.shape)} and {labels.shape}"
        )
    wrong = np.flatnonzero((labels < 0) | (labels >= num_labels))
    if len(wrong):
        raise ValueError(
            f"`labels` must be in [0, {num_labels - 1}]. "
            f"Received: {labels[wrong[0]]} in row {wrong[0]}"
        )
