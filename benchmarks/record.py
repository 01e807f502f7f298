"""Runs to measure, and where their results go."""

import csv
import json
import os
import pathlib
import platform
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"


def write_results(name, command, results):
    """Writes `benchmarks/results/NAME.json`, and prints it.

    Args:
        name: Name of the file.
        command: How to measure it again.
        results: JSON-serialisable dictionary.
    """
    report = {
        "command": command,
        "machine": {
            "cores": os.cpu_count(),
            "processor": platform.machine(),
            "python": platform.python_version(),
        },
        "results": results,
    }
    text = json.dumps(report, indent=1)
    RESULTS.mkdir(exist_ok=True)
    temporary = RESULTS / f".{name}.json"
    temporary.write_text(text + "\n")
    temporary.rename(RESULTS / f"{name}.json")
    print(text)


def read_results(name):
    """The results that `write_results` has written; empty if none."""
    path = RESULTS / f"{name}.json"
    return json.loads(path.read_text())["results"] if path.exists() else {}


def timed_command(arguments, environment=None):
    """Runs a command of this Python as a process of its own.

    Returns:
        `{"seconds", "peak_gb"}`: wall time, and the most memory of the process.

    Raises:
        subprocess.CalledProcessError: if the command fails.
    """
    start = time.perf_counter()
    command = [sys.executable, *map(str, arguments)]
    process = subprocess.Popen(
        command, cwd=ROOT, env={**os.environ, **(environment or {})}
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return {
        "seconds": round(time.perf_counter() - start, 1),
        "peak_gb": round(usage.ru_maxrss * 1024 / 1e9, 2),
    }


def timed_run(recipe, data, seed, flags, empty_cache=False):
    """Runs `train.py` on a data set as a process of its own.

    Args:
        recipe: Its name.
        data: Path of the data set.
        seed: Integer.
        flags: Further arguments.
        empty_cache: Whether to prepare the data anew.

    Returns:
        What `timed_command` returns, the content of `metrics.json`, and that of
        `history.csv` as dictionaries of strings.
    """
    with tempfile.TemporaryDirectory() as folder:
        environment = {"TFXC_CACHE": f"{folder}/cache"} if empty_cache else {}
        run = pathlib.Path(folder) / "run"
        return timed_run_in(run, recipe, data, seed, flags, environment)


def timed_run_in(run, recipe, data, seed, flags, environment=None):
    """The same in a folder of a run, which is kept."""
    whole = timed_command(
        [
            *("train.py", recipe, "--data", data.resolve()),
            *("--output", run, "--seed", seed, *flags),
        ],
        environment,
    )
    metrics = json.loads((run / "metrics.json").read_text())
    with open(run / "history.csv") as lines:
        return whole, metrics, list(csv.DictReader(lines))
