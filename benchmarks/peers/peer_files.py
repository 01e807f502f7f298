"""What the scripts of peers read and write, in any environment.

Peers run under other packages than tfxc does, so this file needs NumPy alone.
Predictions go to a file, and `run.py` scores all of them with tfxc's metrics:
one implementation for everyone.
"""

import gzip
import importlib.metadata
import json
import os
import pathlib
import platform
import tempfile

import numpy as np

TOP = 100  # labels that a peer predicts for each query
OUTPUT = pathlib.Path(tempfile.gettempdir()) / "tfxc-peers"


def read_split(path):
    """Titles, and a list of relevant labels for each, of a .json.gz file."""
    titles, relevant = [], []
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            titles.append(row["title"])
            relevant.append(row["target_ind"])
    return titles, relevant


def read_labels(folder):
    """The title of each label of a data set."""
    with gzip.open(folder / "lbl.json.gz", "rt", encoding="utf-8") as lines:
        return [json.loads(line)["title"] for line in lines]


def best_of_dense(scores):
    """The best labels of each row.

    Args:
        scores: `[q, L]`, float; -inf for a label that is not predicted.

    Returns:
        `(ids, scores)`, `[q, TOP]`, int32 and float32: best first, and -1 and
        -inf for none.
    """
    top = min(TOP, scores.shape[1])
    best = np.argpartition(-scores, top - 1, axis=1)[:, :top]
    values = np.take_along_axis(scores, best, axis=1)
    order = np.argsort(-values, axis=1, kind="stable")
    ids = np.full((len(scores), TOP), -1, np.int32)
    ids[:, :top] = np.take_along_axis(best, order, axis=1)
    ranked = np.full((len(scores), TOP), -np.inf, np.float32)
    ranked[:, :top] = np.take_along_axis(values, order, axis=1)
    ids[np.isneginf(ranked)] = -1
    return ids, ranked


def write_peer(folder, name, ids, scores, packages, figures):
    """Writes `NAME.npz`, the predictions, and `NAME.json`, what they took.

    Args:
        folder: Folder to write to; made if it does not exist.
        name: Name of the peer.
        ids: `[q, TOP]`, int32; labels, best first; -1 for none.
        scores: `[q, TOP]`, float32.
        packages: Names of the packages to record the versions of.
        figures: Dictionary of seconds and whatever else was measured.
    """
    report = {
        **figures,
        "peak_gb": round(peak_gb(), 2),
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        "packages": {
            name: importlib.metadata.version(name) for name in packages
        },
    }
    folder.mkdir(parents=True, exist_ok=True)
    np.savez(folder / f"{name}.npz", ids=ids, scores=scores)
    (folder / f"{name}.json").write_text(json.dumps(report) + "\n")
    print(f"{name}: {json.dumps(report)}", flush=True)
    print(f"{name}: predictions in {folder / name}.npz", flush=True)


def peak_gb():
    """The most memory that this process held so far.

    Not `ru_maxrss`: Linux hands that of the process which started this one on.
    """
    for line in pathlib.Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024 / 1e9
    raise OSError("/proc/self/status has no line of VmHWM")
