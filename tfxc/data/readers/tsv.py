"""Tab-separated text: a query, then its labels."""

import dataclasses
import pathlib

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tfxc.data.dataset import Dataset, Split
from tfxc.data.label_lists import LabelLists
from tfxc.data.readers.arrow_texts import (
    TextsBuilder,
    label_texts,
    texts_from_arrow,
    texts_to_arrow,
)
from tfxc.data.readers.data_files import DataFiles
from tfxc.data.readers.fields import NEWLINE, TAB, split_block
from tfxc.data.readers.growing_array import GrowingArray
from tfxc.data.readers.held_out import held_out_rows
from tfxc.data.readers.repeats import check_no_repeats
from tfxc.data.readers.text_files import (
    Malformed,
    line_blocks,
    parse_block,
    shown,
)
from tfxc.data.texts import Texts
from tfxc.errors import InputError

TSV_NAMES = ("train.tsv", "test.tsv", "labels.tsv")


def read_tsv(path):
    """Reads lines `query<TAB>label<TAB>label...`.

    A folder holds `train.tsv` and, where they exist, `test.tsv` and
    `labels.tsv` with lines `label<TAB>text`, each gzipped or not. Without a
    test file, a tenth of the queries is held out, see `held_out_rows`. Blank
    lines and empty labels are skipped; a query without labels is kept.

    Labels are numbered in the order of their names. The label encoder reads the
    name, then the text that `labels.tsv` has for it, if any. A label that
    occurs in `test.tsv` or `labels.tsv` alone is a label, too.

    Args:
        path: Path of the folder, or of a file to read as its `train.tsv`, or
            its `DataFiles`.

    Returns:
        A `Dataset`.

    Raises:
        InputError: naming file and line, if a file is missing or malformed.
    """
    files = tsv_files(path)
    parts = [_read_queries(files.require("train.tsv"))]
    if test_path := files.get("test.tsv"):
        parts.append(_read_queries(test_path))
    described, descriptions = _read_descriptions(files.get("labels.tsv"))
    names = pc.unique(
        pa.concat_arrays(
            [described, *(part.labels.dictionary for part in parts)]
        )
    )
    names = names.take(pc.array_sort_indices(names))
    splits = [_split(part, names) for part in parts]
    if len(splits) == 1:
        splits = _hold_out(splits[0])
    # A name that is not described gets a null here.
    contents = descriptions.take(pc.index_in(names, value_set=described))
    texts = label_texts(names, contents.fill_null(""))
    return Dataset(*splits, texts_from_arrow(texts), texts_from_arrow(names))


def tsv_files(path):
    """The `DataFiles` of a folder, or of one file as its `train.tsv`."""
    if isinstance(path, DataFiles) or pathlib.Path(path).is_dir():
        return DataFiles.of(path, TSV_NAMES)
    return DataFiles(pathlib.Path(path), {"train.tsv": pathlib.Path(path)})


@dataclasses.dataclass(frozen=True)
class _Part:
    """The queries of one file: `labels[i]` is a label of query `rows[i]`."""

    queries: Texts
    rows: np.ndarray
    labels: pa.DictionaryArray


def _read_queries(path):
    queries, rows, labels = TextsBuilder(), GrowingArray(np.int64), []
    num_rows = 0
    for _, block in line_blocks(path):
        fields, ends = split_block(block, NEWLINE, TAB)
        is_first, blank = _first_fields(fields, ends)
        is_query = is_first & ~blank
        is_label = ~is_first & (np.diff(fields.offsets) > 0)
        strings = texts_to_arrow(fields)
        queries.append(strings.filter(pa.array(is_query)))
        rows.append((num_rows - 1 + np.cumsum(is_query))[is_label])
        labels.append(strings.filter(pa.array(is_label)).dictionary_encode())
        num_rows += int(is_query.sum())
    if not num_rows:
        raise InputError(
            f"{path}: expected lines `query<TAB>label<TAB>label...`. "
            "Received: an empty file"
        )
    labels = pa.chunked_array(labels).unify_dictionaries().combine_chunks()
    return _Part(queries.build(), rows.values, labels)


def _first_fields(fields, ends):
    """Which fields start a line, and which of them are the whole, empty line:
    `[fields]`, bool, each."""
    is_first = np.append(True, ends[:-1] == NEWLINE)
    empty = np.diff(fields.offsets) == 0
    return is_first, is_first & empty & (ends == NEWLINE)


def _split(part, names):
    ids = pc.index_in(part.labels.dictionary, value_set=names).to_numpy()
    ids = ids[part.labels.indices.to_numpy()]
    shape = (len(part.queries), len(names))
    nothing = np.empty(0, np.int64)
    return Split(
        part.queries,
        LabelLists.from_pairs(part.rows, ids, *shape),
        LabelLists.from_pairs(nothing, nothing, *shape),
    )


def _hold_out(split):
    held_out = held_out_rows(split.queries)
    strings = texts_to_arrow(split.queries)
    return [
        Split(
            texts_from_arrow(strings.filter(pa.array(chosen))),
            split.relevant.take(np.flatnonzero(chosen)),
            split.filtered.take(np.flatnonzero(chosen)),
        )
        for chosen in (~held_out, held_out)
    ]


def _read_descriptions(path):
    """Arrow arrays of the names and of the texts in `labels.tsv`."""
    names, texts = [], []

    def parse(block):
        fields, ends = split_block(block, NEWLINE, TAB)
        is_first, blank = _first_fields(fields, ends)
        is_name = is_first & ~blank
        if np.any(is_name & (np.diff(fields.offsets) == 0)) or np.any(
            ~is_first & (ends == TAB)
        ):
            raise Malformed("a line without a name or with a third field")
        strings = texts_to_arrow(fields)
        followed = is_name & (ends == TAB)
        text = np.flatnonzero(is_name) + followed[is_name]
        names.append(strings.filter(pa.array(is_name)))
        texts.append(
            pc.if_else(
                pa.array(followed[is_name]), strings.take(pa.array(text)), ""
            )
        )

    for first, block in line_blocks(path) if path else ():
        parse_block(path, first, block, parse, _check_description)
    names = pa.chunked_array(names, pa.large_string())
    check_no_repeats(path, "label", names, b"")
    texts = pa.chunked_array(texts, pa.large_string())
    return names.combine_chunks(), texts.combine_chunks()


def _check_description(where, line):
    name, *texts = line.split(b"\t")
    if len(texts) > 1 or (texts and not name):
        raise InputError(
            f"{where}: expected `label<TAB>text`. Received: {shown(line)}"
        )
