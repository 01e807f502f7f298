"""Negatives by the model's own softmax, with the help of a tree of clusters."""

import math
from typing import NamedTuple

import keras
import numpy as np
from keras import ops

from tfxc.negatives.nested_partition import (
    NestedPartition,
    balanced_partition,
)
from tfxc.negatives.sampler import Sampler, categorical, fill

INFINITY = float("inf")
ROWS = 65_536  # labels that are read at once


class Partition(NamedTuple):
    """Groups that together hold every label once, for each query.

    Args:
        logits: `[b, groups]`, float32; log of what a group weighs, -inf for one
            that was opened.
        starts: `[b, groups]`, int32; place of its first label.
        sizes: `[b, groups]`, int32.
        radii: `[b, groups]`, float32; 0 for single labels.
        log_z: `[b, 1]`, float32; log of the sum of all weights.
        opened: For each level, the groups that were opened: `[b, m]`, int32.
    """

    logits: object
    starts: object
    sizes: object
    radii: object
    log_z: object
    opened: list


def index_arrays(tree, label_vectors):
    """What the sampler keeps of a `NestedPartition` and the vectors.

    What is read together stands together: the means of the children of a group
    are one block, and so are the labels of a leaf.
    """
    arrays = {
        "order": tree.order,
        "place": tree.place_of(),
        "codes": Leaves(label_vectors, tree),
    }
    summaries = tree.summaries(label_vectors)
    for level, splits in enumerate(tree.levels):
        means, radii = summaries[level]
        arrays[f"radii_{level}"] = radii
        arrays[f"splits_{level}"] = splits.astype(np.int32)
        if level:
            children = tree.children(level - 1)
            arrays[f"children_{level - 1}"] = children.astype(np.int32)
            means = means[inside(children)]  # [parents, most children, d]
        arrays[f"means_{level}"] = means
    return arrays


def inside(splits):
    """What is in each range, `[ranges, longest]`; short ones repeat their last.

    Example: the ranges 0..1 and 2..4.

    >>> inside(np.array([0, 2, 5]))
    array([[0, 1, 1],
           [2, 3, 4]])
    """
    longest = np.diff(splits).max()
    return np.minimum(
        splits[:-1, None] + np.arange(longest), splits[1:, None] - 1
    )


class Leaves:
    """Label vectors leaf by leaf, in half precision, read when asked for.

    Args:
        label_vectors: `[L, d]`, float; may be memory-mapped.
        tree: `NestedPartition`.
    """

    def __init__(self, label_vectors, tree):
        self.label_vectors = label_vectors
        self.tree = tree
        splits = tree.levels[-1]
        most = int(np.diff(splits).max())
        self.shape = (len(splits) - 1, most, label_vectors.shape[1])
        self.dtype = np.dtype(np.float16)
        self.nbytes = 2 * math.prod(self.shape)

    def __getitem__(self, leaves):
        """The vectors of a slice of leaves: `[n, most, d]`."""
        start, stop, _ = leaves.indices(self.shape[0])
        places = inside(self.tree.levels[-1][start : stop + 1])
        missing = self.shape[1] - places.shape[1]
        places = np.pad(places, ((0, 0), (0, missing)), "edge")
        labels = self.tree.order[places]
        return self.label_vectors[labels].astype(np.float16)


