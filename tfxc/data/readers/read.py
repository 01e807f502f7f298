"""The one function that reads a data set of any layout."""

import dataclasses
import pathlib
from collections.abc import Callable

from tfxc.data.readers.data_files import DataFiles
from tfxc.data.readers.json_lines import JSON_NAMES, read_json_lines
from tfxc.data.readers.tsv import TSV_NAMES, read_tsv, tsv_files
from tfxc.data.readers.xmlc import (
    ONE_FILE_NAMES,
    SPLIT_NAMES,
    read_xmlc_one_file,
    read_xmlc_split,
)
from tfxc.errors import InputError


@dataclasses.dataclass(frozen=True)
class Layout:
    """A way in which a data set lies in a folder.

    Args:
        expected: What the folder holds, for messages.
        signs: Names of files, any of which tells the layout.
        names: Names of all files that are read.
        read: Function from `DataFiles` to `Dataset`.
    """

    expected: str
    signs: tuple
    names: tuple
    read: Callable


# The first that fits is taken: raw text says more than its features.
LAYOUTS = (
    Layout("trn.json and lbl.json", ("trn.json",), JSON_NAMES, read_json_lines),
    Layout(
        "trn_X_Xf.txt and trn_X_Y.txt",
        ("trn_X_Xf.txt", "trn_X_Y.txt"),
        SPLIT_NAMES,
        read_xmlc_split,
    ),
    Layout("train.txt", ("train.txt",), ONE_FILE_NAMES, read_xmlc_one_file),
    Layout("train.tsv", ("train.tsv",), TSV_NAMES, read_tsv),
)
MOST_SHOWN = 20


def read_dataset(path):
    """Reads a data set, whichever of the known layouts it has.

    Files may be gzipped, which adds `.gz` to their names.

    | layout | files | read by |
    |---|---|---|
    | raw text | `trn.json`, `lbl.json`, `tst.json` | `read_json_lines` |
    | features and labels apart | `trn_X_Xf.txt`, `trn_X_Y.txt`, ... | \
`read_xmlc_split` |
    | features and labels together | `train.txt`, `test.txt` | \
`read_xmlc_one_file` |
    | tab-separated text | `train.tsv`, `test.tsv`, `labels.tsv`, or any one \
`.tsv` file | `read_tsv` |

    Args:
        path: Path of the folder, or of one `.tsv` file.

    Returns:
        A `Dataset` with at least one training query that has a label.

    Raises:
        InputError: naming file and line, if there is no such data set, or a
            file is missing or malformed.
    """
    read, files = find_layout(path)
    dataset = read(files)
    for received, expected in (
        (len(dataset.train), "training queries"),
        (dataset.num_labels, "labels"),
        (len(dataset.train.relevant.ids), "training queries with a label"),
    ):
        if not received:
            raise InputError(f"{path}: expected {expected}. Received: none")
    return dataset


def find_layout(path):
    """The reader of a data set and the files that it reads.

    Args:
        path: Path of the folder, or of one `.tsv` file.

    Returns:
        `(read, files)`: a function from `DataFiles` to `Dataset`, and its
        argument.

    Raises:
        InputError: if there is no such data set.
    """
    path = pathlib.Path(path)
    if path.name.removesuffix(".gz").endswith(".tsv") and path.is_file():
        return read_tsv, tsv_files(path)
    for layout in LAYOUTS:
        files = DataFiles.of(path, layout.names)
        if files.get(*layout.signs):
            return layout.read, files
    expected = "; ".join(layout.expected for layout in LAYOUTS)
    raise InputError(
        f"{path}: expected one .tsv file or a folder with one of: {expected} "
        f"(each may end in .gz). Received: {_what_is_there(path)}"
    )


def _what_is_there(path):
    if not path.exists():
        return "no such file or folder"
    if not path.is_dir():
        return "a file"
    names = sorted(entry.name for entry in path.iterdir())
    more = ", ..." if len(names) > MOST_SHOWN else ""
    return f"a folder with {', '.join(names[:MOST_SHOWN]) or 'no files'}{more}"
