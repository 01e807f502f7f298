"""The tree of clusters from ten thousand labels to twenty million.

    python benchmarks/negatives_scale.py

Codes of 128 dimensions in planted clusters, in half precision, memory-mapped.
For each number of labels, in a process of its own: seconds to build the
sampler, milliseconds to draw 64 labels for each of 256 queries and the products
of vectors that one of them takes, seconds to move all codes by a regression,
seconds for the sampler to take them over with the same groups and with new
ones, and the peak of memory, mapped pages of the file included.
"""

import argparse
import json
import pathlib
import statistics
import tempfile
import time

import numpy as np
from record import timed_command, write_results

DIM, QUERIES, DRAWS = 128, 256, 64
SIZES = (10**4, 10**5, 10**6, 10**7, 2 * 10**7)
CHUNK = 2**18


def main():
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--labels", type=int, nargs="+", default=SIZES)
    parser.add_argument("--folder", type=pathlib.Path, help="for the codes")
    parser.add_argument("--into", type=pathlib.Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.into:
        [labels] = options.labels
        options.into.write_text(json.dumps(measured(labels, options.folder)))
        return
    rows = {}
    for labels in options.labels:
        with tempfile.TemporaryDirectory(dir=options.folder) as folder:
            into = pathlib.Path(folder) / "row.json"
            whole = timed_command(
                [
                    *(__file__, "--labels", labels, "--folder", folder),
                    *("--into", into),
                ]
            )
            row = json.loads(into.read_text())
        rows[str(labels)] = {**row, "peak_gb": whole["peak_gb"]}
        print(labels, rows[str(labels)], flush=True)
    command = "python benchmarks/negatives_scale.py"
    write_results("negatives_scale", command, rows)


def measured(labels, folder):
    """The figures of one number of labels."""
    import tensorflow as tf

    from tfxc.negatives import ClusterTreeSampler, Move, Nystrom

    rng = np.random.default_rng(0)
    codes = planted_codes(rng, labels, folder / "codes.npy")
    clock = Clock()
    sampler = ClusterTreeSampler(codes, inverse_temperature=20.0)
    clock.stop("build_seconds")
    draw = tf.function(
        lambda x: sampler.sample(x, DRAWS), jit_compile=True, autograph=False
    )
    queries = unit(rng.normal(size=(QUERIES, DIM)) + codes[:QUERIES])
    times = []
    for _ in range(12):
        begun = time.perf_counter()
        draw(queries)[0].numpy()
        times.append(1000 * (time.perf_counter() - begun))
    clock.rows["draw_ms"] = statistics.median(times[2:])
    clock.rows["products"] = sampler.products_per_query()
    turn = np.linalg.qr(np.eye(DIM) + 0.02 * rng.normal(size=(DIM, DIM)))[0]
    move = Move(turn.astype(np.float32), Nystrom(np.eye(DIM, dtype="float32")))
    clock.start()
    move.apply(codes)
    clock.stop("move_seconds")
    sampler.refresh(codes, rebuild=False)
    clock.stop("refresh_seconds")
    sampler.refresh(codes)
    clock.stop("rebuild_seconds")
    return clock.rows


def planted_codes(rng, labels, path):
    """A file of unit vectors near some of many centres: `[labels, DIM]`."""
    codes = np.lib.format.open_memmap(path, "w+", np.float16, (labels, DIM))
    centres = unit(rng.normal(size=(max(labels // 200, 8), DIM)))
    for start in range(0, labels, CHUNK):
        size = min(CHUNK, labels - start)
        mine = centres[rng.integers(0, len(centres), size)]
        noise = rng.normal(size=(size, DIM)).astype(np.float32)
        codes[start : start + size] = unit(mine + 0.6 * noise / DIM**0.5)
    codes.flush()
    return codes


def unit(array):
    """Rows of length 1, float32."""
    array = np.asarray(array, np.float32)
    return array / np.linalg.norm(array, axis=1, keepdims=True)


class Clock:
    """Seconds between its calls."""

    def __init__(self):
        self.rows = {}
        self.start()

    def start(self):
        """Begins anew."""
        self.begun = time.perf_counter()

    def stop(self, name):
        """Notes the seconds since the last call."""
        self.rows[name] = time.perf_counter() - self.begun
        self.start()


if __name__ == "__main__":
    main()