class ClusterTreeSampler(Sampler):
    """Draws labels nearly as often as a softmax over all labels would.

    The best negatives are those that the model itself finds likely. To draw
    from `P(y | x) = e^(beta x . y) / Z` takes the score of every label; but
    labels far from the query matter little, and a whole cluster of them can
    stand for its mean. Near the query the tree is opened, level by level, and
    the labels of the nearest leaves are scored exactly:

    ```
    Q(y | x)  ~  e^(beta x . y)       where the leaf of y was opened
                 e^(beta x . mean C)  else, C the largest group with y in it
                                      that was not opened
    ```

    A draw takes a group by its weight |C| e^(beta x . mean C), then one of its
    labels at random, which is one gather: in depth-first order a group is a
    range. Each level costs as many scores, so the cost grows with the logarithm
    of the number of labels.

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

    def __init__(
        self,
        label_vectors,
        inverse_temperature=20.0,
        opened=8,
        branching=64,
        leaf_size=64,
        steps=0,
        projection=None,
        seed=0,
        **kwargs,
    ):
        super().__init__(len(label_vectors), seed, **kwargs)
        self.inverse_temperature = self.variable(
            "inverse_temperature", np.float32(inverse_temperature)
        )
        self.settings = {
            "opened": opened,
            "branching": branching,
            "leaf_size": leaf_size,
            "steps": steps,
        }
        self.dim = label_vectors.shape[1]
        self.projection = None
        if projection is not None:
            self.projection = self.variable("projection", projection)
        self.closed_form = not steps
        tree = balanced_partition(label_vectors, branching, leaf_size, seed)
        arrays = index_arrays(tree, label_vectors)
        self.parts = {n: self.variable(n, a) for n, a in arrays.items()}
        # Most children of a group of each level; of the last, most labels.
        self.widths = [
            int(np.diff(arrays[f"children_{level}"]).max())
            for level in range(len(tree.levels) - 1)
        ]
        self.widths.append(int(np.diff(tree.levels[-1]).max()))

    @property
    def tree(self):
        """The `NestedPartition` of the labels."""
        levels = [
            ops.convert_to_numpy(self.parts[f"splits_{level}"]).astype(np.int64)
            for level in range(len(self.widths))
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
        if label_vectors.shape != (self.num_labels, self.dim):
            raise ValueError(
                f"`label_vectors` must be [{self.num_labels}, {self.dim}]. "
                f"Received: {label_vectors.shape}"
            )
        settings = self.settings
        tree = self.tree
        if rebuild:
            tree = balanced_partition(
                label_vectors,
                settings["branching"],
                settings["leaf_size"],
                self.seed,
            )
        elif not all(
            np.isfinite(label_vectors[start : start + ROWS]).all()
            for start in range(0, self.num_labels, ROWS)
        ):
            raise ValueError(
                "label vectors must be finite. Received: NaN or infinity"
            )
        for name, array in index_arrays(tree, label_vectors).items():
            fill(self.parts[name], array)
        if projection is not None:
            self.projection.assign(projection)

    def sample(self, queries, num, seed=None, **batch):
        steps = self.settings["steps"]
        found = self.partition(queries)
        picks = categorical(found.logits, num * (steps + 1), self.draws(seed))
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
        if not steps:
            return ids, log_q
        return self._corrected(queries, ids, place, log_q, num, seed)

    def _corrected(self, queries, ids, place, log_q, num, seed):
        """Runs the chains: see the class."""
        shape = (queries.shape[0], self.settings["steps"] + 1, num)
        score = products(self._scaled(queries), self._codes(place))
        log_z = ops.logsumexp(score - log_q, axis=1, keepdims=True) - math.log(
            shape[1] * num
        )
        ids, score, log_q = (
            ops.reshape(part, shape) for part in (ids, score, log_q)
        )
        coins = keras.random.uniform(shape, seed=self.draws(seed, 2))
        state = ids[:, 0], score[:, 0], log_q[:, 0]
        for step in range(1, shape[1]):
            new = ids[:, step], score[:, step], log_q[:, step]
            ahead = new[1] - new[2] - state[1] + state[2]
            accepted = ops.log(coins[:, step]) < ahead
            state = [
                ops.where(accepted, n, old)
                for n, old in zip(new, state, strict=True)
            ]
        return state[0], state[1] - log_z

    def log_prob(self, queries, ids, **batch):
        """See `Sampler`; with `steps`, not the law but what draws tend to: P,
        with the Z of the partition.
        """
        place = ops.take(self.parts["place"], ids)  # [n] or [b, n]
        scaled = self._scaled(queries)
        found = self.partition(queries)
        score = products(scaled, self._codes(place))
        if self.settings["steps"]:
            return score - found.log_z
        for level in reversed(range(len(self.widths))):
            group = self._group(place, level)
            of_mean = products(scaled, self._means(group, place, level))
            opened = found.opened[level][:, :, None]  # [b, m, 1]
            group = group if len(group.shape) == 1 else group[:, None]
            is_open = ops.any(opened == group, axis=1)
            score = ops.where(is_open, score, of_mean)
        return score - found.log_z

    def partition(self, queries):
        """The groups that the labels fall into for each query: `Partition`."""
        scaled, rows = self._scaled(queries), queries.shape[0]
        logits, starts, sizes, slack, opened = [], [], [], [], []
        groups, valid, chosen = None, None, None
        for level, width in enumerate(self.widths):
            means = self.parts[f"means_{level}"]
            if chosen is None:
                groups = ops.arange(means.shape[0], dtype="int32")
                groups = ops.broadcast_to(groups, (rows, means.shape[0]))
                score = ops.matmul(scaled, ops.transpose(means))
            else:
                score = ops.where(
                    valid, block_scores(scaled, means, chosen), -INFINITY
                )
            count = min(self.settings["opened"], score.shape[1])
            top = ops.top_k(score, count)[1]  # [b, m]
            places = ops.arange(score.shape[1], dtype="int32")
            is_open = ops.any(top[:, :, None] == places, axis=1)
            splits = self.parts[f"splits_{level}"]
            start = ops.take(splits, groups)
            size = ops.take(splits, groups + 1) - start
            logit = score + ops.log(ops.cast(size, "float32"))
            logits.append(ops.where(is_open, -INFINITY, logit))
            starts.append(start)
            sizes.append(size)
            slack.append(ops.take(self.parts[f"radii_{level}"], groups))
            chosen = ops.take_along_axis(groups, top, axis=1)
            known = ops.isfinite(ops.take_along_axis(score, top, axis=1))
            opened.append(ops.where(known, chosen, -1))
            last = level + 1 == len(self.widths)
            inner = splits if last else self.parts[f"children_{level}"]
            first, end = ops.take(inner, chosen), ops.take(inner, chosen + 1)
            groups = first[:, :, None] + ops.arange(width, dtype="int32")
            valid = ops.logical_and(groups < end[:, :, None], known[:, :, None])
            groups = ops.reshape(ops.where(valid, groups, 0), (rows, -1))
            valid = ops.reshape(valid, (rows, -1))
        score = block_scores(scaled, self.parts["codes"], chosen)
        logits.append(ops.where(valid, score, -INFINITY))
        starts.append(groups)
        sizes.append(ops.ones_like(groups))
        slack.append(ops.zeros_like(score))
        logits = ops.concatenate(logits, axis=1)
        return Partition(
            logits,
            ops.concatenate(starts, axis=1),
            ops.concatenate(sizes, axis=1),
            ops.concatenate(slack, axis=1),
            ops.logsumexp(logits, axis=1, keepdims=True),
            opened,
        )

    def bound(self, queries):
        """An upper bound on `max over y of log P(y | x) - log Q(y | x)`: `[b]`.

        With |x . (y - mean)| <= |x| r for every y of a group of measured radius
        r, and as much below for Z.
        """
        found = self.partition(queries)
        norm = ops.sqrt(ops.sum(ops.square(self._scaled(queries)), axis=1))
        slack = norm[:, None] * found.radii
        used = ops.isfinite(found.logits)
        low = ops.where(used, found.logits - slack, -INFINITY)
        widest = ops.max(ops.where(used, slack, 0.0), axis=1)
        return widest + found.log_z[:, 0] - ops.logsumexp(low, axis=1)

    def _scaled(self, queries):
        queries = ops.cast(queries, "float32")
        if self.projection is not None:
            queries = ops.matmul(queries, self.projection)
        return queries * self.inverse_temperature

    def _group(self, place, level):
        """The group of a level that has each place: int32."""
        splits = self.parts[f"splits_{level}"]
        flat = ops.reshape(place, (-1,))
        group = ops.searchsorted(splits, flat, side="right")
        return ops.reshape(ops.cast(group, "int32") - 1, place.shape)

    def _means(self, group, place, level):
        """The means of groups of a level: `[..., d]`."""
        means = self.parts[f"means_{level}"]
        if level:
            parent = self._group(place, level - 1)
            first = ops.take(self.parts[f"children_{level - 1}"], parent)
            group = parent * means.shape[1] + group - first
        return ops.take(ops.reshape(means, (-1, self.dim)), group, axis=0)

    def _codes(self, place):
        """The vectors of the labels at some places: `[..., d]`, float32."""
        last = len(self.widths) - 1
        leaf = self._group(place, last)
        first = ops.take(self.parts[f"splits_{last}"], leaf)
        codes = self.parts["codes"]
        flat = ops.reshape(codes, (-1, self.dim))
        found = leaf * codes.shape[1] + place - first
        return ops.cast(ops.take(flat, found, axis=0), "float32")


def products(queries, vectors):
    """Inner products of queries `[b, d]` with their vectors: `[b, n]`.

    Args:
        queries: `[b, d]`, float32.
        vectors: `[b, n, d]`, or `[n, d]`, the same for all; float32.
    """
    if len(vectors.shape) == 2:
        return ops.matmul(queries, ops.transpose(vectors))
    return ops.einsum("bd,bnd->bn", queries, vectors)


def block_scores(queries, blocks, chosen):
    """Products of queries with all vectors of some blocks: `[b, m * s]`.

    Args:
        queries: `[b, d]`, float32.
        blocks: `[blocks, s, d]`, float.
        chosen: `[b, m]`, int.
    """
    near = ops.cast(ops.take(blocks, chosen, axis=0), "float32")
    scores = ops.einsum("bd,bmsd->bms", queries, near)
    return ops.reshape(scores, (queries.shape[0], -1))
