"""What other packages reach on the same files, on the same machine.

    python benchmarks/peers/run.py --data ../shared/data

The packages cannot share tfxc's environment, nor that of each other (libpecos
needs an old NumPy), so each script here has one of its own: made on the first
call, from `linear.txt` and `sentence_transformers.txt`, and kept in the user's
folder of caches. That of `linear.txt` needs Python 3.11 or 3.12. To use
environments that exist already:

    python benchmarks/peers/run.py --data ../shared/data \\
        --linear-python FOLDER/bin/python --torch-python FOLDER/bin/python

Each peer runs as a process of its own, and only its predictions come back:
they are scored here, by `tfxc.metrics`. Figures of peers that are not measured
again, see `--dataset` and `--only`, stay in `benchmarks/results/peers.json`.

Percentages. train_s, predict_s and features_s are seconds, of which only
features_s contains computing TF-IDF; peak_gb is the memory of the process.
"""

import argparse
import contextlib
import hashlib
import json
import os
import pathlib
import subprocess
import sys
import tempfile

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))

from record import read_results, write_results

import tfxc
from tfxc.metrics import RankingMetrics, inverse_propensity

HERE = pathlib.Path(__file__).parent
A, B = 0.55, 1.5  # of the propensity
LINEAR = ("centroid", "pecos-xrlinear", "napkinxc-plt")
EPOCHS = {
    "st-minilm-zeroshot": 0,
    "st-minilm-mnrl-1ep": 1,
    "st-minilm-mnrl-3ep": 3,
}
PEERS = {
    "yso-finna-en": LINEAR,
    "cooking": (*LINEAR, "one-vs-rest-svm", *EPOCHS),
}


def main():
    options = parse()
    plan = [
        (dataset, name)
        for dataset in options.dataset or PEERS
        for name in PEERS[dataset]
        if name in (options.only or PEERS[dataset])
    ]
    if not plan:
        raise SystemExit(
            f"`--only` must name peers of `--dataset`. Received: {options.only}"
        )
    command = f"python benchmarks/peers/run.py --data {options.data}"
    results = read_results("peers")
    for dataset, name in plan:
        figures = measure(dataset, name, options)
        if options.note:
            figures["note"] = options.note
        key = f"{name}-seed{options.seed}" if figures.get("seed") else name
        results.setdefault(dataset, {})[key] = figures
        with contextlib.redirect_stdout(None):  # after each, so none is lost
            write_results("peers", command, results)
    write_results("peers", command, results)


def parse():
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    names = PEERS["cooking"]
    parser.add_argument("--data", type=pathlib.Path, required=True)
    parser.add_argument("--dataset", choices=PEERS, nargs="+")
    parser.add_argument("--only", choices=names, nargs="+", metavar="NAME")
    parser.add_argument("--seed", type=int, default=0, help="of st-*-mnrl")
    parser.add_argument("--linear-python", help="interpreter of linear.py")
    parser.add_argument(
        "--torch-python", help="interpreter of sentence_transformers_mnrl.py"
    )
    parser.add_argument("--note", help="kept with the figures")
    return parser.parse_args()


def measure(dataset, name, options):
    """Runs one peer, and scores what it predicts."""
    with tempfile.TemporaryDirectory() as folder:
        arguments = [
            *peer_command(name, options),
            *("--data", options.data, "--dataset", dataset),
            *("--output", folder),
        ]
        subprocess.run(list(map(str, arguments)), check=True)
        written = pathlib.Path(folder) / name
        with np.load(written.with_suffix(".npz")) as predictions:
            figures = score(options.data / dataset, predictions["ids"])
        return figures | json.loads(written.with_suffix(".json").read_text())


def peer_command(name, options):
    """Interpreter, script and arguments that choose one peer."""
    if name in EPOCHS:
        return (
            options.torch_python or environment("sentence_transformers.txt"),
            HERE / "sentence_transformers_mnrl.py",
            *("--epochs", EPOCHS[name], "--seed", options.seed),
        )
    return (
        options.linear_python or environment("linear.txt"),
        HERE / "linear.py",
        *("--only", name),
    )


def environment(requirements):
    """The interpreter of the environment for a file of requirements.

    The folder is named for the content of the file, so that other versions are
    another environment, and holds a mark once everything is installed.
    """
    path = HERE / requirements
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    key = hashlib.sha256(path.read_bytes() + python.encode()).hexdigest()[:12]
    cache = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
    folder = pathlib.Path(cache) / "tfxc-peers" / f"{path.stem}-{key}"
    interpreter, mark = folder / "bin" / "python", folder / "complete"
    if not mark.exists():
        print(f"installing {requirements} in {folder}", flush=True)
        make = [sys.executable, "-m", "venv", "--clear", folder]
        subprocess.run(make, check=True)
        install = [interpreter, "-m", "pip", "install", "-q", "-r", path]
        subprocess.run(install, check=True)
        mark.touch()
    return interpreter


def score(path, ids):
    """The metrics of predictions for the test split of a data set."""
    dataset, _ = tfxc.data.load_dataset(path)
    train, test = dataset.train.relevant, dataset.test.relevant
    weights = inverse_propensity(train.counts(), len(train), A, B)
    metrics = RankingMetrics(dataset.num_labels, weights)
    metrics.update(ids, test)
    values = {
        name: round(value, 3)
        for name, value in metrics.result().items()
        if not name.startswith("coverage")
    }
    return {**values, "propensity_A": A, "propensity_B": B}


if __name__ == "__main__":
    main()
