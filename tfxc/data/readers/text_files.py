"""Text files as blocks of whole lines, and the one way in which they fail.

Every reader follows the same plan. Compiled code parses a block of lines at
once and only has to notice that something is wrong. Then the block is looked at
again, one line at a time, to say which line it is and what was expected there.
"""

import codecs
import gzip
import zlib

import pyarrow as pa

from tfxc.errors import InputError

BLOCK_BYTES = 1 << 24
# Arrow counts the bytes of a block in 32 bits.
MAX_LINE_BYTES = 1 << 30
GZIP_MAGIC = b"\x1f\x8b"


class Malformed(Exception):
    """A block that compiled code cannot read; a slow look finds the line."""


def line_blocks(path):
    """Reads a UTF-8 text file, gzipped or not, as blocks of whole lines.

    A byte order mark is dropped, lines that end in `\\r\\n` then end in `\\n`,
    and a last line without an end gets one.

    Args:
        path: Path of the file. Whether it is gzipped is read from its first
            bytes, not from its name.

    Yields:
        `(first, block)`: the number of the first line, counted from 1, and
        the `bytes` of the lines, at least one.

    Raises:
        InputError: if the file cannot be read or is not UTF-8.
    """
    first = 1
    for block in _whole_lines(path):
        if b"\r" in block:
            block = block.replace(b"\r\n", b"\n")
        _check_utf8(path, first, block)
        yield first, block
        first += block.count(b"\n")


def parse_block(path, first, block, parse, check_line):
    """Parses a block of lines, or names the line that is wrong.

    Args:
        path: Path of the file, for messages.
        first: Number of the first line.
        block: `bytes` of whole lines.
        parse: Function of the block; raises `Malformed` or an error of Arrow
            where a line is wrong.
        check_line: Function of `(where, line)`, slow and exact; raises an
            `InputError` that starts with `where`.

    Returns:
        What `parse` returns.

    Raises:
        InputError: if a line is wrong.
    """
    try:
        return parse(block)
    except (Malformed, pa.ArrowException) as error:
        lines = block.split(b"\n")[:-1]
        for number, line in enumerate(lines, first):
            check_line(f"{path}, line {number}", line)
        raise InputError(
            f"{path}, lines {first} to {first + len(lines) - 1}: one of them "
            f"cannot be parsed. Received: {error}"
        ) from error


def line_of_row(path, row, blanks):
    """The number of the line that holds a row, where blank lines hold none.

    Args:
        path: Path of the file.
        row: Row, counted from 0.
        blanks: `bytes` that a blank line may hold.
    """
    for first, block in line_blocks(path):
        for number, line in enumerate(block.split(b"\n")[:-1], first):
            row -= bool(line.strip(blanks))
            if row < 0:
                return number
    raise IndexError(f"{path} has no such row")


def shown(line, limit=80):
    """A line as messages show it: decoded, quoted and cut."""
    text = line.decode(errors="replace")
    return repr(text if len(text) <= limit else f"{text[:limit]}...")


def _whole_lines(path):
    try:
        with _opened(path) as stream:
            head = stream.read(len(codecs.BOM_UTF8))
            tail = [head.removeprefix(codecs.BOM_UTF8)]
            while chunk := stream.read(BLOCK_BYTES):
                end = chunk.rfind(b"\n") + 1
                if end:
                    yield b"".join([*tail, chunk[:end]])
                    tail = [chunk[end:]]
                else:
                    tail.append(chunk)
                    _check_length(path, tail)
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(
            f"{path}: expected a file that can be read, as text or as gzipped "
            f"text. Received: {type(error).__name__}: {error}"
        ) from error
    if rest := b"".join(tail):
        yield rest if rest.endswith(b"\n") else rest + b"\n"


def _opened(path):
    stream = open(path, "rb")  # noqa: SIM115 - the caller closes it
    magic = stream.read(len(GZIP_MAGIC))
    stream.seek(0)
    if magic != GZIP_MAGIC:
        return stream
    stream.close()
    return gzip.open(path, "rb")


def _check_length(path, pieces):
    length = sum(map(len, pieces))
    if length > MAX_LINE_BYTES:
        raise InputError(
            f"{path}: expected lines of at most {MAX_LINE_BYTES} bytes. "
            f"Received: one of {length} bytes or more"
        )


def _check_utf8(path, first, block):
    if block.isascii():
        return
    try:
        block.decode()
    except UnicodeDecodeError as error:
        number = first + block.count(b"\n", 0, error.start)
        raise InputError(
            f"{path}, line {number}: expected UTF-8. Received: byte "
            f"0x{block[error.start]:02x} ({error.reason})"
        ) from error
