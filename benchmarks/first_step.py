"""How long preparing takes, and how soon a second start takes its first step.

    python benchmarks/first_step.py --data ../shared/data

Each figure is of a process of its own, in the folder of benchmarks: reading and
tokenising on an empty cache, then from the start of the work (TensorFlow
imported) to the end of the first training step on a full one.
"""

import argparse
import json
import os
import pathlib
import resource
import subprocess
import sys
import tempfile
import time

from record import ROOT, write_results


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=pathlib.Path, required=True)
    parser.add_argument("--cache", type=pathlib.Path, help="run one case here")
    options = parser.parse_args()
    data = options.data / "yso-finna-en"
    if options.cache:
        print(json.dumps(one_case(data, options.cache)))
        return
    results = {}
    with tempfile.TemporaryDirectory() as cache:
        for case in ("empty cache", "full cache", "full cache again"):
            results[case] = json.loads(
                subprocess.run(
                    [
                        *(sys.executable, __file__, "--cache", cache),
                        *("--data", str(options.data)),
                    ],
                    cwd=ROOT,
                    check=True,
                    capture_output=True,
                    text=True,
                ).stdout.splitlines()[-1]
            )
    command = f"python benchmarks/first_step.py --data {options.data}"
    write_results("first_step", command, results)


def one_case(data, cache):
    """Seconds to prepare and to take one step, in this process."""
    start = time.perf_counter()
    os.environ["TFXC_CACHE"] = str(cache)
    sys.path.insert(0, str(ROOT))
    import tensorflow as tf

    import tfxc
    from models import ngame

    imported = time.perf_counter()
    dataset, key = tfxc.data.load_dataset(data)
    recipe = ngame.Recipe.yso_finna_en()
    tokens = tfxc.training.tokens(recipe)
    tfxc.data.prepare(dataset, key, tokens)
    ready = time.perf_counter()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
    job = ngame.job_of(recipe, dataset, key, None, None)
    model = ngame.encoder_model(recipe, job, steps=1)
    plan = tfxc.batching.ShuffledBatches(
        job.rows, recipe.batch_size, recipe.seed
    )
    batches = tfxc.data.training_batches(
        lambda: (0, plan.plan(0)),
        job.prepared.train,
        job.prepared.labels,
        job.relevant,
        recipe.batch_size,
        recipe.num_candidates,
        recipe.seed,
    )
    model.optimizer.build(model.trainable_variables)
    step = tf.function(model.train_step, jit_compile=True)
    loss = float(step(next(iter(batches)))["loss"])
    assert loss > 0
    return {
        "import_seconds": round(imported - start, 2),
        "prepare_seconds": round(ready - imported, 2),
        "prepare_peak_gb": round(peak, 2),
        "first_step_seconds": round(time.perf_counter() - imported, 2),
    }


if __name__ == "__main__":
    main()
