"""Invariants of the vocabulary and of the counter that makes it:

- counts of many chunks, merged at any time, equal `collections.Counter`;
- tokens below `min_count` are left out, and of the rest the most frequent
  `max_tokens` are kept, in order of their fingerprints;
- idf is log(rows / occurrences), at least 1;
- in a union the first vocabulary decides.
"""

import collections

import numpy as np
import pytest

from tfxc.data.tokens.vocabulary import TokenCounter, Vocabulary, merged


def counted(chunks):
    counter = TokenCounter()
    for chunk in chunks:
        counter.add(np.asarray(chunk, np.int64))
    return counter


@pytest.mark.parametrize("merge_share", [0.0, 0.2, 1.0])
def test_counter_equals_collections(rng, merge_share):
    counter, expected = TokenCounter(), collections.Counter()
    for _ in range(100):
        chunk = rng.geometric(0.01, rng.integers(0, 50)) * 2**52
        counter.add(chunk)
        expected.update(chunk.tolist())
        if rng.random() < merge_share:
            counter.merge()
    counter.merge()
    assert dict(
        zip(counter.fingerprints.tolist(), counter.counts.tolist(), strict=True)
    ) == dict(expected)
    assert max(expected.values()) > 1 and min(expected.values()) == 1
    assert (np.diff(counter.fingerprints) > 0).all()


def test_counter_merges_by_itself():
    """Memory stays within that of the distinct fingerprints."""
    chunks = [np.arange(start, start + 400_000) for start in (0, 0, 7, 0)]
    counter = TokenCounter()
    waiting = []
    for chunk in chunks:
        counter.add(chunk)
        waiting.append(counter.num_waiting)
    assert waiting == [400_000, 800_000, 0, 400_000]
    counter.merge()
    assert counter.counts.tolist() == [3] * 7 + [4] * 399_993 + [1] * 7


def test_min_count_and_max_tokens(rng):
    tokens = rng.geometric(0.05, 3000)
    counts = collections.Counter(tokens.tolist())
    vocabulary = counted(np.split(tokens, 10)).vocabulary(1000, 5, 20)
    frequent = sorted(counts, key=lambda t: (-counts[t], t))
    assert counts[frequent[20]] >= 5, "min_count alone would do"
    assert vocabulary.fingerprints.tolist() == sorted(frequent[:20])
    all_frequent = counted([tokens]).vocabulary(1000, 5, 10**6)
    assert all_frequent.fingerprints.tolist() == sorted(
        token for token in counts if counts[token] >= 5
    )


def test_ties_go_to_the_smaller_fingerprint():
    vocabulary = counted([[5, 3, 9, 1, 9]]).vocabulary(5, 1, 3)
    assert vocabulary.fingerprints.tolist() == [1, 3, 9]


def test_idf():
    vocabulary = counted([[1] * 8 + [2] * 50 + [3] * 200]).vocabulary(100, 1, 9)
    np.testing.assert_allclose(
        vocabulary.idf, [np.log(100 / 8), 1, 1], rtol=1e-6
    )
    assert vocabulary.idf.dtype == np.float32


@pytest.mark.parametrize("limits", [(1, 0), (10, 5), (1, 5)])
def test_empty(limits):
    assert len(counted([]).vocabulary(0, *limits)) == 0
    some = counted([[1, 2]]).vocabulary(2, *limits)
    assert len(some) == (2 if limits == (1, 5) else 0)


def test_merged():
    first = Vocabulary(np.array([2, 5]), np.array([1.5, 2.5], np.float32))
    second = Vocabulary(np.array([1, 5, 9]), np.array([7, 8, 9], np.float32))
    both = merged(first, second)
    assert both.fingerprints.tolist() == [1, 2, 5, 9]
    assert both.idf.tolist() == [7, 1.5, 2.5, 9]
    assert len(both) == 4
