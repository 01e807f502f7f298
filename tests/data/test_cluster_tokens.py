"""Invariants of tokens that labels share with their cluster:

- each row has its own tokens as before, then that of its cluster, weight 1;
- labels of one cluster share that token alone, and labels of others do not.
"""

import numpy as np

from tfxc.data import Bags, with_cluster_tokens


def test_one_more_token(rng):
    ids = rng.integers(0, 20, (30, 4)).astype(np.int32)
    bags = Bags(ids, rng.random((30, 4)).astype(np.float16))
    clusters = rng.integers(0, 6, 30)
    more = with_cluster_tokens(bags, clusters, first_token=20)
    assert len(more) == 30 and more.ids.shape == more.weights.shape == (30, 5)
    assert more.ids.dtype == np.int32 and more.weights.dtype == np.float16
    np.testing.assert_array_equal(more.ids[:, :4], bags.ids)
    np.testing.assert_array_equal(more.weights[:, :4], bags.weights)
    assert (more.weights[:, 4] == 1).all()
    same = clusters[:, None] == clusters
    assert 30 < same.sum() < 900, "all alike, or all apart"
    np.testing.assert_array_equal(more.ids[:, None, 4] == more.ids[:, 4], same)
    assert more.ids[:, 4].min() == 20 and more.ids[:, 4].max() == 25


def test_the_bags_stay_as_they_are(rng):
    bags = Bags(np.ones((3, 2), np.int32), np.ones((3, 2), np.float16))
    more = with_cluster_tokens(bags, [2, 0, 2], first_token=7)
    assert more.ids.tolist() == [[1, 1, 9], [1, 1, 7], [1, 1, 9]]
    assert bags.ids.shape == (3, 2)
    none = with_cluster_tokens(Bags(bags.ids[:0], bags.weights[:0]), [], 7)
    assert none.ids.shape == (0, 3)
