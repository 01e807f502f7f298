"""How good the model is at each moment of one training run, and the peers.

    python benchmarks/accuracy_against_time.py --data ../shared/data

Trains the recipe of yso-finna-en on an empty cache. The clock starts with the
process, before TensorFlow is imported, and stops only while the encoder is
measured: on 5,000 test queries, drawn once, for which nothing is chosen. The
last point is the finished model, with everything that `train.py` does for it.
The peers are those of `benchmarks/results/peers.json`; their time is that of
features and training. Writes a drawing beside the results.
"""

import argparse
import os
import pathlib
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))

from record import RESULTS, read_results, write_results

from tfxc.allocator import keep_freed_memory

START = time.perf_counter()  # TensorFlow is imported later
DATASET = "yso-finna-en"
SAMPLE = 5000
METRICS = ("P@1", "P@5", "PSP@1", "R@100")
LAST = 20  # points of a run, about


def main():
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--data", type=pathlib.Path, required=True)
    options = parser.parse_args()
    keep_freed_memory()  # as the commands do
    with tempfile.TemporaryDirectory() as folder:
        os.environ["TFXC_CACHE"] = f"{folder}/cache"
        points = train(options.data / DATASET, pathlib.Path(folder) / "run")
    command = (
        f"python benchmarks/accuracy_against_time.py --data {options.data}"
    )
    write_results("accuracy_against_time", command, {"points": points})
    draw(points, read_results("peers")[DATASET])


def train(data, folder):
    """The points of one run: dictionaries of seconds and metrics."""
    import keras
    import numpy as np
    from rich.console import Console

    import tfxc
    from models import ngame

    recipe = ngame.Recipe.yso_finna_en()
    dataset, key = tfxc.data.load_dataset(data)
    run = tfxc.run.Run(folder)
    run.start({"options": {}, "recipe": {}, "content": {"key": key}})
    keras.utils.set_random_seed(recipe.seed)
    job = ngame.job_of(recipe, dataset, key, run, Console())
    sample = np.random.default_rng(0).choice(
        len(dataset.test.relevant), SAMPLE, replace=False
    )
    watch = Watch(job, np.sort(sample))

    class Measured(keras.callbacks.Callback):
        """Measures the encoder a few times per epoch."""

        def on_train_batch_end(self, step, logs=None):
            interval = self.params["steps"] * recipe.epochs // LAST
            if step % interval == interval - 1:
                watch.measure()

    make = ngame.encoder_model

    def measured(*arguments):
        model = make(*arguments)
        fit = model.fit
        model.fit = lambda *rest, callbacks, **named: fit(
            *rest, callbacks=[*callbacks, Measured()], **named
        )
        return model

    ngame.encoder_model = measured
    history = ngame.train_encoder(recipe, job)
    classifier, history = ngame.train_classifiers(recipe, job, history)
    watch.measure(ngame.trained(recipe, job, classifier, history).search)
    return watch.points


class Watch:
    """A clock that stands still while it measures.

    Args:
        job: `tfxc.training.Job`.
        rows: `[n]`, int; test queries.
    """

    def __init__(self, job, rows):
        import tfxc

        self.job = job
        self.rows = rows
        relevant, filtered = (
            lists.take(rows)
            for lists in (job.dataset.test.relevant, job.dataset.test.filtered)
        )
        self.split = tfxc.data.Split(range(len(rows)), relevant, filtered)
        self.stopped = 0.0
        self.points = []

    def measure(self, search=None):
        """Appends a point: of a search, or of the encoder alone."""
        import tfxc

        begun = time.perf_counter()
        job = self.job
        metrics, _ = tfxc.metrics.evaluate_split(
            tfxc.encoders.encode(job.encoder, job.prepared.test, self.rows),
            search or tfxc.search.ExactSearch(job.label_vectors()),
            self.split,
            job.relevant.counts(),
            len(job.relevant),
        )
        seconds = begun - START - self.stopped
        self.points.append(
            {"seconds": seconds, **{name: metrics[name] for name in METRICS}}
        )
        self.stopped += time.perf_counter() - begun


def draw(points, peers):
    """The curves, and the peers as points."""
    from matplotlib.figure import Figure

    shown = ("P@1", "PSP@1", "R@100")
    figure = Figure(figsize=(10, 3), layout="constrained")
    for axes, name in zip(figure.subplots(1, 3), shown, strict=True):
        seconds = [point["seconds"] for point in points]
        axes.plot(seconds, [point[name] for point in points], ".-")
        for peer, figures in peers.items():
            spent = figures["features_s"] + figures["train_s"]
            axes.plot(spent, figures[name], "x", color="black")
            axes.annotate(
                peer,
                (spent, figures[name]),
                xytext=(4, -10),
                textcoords="offset points",
                fontsize=8,
            )
        axes.set(xlabel="seconds from the start", ylabel=name, xlim=0)
    figure.savefig(RESULTS / "accuracy_against_time.svg")


if __name__ == "__main__":
    main()
