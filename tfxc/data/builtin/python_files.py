"""The installed Python source files that the built-in data set is read from."""

import hashlib
import importlib.metadata
import importlib.util
import os
import platform
import sysconfig

PACKAGES = ("numpy", "keras", "tensorflow")
# Tests, tools, tables, platforms, and places of other packages.
SKIPPED = {
    "__pycache__", "conftest", "distutils", "encodings", "ensurepip",
    "f2py", "idlelib", "lib2to3", "ntpath", "pydoc_data", "test",
    "testing", "tests", "testutils", "turtledemo",
}  # fmt: skip
SKIPPED_NAMES = {
    "numpy.core",  # old names of what is in `numpy`
    "numpy.matlib",
    "tensorflow._api.v2.compat.v1",
    "tensorflow._api.v2.compat.v2",
    "tensorflow._api.v2.v2",
    "tensorflow.python.keras",
}


def python_files():
    """Finds the files of the standard library and of `PACKAGES`.

    Packages are found by name, which does not import them; one that is not
    installed is left out.

    Returns:
        `{module: path}`, sorted, such as `{"json.decoder": ".../decoder.py"}`.
        An `__init__.py` stands under the name of its package.
    """
    files = {}
    add_files(files, sysconfig.get_path("stdlib"), "")
    for package in PACKAGES:
        spec = importlib.util.find_spec(package)
        for folder in (spec and spec.submodule_search_locations) or ():
            add_files(files, folder, package)
    return dict(sorted(files.items()))


def add_files(files, folder, package):
    """Adds a folder's files, and those of the folders in it."""
    with os.scandir(folder) as entries:
        for entry in entries:
            stem, extension = os.path.splitext(entry.name)
            name = f"{package}.{stem}" if package else stem
            # Names such as `site-packages` are no modules.
            if not stem.isidentifier() or stem in SKIPPED:
                continue
            if name in SKIPPED_NAMES:
                continue
            if extension == ".py":
                files[package if stem == "__init__" else name] = entry.path
            elif not extension and entry.is_dir(follow_symlinks=False):
                add_files(files, entry.path, name)


def files_fingerprint(files):
    """Names versions, and digests the files' names and sizes; opens none."""
    digest = hashlib.blake2b(digest_size=8)
    for name, path in files.items():
        digest.update(f"{name} {os.path.getsize(path)}\n".encode())
    versions = [f"python-{platform.python_version()}"]
    versions += [f"{package}-{version_of(package)}" for package in PACKAGES]
    return "-".join([*versions, digest.hexdigest()])


def version_of(package):
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "none"
