"""Slow, exact checks of one line of numbers, to say what is wrong with it."""

import re

import numpy as np

from tfxc.data.readers.text_files import shown
from tfxc.errors import InputError

INTEGER = re.compile(rb"-?\d+")
NUMBER = re.compile(rb"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")
NOT_FINITE = re.compile(rb"[-+]?(nan|inf|infinity)", re.IGNORECASE)
# Longer than any id; Python refuses to convert very long numbers.
HUGE = 10**18


def check_pairs(where, line, num_columns, unique):
    """Checks a line of `id:value` pairs.

    Args:
        where: File and line; the message starts with it.
        line: `bytes` of the line.
        num_columns: Ids must be below it.
        unique: Whether an id may occur only once.

    Raises:
        InputError: if the line is wrong.
    """
    seen = set()
    for word in words_of(line):
        id_, _, value = word.partition(b":")
        if not INTEGER.fullmatch(id_) or not (
            NUMBER.fullmatch(value) or NOT_FINITE.fullmatch(value)
        ):
            raise InputError(
                f"{where}: expected `id:value` pairs. Received: {shown(word)}"
            )
        column = check_id(where, id_, num_columns)
        with np.errstate(over="ignore"):
            if not np.isfinite(np.float32(float(value))):
                raise InputError(
                    f"{where}: expected finite 32-bit values. "
                    f"Received: {shown(word)}"
                )
        if unique and column in seen:
            raise InputError(
                f"{where}: expected each id once. Received: {column} again"
            )
        seen.add(column)


def check_labelled_pairs(where, line, num_columns, num_labels):
    """Checks a line `l1,l2 id:value id:value`; see `check_pairs`."""
    labels, _, pairs = line.replace(b"\t", b" ").partition(b" ")
    for label in labels.split(b",") if labels else []:
        if not INTEGER.fullmatch(label):
            raise InputError(
                f"{where}: expected labels with commas between them, or a "
                f"space where there are none. Received: {shown(labels)}"
            )
        check_id(where, label, num_labels, "label ids")
    check_pairs(where, pairs, num_columns, unique=True)


def check_id(where, digits, limit, what="ids"):
    """The integer that matches `INTEGER`; an `InputError` if out of range."""
    value = int(digits) if len(digits) < len(str(HUGE)) else HUGE
    if not 0 <= value < limit:
        raise InputError(
            f"{where}: expected {what} in [0, {limit}). "
            f"Received: {digits[:40].decode()}"
        )
    return value


def words_of(line):
    """What blanks separate on a line; only spaces and tabs are blanks."""
    return [word for word in line.replace(b"\t", b" ").split(b" ") if word]
