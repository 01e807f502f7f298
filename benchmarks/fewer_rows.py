"""A part of a data set, so that many runs can be compared in a day."""

import gzip
import pathlib
import random


def with_fewer_rows(data, folder, tests=10_000, train_share=1.0):
    """The same labels and fewer queries, in another folder.

    Args:
        data: Path of a data set of raw texts.
        folder: Where to put the new one, once.
        tests: Least test rows that stay, evenly spaced; fewer than twice as
            many.
        train_share: Share of the training rows that stay; a smaller share is
            contained in a larger one.

    Returns:
        Path of the new data set.
    """
    copy = pathlib.Path(folder) / data.name
    copy.mkdir()
    for path in data.iterdir():
        if path.name not in ("trn.json.gz", "tst.json.gz"):
            (copy / path.name).symlink_to(path.resolve())
    lines = lines_of(data / "tst.json.gz")
    write(copy / "tst.json.gz", lines[:: max(len(lines) // tests, 1)])
    if train_share < 1:
        draw = random.Random(0).random
        lines = lines_of(data / "trn.json.gz")
        kept = [line for line in lines if draw() < train_share]
        write(copy / "trn.json.gz", kept)
    else:
        (copy / "trn.json.gz").symlink_to((data / "trn.json.gz").resolve())
    return copy


def lines_of(path):
    """The lines of a file, as bytes."""
    with gzip.open(path) as file:
        return file.readlines()


def write(path, lines):
    """Writes some lines, compressed a little."""
    with gzip.open(path, "w", compresslevel=1) as file:
        file.writelines(lines)
