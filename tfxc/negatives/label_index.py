"""An index of label vectors that follows them while they move."""

import numpy as np

from tfxc.negatives.checks import check_number, check_shape, finite_chunks
from tfxc.search.exact import exact_top_k

BATCH = 1024  # labels that ScaNN takes in at once


class LabelIndex:
    """The nearest labels of queries, by ScaNN, of labels that move.

    Building an index anew takes many times as long as putting those labels in
    place that have moved, by ScaNN's `upsert`. What the tree was trained on
    drifts away over many moves, so it is trained anew once as many labels were
    moved as there are, times `rebalance`. Labels stay as many: none is inserted
    or deleted. Where scann is not installed, or labels are fewer than 100, the
    search is exact.

    Two indexes of the same vectors, moved alike, find the same.

    Args:
        vectors: `[L, d]`, float; unit vectors. `None` for an index that is
            `build` before it is used.
        leaves: Leaves of the tree; about the root of L if left out.
        probes: Leaves that are searched; an eighth of them if left out.
        tolerance: Labels that moved less than this distance stay.
        rebalance: Moves for each label after which the tree is trained anew.

    Raises:
        ValueError: if there are more leaves than labels, or more probes than
            leaves, or none; or if a vector is not finite.

    Attributes:
        report: Of the last `move`: how many labels "moved", and whether the
            index was "rebalanced".

    Reference:
        [Guo et al., 2020](https://arxiv.org/abs/1908.10396) (ScaNN)
    """

    def __init__(
        self,
        vectors=None,
        leaves=None,
        probes=None,
        tolerance=0.05,
        rebalance=2.5,
    ):
        self.leaves, self.probes = leaves, probes
        self.tolerance = tolerance
        self.rebalance = rebalance
        self.report = {}
        self.vectors = None
        if vectors is not None:
            self.build(vectors)

    def build(self, vectors):
        """Builds the index anew, of vectors `[L, d]`.

        Raises:
            ValueError: if a vector is not finite, or labels are more or fewer
                than before; the index then stays.
        """
        if self.vectors is not None:
            check_shape(vectors, self.vectors.shape)
        most = len(vectors)
        leaves, probes = self.leaves, self.probes
        leaves = max(int(most**0.5), 1) if leaves is None else leaves
        probes = max(leaves // 8, 1) if probes is None else probes
        check_number("leaves", leaves, 1, most)
        check_number("probes", probes, 1, leaves)
        vectors = np.concatenate([rows for _, rows in finite_chunks(vectors)])
        searcher = build_scann(vectors, leaves, probes)
        self.vectors, self.searcher = vectors, searcher
        self.moves = 0

    def top_k(self, queries, k):
        """The `k` nearest labels of each query: `[q, k]` int32, nearest first.

        Where the leaves that are searched have fewer, -1 follows.

        Args:
            queries: `[q, d]`, float.
            k: Positive integer, at most L.
        """
        queries = np.asarray(queries, np.float32)
        if self.searcher is None:
            blocks = exact_top_k(queries, self.vectors, k)
            return np.concatenate([ids for _, _, ids in blocks])
        ids, scores = self.searcher.search_batched_parallel(
            queries, final_num_neighbors=k, pre_reorder_num_neighbors=4 * k
        )
        # ScaNN fills up with label 0 and no score.
        return np.where(np.isfinite(scores), ids, -1).astype(np.int32)

    def move(self, vectors):
        """Takes over new vectors of all labels.

        Raises:
            ValueError: as `build`; the index then stays.
        """
        check_shape(vectors, self.vectors.shape)
        moved = []
        for chunk, new in finite_chunks(vectors):
            gap = new - self.vectors[chunk]
            far = np.vecdot(gap, gap) > self.tolerance**2
            moved.append(chunk.start + np.flatnonzero(far))
        moved = np.concatenate(moved)
        new = np.asarray(vectors[moved], np.float32)
        due = self.moves + len(moved) > self.rebalance * len(vectors)
        if due:
            self.build(vectors)
        else:
            if self.searcher is not None and len(moved):
                self.searcher.searcher.upsert(moved.tolist(), new, BATCH)
            self.vectors[moved] = new
            self.moves += len(moved)
        self.report = {"moved": len(moved), "rebalanced": due}


def build_scann(vectors, leaves, probes):
    """A ScaNN searcher; `None` where scann is missing or labels are few."""
    if len(vectors) < 100:
        return None
    try:
        from scann import scann_ops_pybind
    except ImportError:
        return None
    builder = scann_ops_pybind.builder(vectors, 10, "dot_product")
    return (
        builder.tree(
            num_leaves=leaves,
            num_leaves_to_search=probes,
            training_sample_size=min(len(vectors), 250_000),
            # Random starts, and new ones for small leaves, are taken in an
            # order that differs each time.
            min_partition_size=1,
            random_init=False,
        )
        .score_ah(2, anisotropic_quantization_threshold=0.2)
        .reorder(100)
        .build()
    )
