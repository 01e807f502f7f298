"""Invariants of how likely a label is among the candidates of a batch:

- it is as often as batches hold it, whether they have room for one positive of
  each query, for others, for all, or for more labels than their queries have;
- probabilities sum to the candidates.
"""

import numpy as np
import pytest

import tfxc
from tfxc.data.batches import in_batch_candidates

ROWS, LABELS, BATCH, BATCHES = 1000, 400, 24, 2000


def lists_of(rng):
    """Queries with one to five labels, some of which are very frequent."""
    weights = 1 / np.arange(1, LABELS + 1)
    rows = np.repeat(np.arange(ROWS), rng.integers(1, 6, ROWS))
    ids = rng.choice(LABELS, len(rows), p=weights / weights.sum())
    rows, ids = np.unique([rows, ids], axis=1)
    return tfxc.data.LabelLists.from_pairs(rows, ids, ROWS, LABELS)


@pytest.mark.parametrize("candidates", [24, 40, 120])
def test_as_often_as_batches_hold_labels(rng, candidates):
    relevant = lists_of(rng)
    found = tfxc.negatives.candidate_probability(relevant, BATCH, candidates)
    assert found.shape == (LABELS,)
    held = relevant.counts() > (0 if candidates < 100 else -1)
    np.testing.assert_allclose(found[held].sum(), candidates, rtol=1e-6)
    assert relevant.counts().min() == 0, "would test less"
    assert found.min() > 0 and found.max() <= 1
    seen = np.zeros(LABELS)
    for _ in range(BATCHES):
        rows = np.sort(rng.choice(ROWS, BATCH, replace=False))
        shape = BATCH, candidates
        seen[in_batch_candidates(relevant.take(rows), shape, rng)[0]] += 1
    seen /= BATCHES
    often = seen > 0.05
    assert often.sum() > 50 and seen.max() > 0.9, "would test little"
    ratio = found[often] / seen[often]
    assert np.abs(ratio - 1).max() < 0.25 and abs(ratio.mean() - 1) < 0.04


@pytest.mark.parametrize(("candidates", "total"), [(399, 399), (900, 400)])
def test_more_candidates_than_queries_bring_along(rng, candidates, total):
    relevant = tfxc.data.LabelLists.from_pairs([0, 1], [3, 3], 2, LABELS)
    found = tfxc.negatives.candidate_probability(relevant, 2, candidates)
    np.testing.assert_allclose(found.sum(), total, rtol=1e-6)
    assert (found > 0).all() and found.max() <= 1
    assert found[3] == found.max()
