"""Invariants of texts that come from Arrow:

- they are the strings of the array, even of a slice or of empty strings;
- the way back copies nothing.
"""

import numpy as np
import pyarrow as pa
import pytest
import slow_readers

from tfxc.data.readers.arrow_texts import (
    TextsBuilder,
    numbers_as_texts,
    texts_from_arrow,
    texts_to_arrow,
)

STRINGS = ["a", "", "caf\u00e9", "\0", "bc", ""]


@pytest.mark.parametrize("type_", [pa.string(), pa.large_string()])
@pytest.mark.parametrize(
    "part", [slice(None), slice(2, 5), slice(5, 6), slice(0)]
)
def test_from_arrow(type_, part):
    array = pa.array(STRINGS, type_)[part]
    texts = texts_from_arrow(array)
    assert slow_readers.rows_of(texts) == STRINGS[part]
    assert texts.offsets[0] == 0 and texts.offsets.dtype == np.int64
    assert texts.utf8.dtype == np.uint8


def test_to_arrow_is_a_view():
    texts = texts_from_arrow(pa.array(STRINGS))
    array = texts_to_arrow(texts)
    assert array.to_pylist() == STRINGS
    assert array.buffers()[2].address == texts.utf8.ctypes.data


def test_builder():
    texts = TextsBuilder()
    assert len(texts.build()) == 0
    for part in (slice(2), slice(0), slice(2, 6)):
        texts.append(pa.array(STRINGS)[part])
    assert slow_readers.rows_of(texts.build()) == STRINGS


def test_numbers():
    assert slow_readers.rows_of(numbers_as_texts(12)) == [
        *"0123456789",
        "10",
        "11",
    ]
    assert len(numbers_as_texts(0)) == 0
