"""Text files whose first line says how many lines and columns follow."""

import itertools

from tfxc.data.readers.text_files import line_blocks, parse_block, shown
from tfxc.errors import InputError

# Ids are stored in 32 bits.
MAX_COLUMNS = 2**31 - 1
MAX_DIGITS = 18


def read_header(path, names):
    """Reads the first line, one whole number per name.

    Args:
        path: Path of the file.
        names: What each number counts; the first counts the lines below.

    Returns:
        `(header, blocks)`: a tuple of ints, and the rest of the file as
        `line_blocks` yields it.

    Raises:
        InputError: if the file is empty or starts with anything else.
    """
    blocks = line_blocks(path)
    expected = f"expected the header `{' '.join(names)}`"
    try:
        _, block = next(blocks)
    except StopIteration:
        raise InputError(
            f"{path}: {expected}. Received: an empty file"
        ) from None
    line, _, rest = block.partition(b"\n")
    words = line.split()
    if len(words) != len(names) or not all(
        word.isdigit() and len(word) <= MAX_DIGITS for word in words
    ):
        raise InputError(f"{path}, line 1: {expected}. Received: {shown(line)}")
    header = tuple(int(word) for word in words)
    if max(header[1:]) > MAX_COLUMNS:
        raise InputError(
            f"{path}, line 1: expected at most {MAX_COLUMNS} columns. "
            f"Received: {shown(line)}"
        )
    return header, itertools.chain([(2, rest)] if rest else [], blocks)


def parse_rows(path, num_rows, blocks, parse, check_line):
    """Parses the blocks below a header and holds them to its number of rows.

    Args:
        path: Path of the file, for messages.
        num_rows: What the header promises.
        blocks: What `read_header` returned.
        parse: See `parse_block`; called once per block, in order.
        check_line: See `parse_block`.

    Raises:
        InputError: if a line is wrong, or there are too few or too many.
    """
    last = 1 + num_rows
    line = 1
    for first, block in blocks:
        line = first + block.count(b"\n") - 1
        if line > last:
            raise InputError(
                f"{path}, line {last + 1}: expected the file to end here, as "
                f"its header promises {num_rows} rows. Received: a further line"
            )
        parse_block(path, first, block, parse, check_line)
    if line < last:
        raise InputError(
            f"{path}, line {line + 1}: expected row {line} of the {num_rows} "
            f"that the header promises. Received: the end of the file"
        )
