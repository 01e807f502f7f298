"""Slow, exact checks of one line of JSON, to say what is wrong with it."""

import json

from tfxc.data.readers.text_files import shown
from tfxc.errors import InputError

BLANKS = b" \t\r"
KEYS = {"uid", "title", "content", "target_ind"}
UID_NAMES = {int: "a 64-bit integer", str: "a string"}


def check_label(where, line, uid_type):
    """Checks a line of `lbl.json`.

    Args:
        where: File and line; the message starts with it.
        line: `bytes` of the line.
        uid_type: `int` or `str`.

    Returns:
        The object, as a dictionary; `None` for a blank line.

    Raises:
        InputError: if the line is wrong.
    """
    if not line.strip(BLANKS):
        return None
    value = _object(where, line)
    for key, optional in (("title", False), ("content", True)):
        if not (
            _is_text(value.get(key)) or (optional and value.get(key) is None)
        ):
            raise InputError(
                f'{where}: expected "{key}" to be a string. Received: '
                + (repr(value[key])[:80] if key in value else "no such key")
            )
    uid = value.get("uid")
    if uid is not None and not (
        type(uid) is int and -(2**63) <= uid < 2**63
        if uid_type is int
        else _is_text(uid)
    ):
        raise InputError(
            f'{where}: expected "uid" to be {UID_NAMES[uid_type]}, as in the '
            f"first line. Received: {uid!r}"
        )
    return value


def check_query(where, line, uid_type, num_labels):
    """Checks a line of `trn.json` or `tst.json`; see `check_label`."""
    value = check_label(where, line, uid_type)
    if value is None:
        return
    expected = f'{where}: expected "target_ind" to be a list of'
    ids = value.get("target_ind")
    if not isinstance(ids, list):
        raise InputError(
            f"{expected} integers. Received: "
            + (repr(ids)[:80] if "target_ind" in value else "no such key")
        )
    for id_ in ids:
        if type(id_) is not int:
            raise InputError(f"{expected} integers. Received: {id_!r}")
        if not 0 <= id_ < num_labels:
            raise InputError(
                f"{expected} labels in [0, {num_labels}). Received: {id_}"
            )


def _object(where, line):
    try:
        value = json.loads(line.decode(), object_pairs_hook=_without_repeats)
    except (ValueError, RecursionError) as error:
        raise InputError(
            f"{where}: expected one JSON object ({error}). "
            f"Received: {shown(line)}"
        ) from error
    if not isinstance(value, dict):
        raise InputError(
            f"{where}: expected one JSON object. Received: {shown(line)}"
        )
    return value


def _without_repeats(pairs):
    keys = [key for key, _ in pairs if key in KEYS]
    if len(set(keys)) < len(keys):
        raise ValueError("a key is repeated")
    return dict(pairs)


def _is_text(value):
    """Whether a value is a string that UTF-8 can hold: no half of a pair."""
    return isinstance(value, str) and not any(
        "\ud800" <= character <= "\udfff" for character in value
    )
