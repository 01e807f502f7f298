"""The check that names are unique."""

import numpy as np
import pyarrow.compute as pc

from tfxc.data.readers.text_files import line_of_row
from tfxc.errors import InputError


def check_no_repeats(path, what, names, blanks):
    """Checks that the rows of a file have names of their own.

    Args:
        path: Path of the file, for messages.
        what: What the names are.
        names: Arrow array, one name per row; a null is no name.
        blanks: See `tfxc.data.readers.text_files.line_of_row`.

    Raises:
        InputError: naming both lines, if a name is repeated.
    """
    if pc.count_distinct(names).as_py() == len(names) - names.null_count:
        return
    codes = pc.dictionary_encode(names.combine_chunks()).indices
    codes = codes.fill_null(-1).to_numpy(zero_copy_only=False)
    _, firsts, codes = np.unique(codes, return_index=True, return_inverse=True)
    repeated = firsts[codes] != np.arange(len(codes))
    repeated &= names.is_valid().to_numpy()
    row = int(np.argmax(repeated))
    first = int(firsts[codes[row]])
    raise InputError(
        f"{path}, line {line_of_row(path, row, blanks)}: expected every {what} "
        f"once, but line {line_of_row(path, first, blanks)} has it too. "
        f"Received: {names[row].as_py()!r}"
    )
