"""Lines of text, and the fields that tabs separate on them."""

import numpy as np

from tfxc.data.readers.arrow_texts import TextsBuilder, texts_to_arrow
from tfxc.data.readers.growing_array import splits_of
from tfxc.data.readers.text_files import line_blocks
from tfxc.data.texts import Texts

NEWLINE, TAB = b"\n\t"


def read_lines(path):
    """The lines of a UTF-8 text file, as `Texts`.

    Raises:
        InputError: if the file cannot be read or is not UTF-8.
    """
    lines = TextsBuilder()
    for _, block in line_blocks(path):
        lines.append(texts_to_arrow(split_block(block, NEWLINE)[0]))
    return lines.build()


def split_block(block, *separators):
    """Splits a block of whole lines into fields.

    Args:
        block: `bytes` that end in a separator.
        separators: Bytes, as integers, each of which ends a field.

    Returns:
        `(fields, ends)`: `Texts` of the fields without their separators, and
        `[fields]`, uint8, the separator that ends each.

    Example:

    >>> fields, ends = split_block(b"a\\tb\\n\\n", *b"\\n\\t")
    >>> fields.encoded(), ends.tobytes()
    ([b'a', b'b', b''], b'\\t\\n\\n')
    """
    text = np.frombuffer(block, np.uint8)
    is_end = np.isin(text, separators)
    stops = np.flatnonzero(is_end)
    lengths = np.diff(stops, prepend=-1) - 1
    return Texts(text[~is_end], splits_of(lengths)), text[stops]
