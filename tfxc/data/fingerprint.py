"""A name for the contents of a data set, or of any files."""

import hashlib

from tfxc.data.readers.read import find_layout
from tfxc.errors import InputError

DIGEST_BYTES = 16


def fingerprint(path):
    """Hashes the files that `read_dataset` would read.

    It depends on what the files hold and on the part that each plays, not on
    where they lie: a data set that is moved or copied keeps its fingerprint.

    Args:
        path: Path of the folder, or of one `.tsv` file.

    Returns:
        32 hexadecimal digits.

    Raises:
        InputError: if there is no such data set or a file cannot be read.
    """
    _, files = find_layout(path)
    return digest_of_files(files.found)


def digest_of_files(files):
    """Hashes what files hold, and their names.

    Args:
        files: `{name: path}`, in any order.

    Returns:
        32 hexadecimal digits.

    Raises:
        InputError: if a file cannot be read.
    """
    total = hashlib.blake2b(digest_size=DIGEST_BYTES)
    for name, path in sorted(files.items()):
        # Digests are of one length, so no two lists of files look the same.
        total.update(hashlib.blake2b(name.encode()).digest())
        total.update(_file_digest(path))
    return total.hexdigest()


def _file_digest(path):
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, hashlib.blake2b).digest()
    except OSError as error:
        raise InputError(
            f"{path}: expected a file that can be read. Received: {error}"
        ) from error
