"""Invariant: the age of a cache is that of its oldest vector."""

from refresh_cases import unit

from tfxc.negatives import NegativeCache
from tfxc.training.cache_age import CacheAge


def test_age(rng):
    cache = NegativeCache([4, 2, 6], unit(rng, 3), 9)
    callback = CacheAge(cache)
    assert callback.report == {}
    ages = []
    for ids in ([4, 2], [2, 4], [4, 4], [0, 2]):
        cache.update(ids, unit(rng, 2))
        callback.on_epoch_end(0)
        ages.append(callback.report["stale_steps"])
    # At the next step, 6 is so far behind; then 0 takes its place.
    assert ages == [2, 3, 4, 2]
