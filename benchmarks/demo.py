"""`python train.py` as a new user runs it: built-in data, empty cache.

python benchmarks/demo.py
"""

import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

from record import ROOT, timed_command, write_results

QUERY = "write element tree to standard output"
EXPECTED = "xml.etree.ElementTree.dump"


def main():
    argparse.ArgumentParser(description=__doc__.splitlines()[0]).parse_args()
    with tempfile.TemporaryDirectory() as folder:
        run = pathlib.Path(folder) / "run"
        whole = timed_command(
            ["train.py", "--output", run], {"TFXC_CACHE": f"{folder}/cache"}
        )
        metrics = json.loads((run / "metrics.json").read_text())
        answer = json.loads(
            subprocess.run(
                [
                    *(sys.executable, "-m", "tfxc.predict", run, QUERY),
                    *("-k", "5", "--json"),
                ],
                cwd=ROOT,
                check=True,
                capture_output=True,
                text=True,
            ).stdout
        )
    results = {
        **whole,
        "P@1": metrics["P@1"],
        "R@100": metrics["R@100"],
        "zero_shot/P@1": metrics["zero_shot/P@1"],
        "zero_shot/R@100": metrics["zero_shot/R@100"],
        "query": QUERY,
        "answer": answer,
        "found": EXPECTED in json.dumps(answer),
    }
    write_results("demo", "python benchmarks/demo.py", results)


if __name__ == "__main__":
    main()
