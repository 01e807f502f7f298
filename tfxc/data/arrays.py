"""Folders of arrays: memory-mapped to read, all or nothing to write."""

import contextlib
import json
import os
import pathlib
import shutil
import tempfile
import time

import numpy as np

MANIFEST = "manifest.json"


def write_arrays(folder, arrays, meta=None):
    """Writes `arrays` as one `.npy` file each, and `meta` as JSON.

    The files are written to a temporary folder beside `folder`, which then
    takes its name: a reader sees the whole folder or none.

    Args:
        folder: Path of the folder; replaced if it exists.
        arrays: `{name: array}`; names may hold `/`. Of tensors and variables
            copies are made, one at a time.
        meta: JSON-serialisable dictionary.
    """
    folder = pathlib.Path(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    remove_abandoned(folder, 3600)
    temporary = pathlib.Path(
        tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent)
    )
    try:
        names = {}
        for number, (name, array) in enumerate(arrays.items()):
            names[name] = f"{number}.npy"
            if hasattr(array, "numpy"):
                array = array.numpy()
            np.save(temporary / names[name], array, allow_pickle=False)
        manifest = {"arrays": names, "meta": meta or {}}
        (temporary / MANIFEST).write_text(json.dumps(manifest, indent=1))
        replace_folder(temporary, folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def read_arrays(folder):
    """Reads what `write_arrays` wrote.

    Returns:
        `(arrays, meta)`; the arrays are read-only memory maps.

    Raises:
        FileNotFoundError: if there is no such folder.
        ValueError: if a file is damaged.
    """
    folder = pathlib.Path(folder)
    manifest = json.loads((folder / MANIFEST).read_text())
    try:
        arrays = {
            name: np.load(folder / file, mmap_mode="r", allow_pickle=False)
            for name, file in manifest["arrays"].items()
        }
        return arrays, manifest["meta"]
    except (EOFError, KeyError) as error:
        raise ValueError(f"{folder}: a damaged file. {error}") from error


def cached_arrays(folder, make):
    """Reads what `folder` holds; where it holds nothing sound, makes it anew.

    Args:
        folder: Path of the folder.
        make: Function that returns `(arrays, meta)`, see `write_arrays`.

    Returns:
        As `read_arrays`.
    """
    with contextlib.suppress(OSError, ValueError):
        return read_arrays(folder)
    made = make()
    try:
        write_arrays(folder, *made)
    except OSError:
        # Another process may have been faster, and its entry serves as well.
        with contextlib.suppress(OSError, ValueError):
            return read_arrays(folder)
        raise
    return read_arrays(folder)


def remove_abandoned(folder, seconds):
    """Removes what killed processes left where they were writing `folder`.

    Args:
        folder: Path, as `write_arrays` was given.
        seconds: What was touched more recently may still be written.
    """
    for path in folder.parent.glob(".*"):
        if path.is_dir() and path.name.startswith(f".{folder.name}."):
            with contextlib.suppress(OSError):  # another process was faster
                if time.time() - path.stat().st_mtime >= seconds:
                    shutil.rmtree(path)


def replace_folder(source, target):
    """Renames `source` to `target`; what stood there is removed afterwards."""
    if not target.exists():
        os.rename(source, target)
        return
    old = tempfile.mkdtemp(prefix=f".{target.name}.old.", dir=target.parent)
    os.rename(target, pathlib.Path(old) / "old")
    try:
        os.rename(source, target)
    except BaseException:
        os.rename(pathlib.Path(old) / "old", target)
        raise
    finally:
        shutil.rmtree(old, ignore_errors=True)


def write_text(path, text):
    """Writes `text` as UTF-8 to a temporary file, which then takes its name.

    Args:
        path: Path of the file; replaced if it exists.
        text: String.
    """
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(
        prefix=f".{path.name}.", dir=path.parent
    )
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(temporary, 0o644)  # mkstemp makes it private
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
