"""How fast the readers are, beside the usual loops.

Every figure is taken in a process of its own, which also gives its peak memory,
as the median of three runs. Run from the root of the repository:

    python benchmarks/readers.py --data ../shared/data
"""

import argparse
import gzip
import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np

ROOT = pathlib.Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results" / "readers.json"
REPEATS = 3
LABELS_FILE = "lf-amazontitles-131k-fixture/tst_X_Y.txt.gz"
RAW_TEXT = "yso-finna-en"
FEATURES_FILE = "features.txt"
FEATURES_SHAPE = (100_000, 40_000)
FEATURES_PER_ROW = 70


def read_labels(data):
    from tfxc.data import read_label_lists

    return read_label_lists, data / LABELS_FILE


def read_labels_in_a_loop(data):
    def read(path):
        with gzip.open(path, "rt") as lines:
            next(lines)
            return [
                [int(pair.partition(":")[0]) for pair in line.split()]
                for line in lines
            ]

    return read, data / LABELS_FILE


def read_raw_text(data):
    from tfxc.data import read_dataset

    return read_dataset, data / RAW_TEXT


def read_raw_text_in_a_loop(data):
    def read(folder):
        queries = []
        for name in ("lbl.json.gz", "trn.json.gz", "tst.json.gz"):
            with gzip.open(folder / name, "rt") as lines:
                for line in lines:
                    value = json.loads(line)
                    queries.append((value["title"], value.get("target_ind")))
        return queries

    return read, data / RAW_TEXT


def map_raw_text(data):
    from tfxc.data import prepared_dataset

    cache = pathlib.Path(os.environ["BENCHMARK_CACHE"])
    return lambda folder: prepared_dataset(folder, cache), data / RAW_TEXT


def read_features(data):
    from tfxc.data import read_sparse_features

    return read_sparse_features, features_file()


def read_features_with_scikit_learn(data):
    from sklearn.datasets import load_svmlight_file

    def read(path):
        # Its format asks for a target in front of each row, and no header.
        return load_svmlight_file(
            str(path.with_suffix(".svm")), zero_based=True, dtype=np.float32
        )

    return read, features_file()


TASKS = {
    "labels of 134,835 rows: tfxc": read_labels,
    "labels of 134,835 rows: loop": read_labels_in_a_loop,
    "raw text of 561,544 queries: tfxc": read_raw_text,
    "raw text of 561,544 queries: loop": read_raw_text_in_a_loop,
    "raw text of 561,544 queries: tfxc, second start": map_raw_text,
    "7,000,000 features: tfxc": read_features,
    "7,000,000 features: scikit-learn": read_features_with_scikit_learn,
}


def features_file():
    return pathlib.Path(os.environ["BENCHMARK_CACHE"]) / FEATURES_FILE


def write_features():
    """Random rows as TF-IDF features look: few per row, five decimals."""
    rng = np.random.default_rng(0)
    rows, columns = FEATURES_SHAPE
    ids = rng.integers(0, columns // FEATURES_PER_ROW, (rows, FEATURES_PER_ROW))
    ids += np.arange(FEATURES_PER_ROW) * (columns // FEATURES_PER_ROW)
    values = rng.random(ids.shape)
    path = features_file()
    with open(path, "w") as plain, open(path.with_suffix(".svm"), "w") as svm:
        plain.write(f"{rows} {columns}\n")
        for row in zip(ids, values, strict=True):
            pairs = zip(*(part.tolist() for part in row), strict=True)
            line = " ".join(f"{id_}:{value:.5f}" for id_, value in pairs)
            plain.write(f"{line}\n")
            svm.write(f"0 {line}\n")


def measure(task, data):
    """Runs one task in this process and prints wall seconds, those of its
    processor and peak megabytes."""
    read, path = TASKS[task](data)
    wall, cpu = time.perf_counter(), time.process_time()
    result = read(path)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    status = pathlib.Path("/proc/self/status").read_text()
    megabytes = int(status.split("VmHWM:")[1].split()[0]) / 1000
    assert result is not None
    print(json.dumps([wall, cpu, megabytes]))


def measure_apart(task, data):
    """Runs one task `REPEATS` times, each in a process of its own."""
    command = [sys.executable, __file__, "--data", data, "--task", task]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    runs = [
        json.loads(subprocess.check_output(command, env=environment))
        for _ in range(REPEATS)
    ]
    wall, cpu, megabytes = zip(*runs, strict=True)
    return {
        "seconds": round(statistics.median(wall), 3),
        "cpu_seconds": round(statistics.median(cpu), 3),
        "peak_mb": round(statistics.median(megabytes)),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=pathlib.Path, required=True)
    parser.add_argument("--task", choices=TASKS)
    arguments = parser.parse_args()
    if arguments.task:
        measure(arguments.task, arguments.data)
        return
    with tempfile.TemporaryDirectory() as cache:
        os.environ["BENCHMARK_CACHE"] = cache
        write_features()
        # The first start fills the cache that the second one is timed on.
        measure_apart(
            "raw text of 561,544 queries: tfxc, second start", arguments.data
        )
        results = {task: measure_apart(task, arguments.data) for task in TASKS}
    report = {
        "command": "python benchmarks/readers.py --data ../shared/data",
        "machine": f"{os.cpu_count()} cores, {platform.machine()}",
        "load": round(os.getloadavg()[0], 1),
        "results": results,
    }
    RESULTS.write_text(json.dumps(report, indent=1) + "\n")
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
