"""A small decision tree over the scores of a label."""

import dataclasses

import numpy as np

MAX_DEPTH = 7  # as NGAME's


@dataclasses.dataclass(frozen=True)
class ScoreTree:
    """How likely a label is relevant, given what several models say of it.

    The nodes of a scikit-learn tree as arrays, so that a SavedModel needs no
    scikit-learn. Features are numbered: 0 the encoder's score, 1 the
    classifier's, 2 the memory's, 3 the label's inverse propensity.

    Args:
        feature: `[nodes]`, int32; what a node asks for; -1 at leaves.
        threshold: `[nodes]`, float32; lower or equal goes left.
        children: `[nodes, 2]`, int32; leaves point at themselves.
        value: `[nodes]`, float32; share of relevant pairs.
        weights: `[L]`, float32; inverse propensity of each label.

    Call arguments:
        features: Three `[b, n]` arrays.
        ids: `[b, n]`, int; -1 for none.

    Returns:
        `[b, n]`, float32; between 0 and 1.
    """

    feature: np.ndarray
    threshold: np.ndarray
    children: np.ndarray
    value: np.ndarray
    weights: np.ndarray

    @classmethod
    def fit(cls, features, ids, relevant, weights, seed=0):
        """Fits a tree of depth 7.

        Args:
            features: Three `[b, n]` arrays.
            ids: `[b, n]`, int; -1 for none.
            relevant: `[b, n]`, bool.
            weights: `[L]`, float; inverse propensity of each label.
            seed: Breaks ties.
        """
        from sklearn.tree import DecisionTreeClassifier

        used = ids >= 0
        columns = [*features, weights[np.maximum(ids, 0)]]
        x = np.stack([column[used] for column in columns], axis=1)
        tree = DecisionTreeClassifier(
            max_depth=MAX_DEPTH, min_samples_leaf=50, random_state=seed
        )
        nodes = tree.fit(x.astype(np.float32), relevant[used]).tree_
        leaf = nodes.children_left < 0
        own = np.arange(nodes.node_count)
        children = np.stack([nodes.children_left, nodes.children_right], 1)
        shares = nodes.value[:, 0, :]  # [nodes, classes]
        value = shares[:, -1] / shares.sum(axis=1)
        if len(tree.classes_) == 1:
            value = np.full(len(own), float(tree.classes_[0]))
        return cls(
            np.where(leaf, -1, nodes.feature).astype(np.int32),
            nodes.threshold.astype(np.float32),
            np.where(leaf[:, None], own[:, None], children).astype(np.int32),
            value.astype(np.float32),
            np.asarray(weights, np.float32),
        )

    def __call__(self, features, ids):
        columns = [*features, self.weights[np.maximum(ids, 0)]]
        table = np.stack(columns, axis=-1).astype(np.float32)  # [b, n, 4]
        node = np.zeros(ids.shape, np.int32)
        for _ in range(MAX_DEPTH):
            asked = np.maximum(self.feature[node], 0)[..., None]
            seen = np.take_along_axis(table, asked, axis=-1)[..., 0]
            right = seen > self.threshold[node]
            node = self.children[node, right.astype(np.int32)]
        return self.value[node]
