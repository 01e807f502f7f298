"""Invariants of the lengths to pad texts to:

- no choice of as many lengths pads less, by trying them all;
- the longest text has its bucket; equal lengths need only one.
"""

import itertools

import hypothesis
import hypothesis.strategies as st
import numpy as np

from tfxc.data import bucket_lengths


def padded(lengths, buckets):
    """Tokens of all texts, with padding."""
    return sum(min(b for b in buckets if b >= n) for n in lengths)


@hypothesis.settings(max_examples=200, deadline=None)
@hypothesis.given(
    st.lists(st.integers(1, 9), min_size=1, max_size=12), st.integers(1, 5)
)
def test_no_choice_pads_less(lengths, count):
    buckets = bucket_lengths(lengths, count)
    assert 1 <= len(buckets) <= count and buckets[-1] == max(lengths)
    assert list(buckets) == sorted(set(buckets)) and type(buckets[0]) is int
    least = min(
        padded(lengths, [*chosen, max(lengths)])
        for size in range(count)
        for chosen in itertools.combinations(range(1, 10), size)
    )
    assert padded(lengths, buckets) == least


def test_equal_lengths_and_none():
    assert bucket_lengths([7] * 9, 4) == (7,)
    assert bucket_lengths(np.array([], int), 4) == ()


def test_titles():
    """Of titles of a dozen tokens, padding to 32 wastes more than half."""
    lengths = np.random.default_rng(0).poisson(10, 10_000) + 3
    lengths = np.minimum(lengths, 32)
    few = bucket_lengths(lengths, 4)
    assert len(few) == 4
    assert padded(lengths, few) < 1.2 * lengths.sum()
    assert 32 * len(lengths) > 2 * lengths.sum()
