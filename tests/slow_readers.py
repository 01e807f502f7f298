"""The readers of `tfxc.data` once more, one line at a time, as oracles.

They share no code with the package, return plain lists, and expect valid files.
"""

import gzip
import json
import pathlib

import numpy as np


def lines_of(path):
    data = pathlib.Path(path).read_bytes()
    if data[:2] == b"\x1f\x8b":
        data = gzip.decompress(data)
    text = data.decode("utf-8-sig")
    if not text.endswith("\n"):
        text += "\n" if text else ""
    return text.replace("\r\n", "\n").split("\n")[:-1]


def read(folder):
    """`{"train", "test", "labels", "names"}` of a folder of any layout."""
    folder = pathlib.Path(folder)
    if find(folder, "trn.json"):
        return read_json(folder)
    if find(folder, "trn_X_Y.txt"):
        return read_split(folder)
    if find(folder, "train.txt"):
        return read_one_file(folder)
    return read_tsv(folder)


def find(folder, name):
    for path in (folder / name, folder / f"{name}.gz"):
        if path.exists():
            return path
    return None


def with_filters(folder, split, rows):
    path = find(folder, f"filter_labels_{split}.txt")
    pairs = [line.split() for line in (lines_of(path) if path else [])]
    filtered = [set() for _ in rows]
    for row, label in filter(None, pairs):
        filtered[int(row)].add(int(label))
    return [
        (query, sorted(set(labels)), sorted(labels_of_row))
        for (query, labels), labels_of_row in zip(rows, filtered, strict=True)
    ]


def query_text(value):
    title, content = value["title"], value.get("content") or ""
    return f"{title} {content}" if content not in ("", title) else title


def label_text(value):
    title, content = value["title"], value.get("content") or ""
    return content if content.startswith(title) else query_text(value)


def read_json(folder):
    def objects(name):
        path = find(folder, name)
        lines = lines_of(path) if path else []
        return [json.loads(line) for line in lines if line.strip(" \t\r")]

    def split(name, filters):
        rows = [(query_text(o), o["target_ind"]) for o in objects(name)]
        return with_filters(folder, filters, rows)

    labels = objects("lbl.json")
    return {
        "train": split("trn.json", "train"),
        "test": split("tst.json", "test"),
        "labels": [label_text(value) for value in labels],
        "names": [value["title"] for value in labels],
    }


def pairs_of(text):
    """Sorted `(id, value)` pairs, with values rounded as float32 rounds."""
    pairs = [
        word.split(":") for word in text.replace("\t", " ").split(" ") if word
    ]
    return sorted((int(id_), float(np.float32(float(v)))) for id_, v in pairs)


def read_matrix(path):
    """The rows of a matrix file as `(id, value)` pairs, and its columns."""
    header, *lines = lines_of(path)
    assert len(lines) == int(header.split()[0])
    return [pairs_of(line) for line in lines], int(header.split()[1])


def label_names(folder, count):
    path = find(folder, "labels.txt")
    return lines_of(path) if path else [str(label) for label in range(count)]


def read_split(folder):
    def split(prefix, filters):
        if not find(folder, f"{prefix}_X_Y.txt"):
            return [], None
        features, _ = read_matrix(find(folder, f"{prefix}_X_Xf.txt"))
        relevant, count = read_matrix(find(folder, f"{prefix}_X_Y.txt"))
        ids = [[id_ for id_, _ in row] for row in relevant]
        rows = list(zip(features, ids, strict=True))
        return with_filters(folder, filters, rows), count

    train, count = split("trn", "train")
    names = ("lbl_X_Xf.txt", "lbl_X_Yf.txt", "Yf.txt")
    paths = [path for path in (find(folder, name) for name in names) if path]
    return {
        "train": train,
        "test": split("tst", "test")[0],
        "labels": read_matrix(paths[0])[0] if paths else None,
        "names": label_names(folder, count),
    }


def read_one_file(folder):
    def split(name, filters):
        path = find(folder, name)
        if not path:
            return [], None
        header, *lines = lines_of(path)
        num_rows, _, count = map(int, header.split())
        assert len(lines) == num_rows
        rows = []
        for line in lines:
            labels, _, pairs = line.replace("\t", " ").partition(" ")
            ids = [int(label) for label in labels.split(",") if labels]
            rows.append((pairs_of(pairs), ids))
        return with_filters(folder, filters, rows), count

    train, count = split("train.txt", "train")
    return {
        "train": train,
        "test": split("test.txt", "test")[0],
        "labels": None,
        "names": label_names(folder, count),
    }


def hash_text(text):
    factor, mask = 0x9E3779B97F4A7C15, 2**64 - 1
    value = sum(
        (byte + 1) * pow(factor, position, 2**64)
        for position, byte in enumerate(text.encode())
    )
    value &= mask
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & mask
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & mask
    return value ^ (value >> 31)


def hold_out(rows):
    count = min(len(rows) // 10, 10_000)
    hashes = [hash_text(query) for query, _ in rows]
    limit = sorted(hashes)[count] if rows else 0
    train = [row for row, h in zip(rows, hashes, strict=True) if h >= limit]
    return train, [
        row for row, h in zip(rows, hashes, strict=True) if h < limit
    ]


def read_tsv(folder):
    def split(path):
        rows = [line.split("\t") for line in lines_of(path) if line]
        return [(query, list(filter(None, labels))) for query, *labels in rows]

    if folder.is_dir():
        train, test = find(folder, "train.tsv"), find(folder, "test.tsv")
        described = find(folder, "labels.tsv")
    else:
        train, test, described = folder, None, None
    train = split(train)
    train, test = (train, split(test)) if test else hold_out(train)
    texts = {}
    for line in lines_of(described) if described else []:
        if line:
            name, _, text = line.partition("\t")
            texts[name] = text
    names = sorted(
        {*texts, *(name for _, labels in train + test for name in labels)}
    )
    numbers = {name: number for number, name in enumerate(names)}
    return {
        "train": [(q, sorted({numbers[n] for n in ns}), []) for q, ns in train],
        "test": [(q, sorted({numbers[n] for n in ns}), []) for q, ns in test],
        "labels": [
            label_text({"title": name, "content": texts.get(name, "")})
            for name in names
        ],
        "names": names,
    }


def as_lists(dataset):
    """A `Dataset` in the form in which the slow readers return it."""
    return {
        "train": split_as_lists(dataset.train),
        "test": split_as_lists(dataset.test),
        "labels": None if dataset.labels is None else rows_of(dataset.labels),
        "names": rows_of(dataset.label_names),
    }


def split_as_lists(split):
    relevant = [
        ids.tolist()
        for ids in map(split.relevant.__getitem__, range(len(split)))
    ]
    filtered = [
        ids.tolist()
        for ids in map(split.filtered.__getitem__, range(len(split)))
    ]
    return list(zip(rows_of(split.queries), relevant, filtered, strict=True))


def rows_of(queries):
    if hasattr(queries, "utf8"):
        return [text.decode() for text in queries.encoded()]
    rows = [queries[row] for row in range(len(queries))]
    return [
        list(zip(ids.tolist(), values.tolist(), strict=True))
        for ids, values in rows
    ]


def write_files(folder, files):
    """Writes `{name: str or bytes}`; names that end in `.gz` are gzipped."""
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        data = data.encode() if isinstance(data, str) else data
        if name.endswith(".gz"):
            data = gzip.compress(data)
        (folder / name).write_bytes(data)
    return folder
