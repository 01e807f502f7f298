"""Invariants of the cache of labels:

- it is never empty, holds a label once, and knows where each is;
- what is inside is made fresh; what is outside takes the place of the oldest,
  as a loop over dictionaries does it; repeated labels count once;
- it updates in a compiled step.
"""

import numpy as np
import pytest
import tensorflow as tf
from sampler_cases import BETA, LABELS, label_vectors

from tfxc.negatives import NegativeCache


def new_cache(size=10):
    return NegativeCache(
        np.arange(size) * 3, label_vectors()[: size * 3 : 3], LABELS, BETA
    )


class SlowCache:
    """Places of label, vector and age, in lists."""

    def __init__(self, cache):
        self.ids = cache.ids.numpy().tolist()
        self.vectors = list(cache.vectors.numpy())
        self.ages = [0] * len(self.ids)

    def update(self, ids, vectors):
        last = {label: place for place, label in enumerate(ids)}
        self.ages = [age + 1 for age in self.ages]
        room = sorted(
            (p for p, label in enumerate(self.ids) if label not in last),
            key=lambda place: (-self.ages[place], place),
        )
        replaced = 0
        for place, label in enumerate(ids):
            if last[label] != place:
                continue
            if label in self.ids:
                at = self.ids.index(label)
            else:
                at, replaced = room[replaced], replaced + 1
            self.ids[at], self.vectors[at] = label, vectors[place]
            self.ages[at] = 0
        return replaced


@pytest.mark.parametrize("jit", [False, True])
def test_updates_equal_loops(jit):
    rng = np.random.default_rng(0)
    cache = new_cache()
    slow = SlowCache(cache)
    update = cache.update
    if jit:
        update = tf.function(update, jit_compile=True)
    replaced = 0
    for _ in range(30):
        ids = rng.integers(0, LABELS, 4)
        ids[3] = ids[rng.integers(4)]
        vectors = rng.normal(size=(4, 6)).astype(np.float32)
        update(tf.constant(ids, tf.int32), tf.constant(vectors))
        replaced += slow.update(ids.tolist(), vectors)
        assert cache.ids.numpy().tolist() == slow.ids
        assert cache.ages.numpy().tolist() == slow.ages
        np.testing.assert_array_equal(cache.vectors, slow.vectors)
        expected = np.full(LABELS, -1)
        expected[slow.ids] = np.arange(10)
        np.testing.assert_array_equal(cache.where[:LABELS], expected)
    assert 30 < replaced < 90


def test_repeated_labels_count_once():
    cache = new_cache(3)
    ids = tf.constant([1, 1, 0])
    vectors = tf.constant(np.arange(18).reshape(3, 6), tf.float32)
    cache.update(ids, vectors)
    held = dict(zip(cache.ids.numpy(), cache.vectors.numpy(), strict=True))
    assert {0, 1} < held.keys() and len(held) == 3
    np.testing.assert_array_equal(held[1], vectors[1])
    np.testing.assert_array_equal(held[0], vectors[2])


@pytest.mark.parametrize("jit", [False, True])
def test_vectors_that_are_not_finite_are_left_out(jit):
    cache, other = new_cache(4), new_cache(4)  # of 0, 3, 6 and 9
    vectors = np.arange(24, dtype=np.float32).reshape(4, 6)
    vectors[[1, 2], 0] = np.nan, np.inf
    update = tf.function(cache.update, jit_compile=jit)
    update(tf.constant([3, 3, 5, 0]), tf.constant(vectors))
    other.update(tf.constant([3, 0]), tf.constant(vectors[[0, 3]]))
    for one, two in zip(cache.variables, other.variables, strict=True):
        np.testing.assert_array_equal(one, two)


def test_more_labels_than_it_holds():
    with pytest.raises(ValueError, match=r"at most 3.*Received: 4"):
        new_cache(3).update(tf.range(4), tf.zeros((4, 6)))


@pytest.mark.parametrize(
    "broken", ["repeated", "short", "nan", "below", "above", "beta"]
)
def test_what_is_no_cache(broken):
    ids, vectors = np.arange(4), label_vectors()[:4]
    if broken == "repeated":
        ids[1] = 0
    if broken == "short":
        ids = ids[:3]
    if broken == "nan":
        vectors[2, 2] = np.nan
    if broken in ("below", "above"):
        ids[2] = -1 if broken == "below" else LABELS
    beta = np.nan if broken == "beta" else 20.0
    with pytest.raises(ValueError, match="Received: "):
        NegativeCache(ids, vectors, LABELS, beta)


def test_refreshes_must_be_of_all_labels():
    vectors = label_vectors()
    cache = NegativeCache(np.arange(4), vectors[:4], LABELS)
    with pytest.raises(ValueError, match="`label_vectors` must be"):
        cache.refresh(vectors[:-1])
