"""The tree of clusters from ten thousand labels to twenty million.

    python benchmarks/negatives_scale.py

Labels of 128 dimensions in planted clusters, which an encoder computes when it
is asked for them; their codes by 128 landmarks, in half precision, are
memory-mapped. For each number of labels, in a process of its own:

    encode_seconds     to encode all labels, once
    build_seconds      to make the sampler
    draw_ms            of 64 labels for each of 256 queries, compiled
    products           of vectors, that the draws of one query take
    move_seconds       to encode landmarks and a sample, once the encoder has
                       moved all labels, and to move the codes of all
    refresh_seconds    for the sampler to take these over, in the same groups
    rebuild_seconds    the same in new groups
    draws_from_codes   median total variation, over 8 queries at an inverse
                       temperature of 20, between the law of draws and the
                       softmax over the codes
    codes_from_vectors the same between that and the softmax over the vectors
    peak_gb            of memory, mapped pages of the file included

Draws two curves, each beside the line in the logarithm that is nearest.
"""

import argparse
import json
import pathlib
import statistics
import sys
import tempfile
import time

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))

from record import RESULTS, read_results, timed_command, write_results

DIM, QUERIES, DRAWS, JUDGED = 128, 256, 64, 8
SAMPLE = 4096  # labels that are encoded beside the landmarks
BETA = 20.0
SIZES = (10**4, 10**5, 10**6, 10**7, 2 * 10**7)
CHUNK = 2**16
CURVES = {"draw_ms": "ms for 256 queries", "products": "products for a query"}


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
    rows = read_results("negatives_scale")
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
    draw(rows)


def draw(rows):
    """The time of draws and the products they take against the labels."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 3), layout="constrained")
    sizes = sorted(rows, key=int)
    labels = [int(size) for size in sizes]
    for axes, (name, text) in zip(
        figure.subplots(1, 2), CURVES.items(), strict=True
    ):
        found = [rows[size][name] for size in sizes]
        slope, start = np.polyfit(np.log10(labels), found, 1)
        axes.plot(labels, found, marker="o")
        axes.plot(
            labels,
            slope * np.log10(labels) + start,
            linestyle=":",
            label=f"{slope:,.0f} more for ten times as many",
        )
        axes.set(xscale="log", xlabel="labels", ylabel=text)
        axes.legend(fontsize=8)
    figure.savefig(RESULTS / "negatives_scale.svg")


def measured(labels, folder):
    """The figures of one number of labels."""
    import tensorflow as tf

    from tfxc.negatives import ClusterTreeSampler, MovingCodes

    rng = np.random.default_rng(0)
    encoder = Planted(rng, labels)
    clock = Clock()
    file = folder / "codes.npy"
    codes = MovingCodes(encoder, labels, DIM, SAMPLE, path=file)
    codes.refresh(0)
    clock.stop("encode_seconds")
    sampler = ClusterTreeSampler(codes.codes, BETA, projection=codes.projection)
    clock.stop("build_seconds")
    draw = tf.function(
        lambda x: sampler.sample(x, DRAWS), jit_compile=True, autograph=False
    )
    near = encoder(rng.integers(0, labels, QUERIES))
    queries = unit(near + 0.6 * rng.normal(size=near.shape) / DIM**0.5)
    times = []
    for _ in range(12):
        begun = time.perf_counter()
        draw(queries)[0].numpy()
        times.append(1000 * (time.perf_counter() - begun))
    clock.rows["draw_ms"] = statistics.median(times[2:])
    clock.rows["products"] = sampler.products_per_query()
    queries = encoder.move(rng, queries)[:JUDGED]
    clock.start()
    codes.refresh(1)
    clock.stop("move_seconds")
    clock.rows["encoded"] = codes.report["encoded"]
    sampler.refresh(codes.codes, codes.projection, rebuild=False)
    clock.stop("refresh_seconds")
    sampler.refresh(codes.codes, codes.projection)
    clock.stop("rebuild_seconds")
    seen = queries @ codes.projection
    of_codes = Softmax(
        lambda ids: seen @ np.float32(codes.codes[ids]).T, labels
    )
    of_vectors = Softmax(lambda ids: queries @ encoder(ids).T, labels)
    # Compiled: else each call copies the variables.
    of_draws = tf.function(sampler.log_prob, jit_compile=True, autograph=False)
    clock.rows["draws_from_codes"] = distance(
        lambda ids: of_draws(queries, tf.constant(ids)).numpy(),
        *(of_codes, labels),
    )
    clock.rows["codes_from_vectors"] = distance(of_codes, of_vectors, labels)
    return clock.rows


class Planted:
    """Vectors of any labels, near some of many centres; they can be moved."""

    def __init__(self, rng, labels):
        self.centres = unit(rng.normal(size=(max(labels // 200, 8), DIM)))
        self.noise = rng.normal(size=(3, 2**12, DIM)).astype(np.float32)
        self.noise /= DIM**0.5
        self.turn = None

    def __call__(self, ids):
        """The vectors of labels: `[n, DIM]`, float32."""
        # Numbers that have nothing to do with each other.
        mixed = np.asarray(ids, np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        first, second, third, fourth = (
            (mixed >> np.uint64(shift)) % np.uint64(2**12)
            for shift in (52, 40, 28, 16)
        )
        owner = (first * 2**12 + fourth) % np.uint64(len(self.centres))
        vectors = self.centres[owner] + 0.4 * self.noise[0, second]
        vectors = unit(vectors + 0.4 * self.noise[1, third])
        if self.turn is not None:
            vectors = unit(vectors @ self.turn + 0.1 * self.noise[2, fourth])
        return vectors

    def move(self, rng, queries):
        """Turns all vectors, and moves each a little; turns queries, too."""
        turn = np.eye(DIM) + 0.02 * rng.normal(size=(DIM, DIM))
        self.turn = np.linalg.qr(turn)[0].astype(np.float32)
        return queries @ self.turn


class Softmax:
    """Log-probabilities of labels: `ids` to `[queries, ids]`.

    Args:
        products: Function of ids; `[queries, ids]`.
        labels: Their number.
    """

    def __init__(self, products, labels):
        self.products = products
        self.log_z = -np.inf
        for ids in chunks(labels):
            weights = np.exp(np.float64(BETA * products(ids)))
            log_sum = np.log(weights.sum(axis=1, keepdims=True))
            self.log_z = np.logaddexp(self.log_z, log_sum)

    def __call__(self, ids):
        return BETA * self.products(ids) - self.log_z


def distance(log_p, log_q, labels):
    """The median total variation between two laws, read in chunks."""
    total = sum(
        np.abs(np.exp(log_p(ids)) - np.exp(log_q(ids))).sum(axis=1)
        for ids in chunks(labels)
    )
    return float(np.median(total / 2))


def chunks(labels):
    """All ids, some at a time."""
    for start in range(0, labels, CHUNK):
        yield np.arange(start, min(start + CHUNK, labels))


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
