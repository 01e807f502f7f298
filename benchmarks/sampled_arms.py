"""What `adversarial_softmax.py` compares: each arm trained and judged."""

import time

import numpy as np

BATCH = 1024
LENGTHS, USUAL = (2, 5, 7, 10, 20, 40, 80, 160), 20  # epochs
# Noise, contrast, and epochs.
ARMS = {
    "adversarial": ("tree", "negative_sampling", LENGTHS[:-1]),
    "uniform": ("uniform", "negative_sampling", LENGTHS),
    "adversarial, 64 components": (
        *("tree of 64", "negative_sampling", (2, 5, 10, 20, 40, 160)),
    ),
    "adversarial, r = 0.1, alternated": (
        *("published tree", "negative_sampling", [USUAL]),
    ),
    "uniform, more regularised": (
        *("uniform", "negative_sampling", [USUAL, 2 * USUAL]),
    ),
    "frequency": ("unigram", "negative_sampling", [USUAL]),
    "NCE by the tree": ("tree", "noise_contrastive", [USUAL]),
    "one-vs-each": ("uniform", "one_vs_each", [USUAL]),
    "augment and reduce": ("uniform", "augment_and_reduce", [USUAL]),
    "adversarial, all labels": ("tree", "negative_sampling", [USUAL]),
    "uniform, all labels": ("uniform", "negative_sampling", [USUAL]),
}
# Components, strength of the regressions' penalty, rounds.
TREES = {
    "tree": (16, 10.0, 0),
    "tree of 64": (64, 30.0, 0),
    "published tree": (16, 0.1, 10),
}


def run(data, arm, settings, epochs, seed, sampler, judge_test=True):
    """Trains, and returns `{"seconds": of the steps, ...}` of the end."""
    layer, seconds = trained(data, arm, settings, epochs, seed, sampler)
    row = {"seconds": seconds}
    row["held_out"] = figures(layer, data, "held_out", arm)["accuracy"]
    if judge_test:
        row |= figures(layer, data, "test", arm)
    return row


def trained(data, arm, settings, epochs, seed, sampler):
    """`(what ranks, seconds of the steps)`."""
    import tensorflow as tf

    import tfxc

    x, y = data.train
    steps = epochs * (len(x) // BATCH)
    layer, model = model_of(data, arm, sampler, settings, steps)
    step = tf.function(model.train_step, jit_compile=True)
    lists = (y, np.arange(len(y) + 1))
    if arm.endswith("all labels"):
        lists = data.lists["train"]
    lists = tfxc.data.LabelLists(*lists, data.num_labels)
    spent, compiles = 0.0, True
    for epoch in range(epochs):
        plan = tfxc.batching.ShuffledBatches(len(x), BATCH, seed).plan(epoch)
        batches = tfxc.data.full_label_batches(
            lambda epoch=epoch, plan=plan: (epoch, plan[: len(x) // BATCH]),
            *(tfxc.data.Vectors(x), lists, BATCH),
        )
        for batch in batches:
            begun = time.perf_counter()
            step(batch)
            spent += 0.0 if compiles else time.perf_counter() - begun
            compiles = False
    return layer, spent


def sampler_of(arm, data, seed, settings=None):
    """`(seconds of a tree's fit, what draws)`, fitted to the training rows.

    Settings of a tree are components, strength and rounds; those of the arm,
    if none are given.
    """
    import tfxc

    noise = ARMS[arm][0]
    if noise == "uniform":
        return 0.0, tfxc.negatives.Uniform(data.num_labels, seed)
    x, y = data.train
    if noise == "unigram":
        counts = np.bincount(y, minlength=data.num_labels)
        return 0.0, tfxc.negatives.Unigram(counts + 1, seed=seed)
    weights = None
    if arm.endswith("all labels"):
        ids, splits = data.lists["train"]
        counts = np.diff(splits)
        x, y = np.repeat(x, counts, axis=0), ids
        weights = np.repeat(1 / np.maximum(counts, 1), counts)
    tree = tfxc.negatives.LabelTreeSampler(
        data.num_labels, x.shape[1], *(settings or TREES[noise]), seed=seed
    )
    begun = time.perf_counter()
    tree.fit(x, y, weights)
    return time.perf_counter() - begun, tree


def model_of(data, arm, sampler, settings, steps):
    """What ranks, and the model that trains it."""
    import keras

    import tfxc

    contrast, (rate, regularizer) = ARMS[arm][1], settings
    x, _ = data.train
    size = data.num_labels, x.shape[1]
    classifier = tfxc.layers.LabelClassifier(
        *size,
        cosine=False,
        initial=np.zeros((size[0], size[1] + 1), np.float32),
        bias=True,
    )
    rows = tfxc.training.RowAdagrad(
        size[0],
        tfxc.training.LinearDecay(rate, steps),
        initial=1e-8,
        padding=False,
    )
    parts = (
        *(tfxc.encoders.StoredVectors(size[1], 0.0), None, BATCH),
        *(classifier, rows),
    )
    model = tfxc.encoders.SampledLabelClassifier(
        *(*parts, sampler, 1, contrast, regularizer), len(x)
    )
    model.compile(keras.optimizers.SGD(0.0), jit_compile=True)
    model.optimizer.build(model.trainable_variables)
    corrects = sampler if contrast == "negative_sampling" else None
    return tfxc.layers.CorrectedClassifier(classifier, corrects), model


def figures(layer, data, name, arm):
    """Accuracy and log-likelihood; also of the parts of the scores."""
    import tfxc

    x, y = getattr(data, name)
    ids, splits = data.lists[name]
    every = arm.endswith("all labels")

    def right(scores, start):
        best = scores.argmax(axis=1)
        if not every:
            return best == y[start:][: len(best)]
        rows = [
            ids[splits[row] : splits[row + 1]]
            for row in range(start, start + len(best))
        ]
        return np.array([b in row for b, row in zip(best, rows, strict=True)])

    found = {"accuracy": [], "log_likelihood": [], "without_removal": []}
    found["sampler_alone"] = []
    for start in range(0, len(x), 500):
        block, labels = x[start : start + 500], y[start:][:500]
        log_p = np.asarray(layer.log_probs(block))
        found["accuracy"].append(right(log_p, start))
        found["log_likelihood"].append(log_p[np.arange(len(block)), labels])
        tree = getattr(layer, "sampler", None)
        if isinstance(tree, tfxc.negatives.LabelTreeSampler):
            log_q = np.asarray(tree.log_probs(block))
            found["without_removal"].append(right(log_p - log_q, start))
            found["sampler_alone"].append(right(log_q, start))
    return {
        name: float(np.concatenate(parts).mean())
        * (1 if name == "log_likelihood" else 100)
        for name, parts in found.items()
        if parts
    }
