"""Invariants of sequences of token ids:

- `take` copies rows, in any order, also from memory maps, padded to `size`;
- what is cut is padding in all rows taken: nothing else goes, and no shorter
  bucket would do;
- lengths reach to the last token, whatever stands before it.
"""

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest

from tfxc.data import Sequences


def random_sequences(rng, rows=30, length=21, pad_id=0, **options):
    """Rows of no to `length` tokens."""
    ids = np.full((rows, length), pad_id, np.int32)
    counts = rng.integers(0, length + 1, rows)
    for row, count in enumerate(counts):
        ids[row, :count] = rng.integers(5, 99, count)
    return Sequences(ids, pad_id, **options), counts


def slow_take(sequences, rows, size, buckets):
    """Row by row, token by token."""
    lists = [sequences.ids[row].tolist() for row in rows]
    for tokens in lists:
        while tokens and tokens[-1] == sequences.pad_id:
            tokens.pop()
    longest = max(map(len, lists), default=0)
    width = sequences.ids.shape[1]
    for bucket in sorted(buckets, reverse=True):
        if longest <= bucket:
            width = bucket
    lists += [[]] * (size - len(rows))
    return [row + [sequences.pad_id] * (width - len(row)) for row in lists]


@hypothesis.settings(max_examples=60, deadline=None)
@hypothesis.given(
    st.integers(0, 99),
    st.lists(st.integers(0, 29), max_size=6),
    st.sampled_from([(), (3, 5), (4, 12, 20), (21,)]),
    st.sampled_from([0, 1]),
    st.integers(0, 3),
)
def test_take_equals_loops(seed, rows, buckets, pad_id, more):
    rng = np.random.default_rng(seed)
    sequences, _ = random_sequences(rng, pad_id=pad_id, buckets=buckets)
    rows, size = np.array(rows, int), len(rows) + more
    taken = sequences.take(rows, size)["token_ids"]
    slow = slow_take(sequences, rows, size, buckets or (8, 16))
    assert taken.tolist() == slow and taken.dtype == np.int32
    if not more:
        again = sequences.take(rows)["token_ids"]
        np.testing.assert_array_equal(again, taken)


def test_titles_take_little_room(rng):
    sequences, counts = random_sequences(rng)
    short = np.flatnonzero(counts <= 8)
    assert 2 < len(short) < 20, "would test less"
    assert sequences.take(short)["token_ids"].shape == (len(short), 8)
    assert sequences.take(np.arange(30))["token_ids"].shape == (30, 21)


def test_lengths(rng):
    sequences, counts = random_sequences(rng, pad_id=1)
    rows = rng.integers(0, 30, 50)
    np.testing.assert_array_equal(sequences.lengths(rows), counts[rows])
    assert len(sequences) == 30
    assert sequences.lengths(np.array([], int)).shape == (0,)


def test_padding_inside_a_row():
    """A text may read "<pad>": what follows is not cut."""
    ids = np.array([[7, 1, 1, 1, 1, 1, 1, 1, 9, 2, 1, 1, 1, 1, 1, 1, 1]])
    sequences = Sequences(ids.astype(np.int32), pad_id=1)
    assert sequences.lengths(np.array([0])).tolist() == [10]
    taken = sequences.take(np.array([0]))["token_ids"]
    assert taken.tolist() == ids[:, :16].tolist()


@pytest.mark.parametrize("size", [None, 5])
def test_a_copy_of_a_memory_map(rng, tmp_path, size):
    sequences, _ = random_sequences(rng)
    np.save(tmp_path / "ids.npy", sequences.ids)
    mapped = Sequences(np.load(tmp_path / "ids.npy", mmap_mode="r"))
    rows = np.array([4, 0, 4])
    taken = mapped.take(rows, size)["token_ids"]
    expected = sequences.take(rows, size)["token_ids"]
    np.testing.assert_array_equal(taken, expected)
    taken[:] = 1
    assert not np.shares_memory(taken, mapped.ids)


def test_fields(rng):
    sequences, _ = random_sequences(rng)
    assert sequences.fields == {"token_ids": (np.int32, (None,))}
    taken = sequences.take(np.array([2]))
    for name, (dtype, shape) in sequences.fields.items():
        assert taken[name].dtype == dtype
        assert taken[name].ndim == 1 + len(shape)
