"""`Texts` from and to Arrow, without a loop over rows."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tfxc.data.readers.growing_array import GrowingArray, splits_of
from tfxc.data.texts import Texts


def texts_from_arrow(strings):
    """Views an Arrow array of strings without nulls as `Texts`."""
    strings = strings.cast(pa.large_string())
    _, offsets, utf8 = strings.buffers()
    if not len(strings):
        return Texts(np.empty(0, np.uint8), np.zeros(1, np.int64))
    offsets = np.frombuffer(offsets, np.int64)
    offsets = offsets[strings.offset : strings.offset + len(strings) + 1]
    if offsets[0] == offsets[-1]:  # Arrow may leave out an empty buffer
        return Texts(np.empty(0, np.uint8), np.zeros_like(offsets))
    utf8 = np.frombuffer(utf8, np.uint8)[offsets[0] : offsets[-1]]
    return Texts(utf8, offsets - offsets[0])


def texts_to_arrow(texts):
    """Views `Texts` as an Arrow array of large strings."""
    return pa.LargeStringArray.from_buffers(
        len(texts),
        pa.py_buffer(np.ascontiguousarray(texts.offsets)),
        pa.py_buffer(np.ascontiguousarray(texts.utf8)),
    )


class TextsBuilder:
    """Joins Arrow arrays of strings to one `Texts`, one block at a time."""

    def __init__(self):
        self._utf8 = GrowingArray(np.uint8)
        self._lengths = GrowingArray(np.int64)

    def append(self, strings):
        """Adds an Arrow array of strings without nulls."""
        texts = texts_from_arrow(strings)
        self._utf8.append(texts.utf8)
        self._lengths.append(np.diff(texts.offsets))

    def build(self):
        """The `Texts` of everything appended so far."""
        return Texts(self._utf8.values, splits_of(self._lengths.values))


def numbers_as_texts(count):
    """The texts `"0"`, `"1"`, ... up to `count - 1`."""
    return texts_from_arrow(pa.array(np.arange(count)).cast(pa.large_string()))


def query_texts(titles, contents):
    """What the encoder reads of a query: its title, then its content.

    A content that is empty or repeats the title adds nothing.

    Args:
        titles: Arrow array of strings.
        contents: Arrow array of strings, of the same length.

    Returns:
        Arrow array of strings.
    """
    adds = pc.and_(pc.not_equal(contents, ""), pc.not_equal(contents, titles))
    space = pa.scalar(" ", titles.type)
    joined = pc.binary_join_element_wise(titles, contents, space)
    return pc.if_else(adds, joined, titles)


def label_texts(titles, contents):
    """What the encoder reads of a label: its title, then its content.

    The content of a label is often its title again, followed by synonyms; such
    a content is the whole text.
    """
    complete = pa.array(_starts_with(contents, titles))
    return pc.if_else(complete, contents, query_texts(titles, contents))


def _starts_with(strings, prefixes):
    """Whether each string starts with the prefix in its row: `[rows]`, bool."""
    strings, prefixes = texts_from_arrow(strings), texts_from_arrow(prefixes)
    lengths = np.diff(prefixes.offsets)
    result = np.diff(strings.offsets) >= lengths
    rows = np.flatnonzero(result)
    splits = splits_of(lengths[rows])
    within = np.arange(splits[-1]) - np.repeat(splits[:-1], lengths[rows])
    row_of = np.repeat(rows, lengths[rows])
    differs = (
        strings.utf8[strings.offsets[row_of] + within]
        != prefixes.utf8[prefixes.offsets[row_of] + within]
    )
    result[row_of[differs]] = False
    return result
