"""Vectors of queries and labels that an encoder was trained for."""

import itertools

from prepared_job import prepared_job

QUERIES = 256


def kept_vectors(options, dataset, seed):
    """`trained_vectors`, from `--keep` if they are there."""
    import numpy as np

    data = options.data / dataset
    if options.keep is None:
        return trained_vectors(data, options.epochs, seed)
    file = options.keep / f"{dataset}-{options.epochs}-{seed}.npz"
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        part = file.with_suffix(".part.npz")
        np.savez(part, **trained_vectors(data, options.epochs, seed))
        part.replace(file)
    with np.load(file) as arrays:
        return dict(arrays)


def trained_vectors(data, epochs, seed):
    """Arrays of an encoder on real data, by name.

    Returns:
        "queries" `[QUERIES, d]`, held-out ones, "labels" and "labels_half_way"
        `[L, d]`, float32; "positives" `[QUERIES]`, a right label of each;
        "counts" `[L]`, training rows of each label, and its "frequency" in
        batches.
    """
    import dataclasses

    import numpy as np
    from keras.callbacks import LambdaCallback

    from models import ngame
    from tfxc.negatives import drawn_frequency

    constructor = getattr(ngame.Recipe, data.name.replace("-", "_"))
    recipe = dataclasses.replace(constructor(), epochs=epochs, seed=seed)
    half_way = []
    with prepared_job(recipe, data) as job:
        half = epochs * len(job.rows) // recipe.batch_size // 2
        steps = itertools.count(1)  # of all epochs

        def keep_labels(step, logs=None):
            if next(steps) == half:
                half_way.append(job.label_vectors())

        ngame.train_encoder(
            recipe, job, [LambdaCallback(on_train_batch_end=keep_labels)]
        )
        rows = job.held_out[:QUERIES]
        relevant = job.relevant.take(rows)
        positives = relevant.ids[relevant.splits[:-1]]
        learned = job.relevant.take(job.rows)
        return {
            "queries": job.query_vectors(rows),
            "labels": job.label_vectors(),
            "labels_half_way": half_way[0],
            "positives": np.asarray(positives),
            "counts": learned.counts(),
            "frequency": drawn_frequency(learned),
        }
