"""JSON lines as Arrow tables."""

import functools
import json

import numpy as np
import pyarrow as pa
import pyarrow.json

from tfxc.data.readers.json_checks import BLANKS
from tfxc.data.readers.repeats import check_no_repeats
from tfxc.data.readers.text_files import Malformed, line_blocks, parse_block
from tfxc.errors import InputError

NEWLINE, OPEN, CLOSE = b"\n{}"


def read_objects(path, fields, take, check_line):
    """Reads a file of JSON objects, one per line, block by block.

    Every object has a `title` and may have a `uid`, a string or an integer, and
    a `content`. Other keys are ignored.

    Args:
        path: Path of the file.
        fields: `{key: Arrow type}` of the further keys.
        take: Called with `{key: Arrow array}` of each block, where titles and
            contents are without nulls; may raise `Malformed`.
        check_line: Function of `(where, line, uid_type)`, slow and exact;
            raises an `InputError` that starts with `where`.

    Raises:
        InputError: if a line is wrong, a `uid` is repeated or there is no line.
    """
    uids, uid_type = [], None

    def parse(block):
        lines = _clean_lines(block)
        if lines:
            table = _parse_lines(lines, uid_type, fields)
            take(table)
            uids.append(table["uid"])

    for first, block in line_blocks(path):
        if uid_type is None:
            uid_type = _uid_type(block)
        check = functools.partial(check_line, uid_type=uid_type)
        parse_block(path, first, block, parse, check)
    if not uids:
        raise InputError(
            f"{path}: expected one JSON object per line. "
            "Received: an empty file"
        )
    check_no_repeats(path, "uid", pa.chunked_array(uids), BLANKS)


def _clean_lines(block):
    """The block without blank lines and without blanks around the others.

    A line that does not start with `{` and end with `}` is refused: Arrow would
    crash on a leading `null`, and would read `{} {}` as two rows.
    """
    text = np.frombuffer(block, np.uint8)
    ends = np.flatnonzero(text == NEWLINE)
    starts = np.concatenate([[0], ends[:-1] + 1])
    if np.all(text[starts] == OPEN) and np.all(text[ends - 1] == CLOSE):
        return block
    lines = [line.strip(BLANKS) for line in block.split(b"\n")]
    lines = [line for line in lines if line]
    if not all(line[:1] == b"{" and line[-1:] == b"}" for line in lines):
        raise Malformed("a line that is no object")
    return b"".join(line + b"\n" for line in lines)


def _parse_lines(lines, uid_type, fields):
    types = {
        "uid": pa.int64() if uid_type is int else pa.string(),
        "title": pa.string(),
        "content": pa.string(),
        **fields,
    }
    table = pa.json.read_json(
        pa.BufferReader(lines),
        # One block: Arrow cuts anywhere and refuses an object in two blocks.
        pa.json.ReadOptions(use_threads=False, block_size=len(lines) + 1),
        pa.json.ParseOptions(
            explicit_schema=pa.schema(types), unexpected_field_behavior="ignore"
        ),
    )
    # Arrow has returned lists that reach beyond their values (its issue 51305).
    table.validate(full=True)
    if len(table) != lines.count(b"\n"):
        raise Malformed(f"{len(table)} objects")
    columns = {name: table[name].combine_chunks() for name in types}
    if columns["title"].null_count:
        raise Malformed("no title")
    return {**columns, "content": columns["content"].fill_null("")}


def _uid_type(block):
    """`int` or `str`, as the first object has it; `None` without an object."""
    line = block.lstrip(BLANKS + b"\n").partition(b"\n")[0]
    if not line:
        return None
    try:
        value = json.loads(line.decode())
    except (ValueError, RecursionError):
        return str
    uid = value.get("uid") if isinstance(value, dict) else None
    return int if type(uid) is int else str
