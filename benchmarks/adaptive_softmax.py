"""Adaptive softmax beside the full one: time of a step, and likelihood.

    python benchmarks/adaptive_softmax.py --data ../shared/data

Steps are those of training, batch 1,024, 256 dimensions: losses, gradients and
Adagrad. The full softmax is the one of `FullLabelClassifier`, in blocks of
labels. Both take turns in one process; ratios are medians over rounds. Labels
are as frequent as those of yso-finna-en, in their order, and from there on as
Zipf has it. Cutoffs are those that `choose_cutoffs` finds for the costs that
`measure_cost` measures just before.

The likelihood is that of 5,000 held-out queries of yso-finna-en, one label
each, after as many epochs of either, on the fixed features of
`benchmarks/adversarial_softmax.py`, with the best of four rates of Adam for
each.
"""

import argparse
import contextlib
import pathlib
import statistics
import time

import adversarial_softmax
import numpy as np
from record import read_results, write_results

DIM, BATCH = 256, 1024
SIZES, NAMED = (10_000, 100_000, 500_000, 1_000_000), 500_000
EPOCHS, RATES = 2, (1e-2, 3e-2, 1e-1, 3e-1)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--data", type=pathlib.Path, required=True)
    parser.add_argument("--sizes", nargs="*", type=int, default=SIZES)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--likelihood", action="store_true")
    parser.add_argument(
        "--features", type=pathlib.Path, default=pathlib.Path("features.npz")
    )
    options = parser.parse_args()
    command = f"python benchmarks/adaptive_softmax.py --data {options.data}"
    results = read_results("adaptive_softmax")
    dataset = options.data / "yso-finna-en"

    def save():
        with contextlib.redirect_stdout(None):
            write_results("adaptive_softmax", command, results)

    for size in options.sizes:
        row = steps_of(frequencies(dataset, size), options.rounds)
        results.setdefault("steps", {})[str(size)] = row
        print(size, row, flush=True)
        save()
    if options.likelihood:
        if not options.features.exists():
            adversarial_softmax.make_features(dataset, options.features)
        results["likelihood"] = likelihoods(options.features, save, results)
    write_results("adaptive_softmax", command, results)


def frequencies(data, size):
    """How frequent so many labels are, the most frequent first."""
    import tfxc

    dataset, _ = tfxc.data.load_dataset(data)
    counts = np.sort(dataset.train.relevant.counts() + 1.0)[::-1]
    more = np.arange(len(counts) + 1, size + 1)
    return np.append(counts, counts[-1] * len(counts) / more)[:size]


def steps_of(frequency, rounds):
    """Seconds of a step of either softmax, in turns, and the cutoffs."""
    import tensorflow as tf

    import tfxc

    rng = np.random.default_rng(0)
    costs = tfxc.layers.measure_cost()
    cutoffs = tfxc.layers.choose_cutoffs(frequency, costs, DIM, BATCH)
    models = {
        "full": full_model(len(frequency)),
        "adaptive": adaptive_model(frequency, cutoffs),
    }
    steps = {
        name: tf.function(model.train_step, jit_compile=True)
        for name, model in models.items()
    }
    share = np.cumsum(frequency) / frequency.sum()
    times = {name: [] for name in steps}
    for turn in range(rounds + 1):
        labels = np.searchsorted(share, rng.random((BATCH, 1))).astype("int32")
        x = rng.normal(size=(BATCH, DIM)).astype(np.float32)
        batch = {"query": {"vectors": x}, "positives": labels}
        batch = tf.nest.map_structure(tf.constant, batch)
        for name, step in steps.items():
            begun = time.perf_counter()
            float(step(batch)["loss"])
            if turn:
                times[name].append(time.perf_counter() - begun)
    predicted = {
        name: tfxc.layers.cost_of(cuts, frequency, costs, DIM, BATCH)
        for name, cuts in (("full", []), ("adaptive", cutoffs))
    }
    pairs = zip(times["full"], times["adaptive"], strict=True)
    return {
        "cutoffs": cutoffs,
        **{name: statistics.median(of) for name, of in times.items()},
        "times_faster": statistics.median(one / other for one, other in pairs),
        "times_faster_predicted": predicted["full"] / predicted["adaptive"],
    }


def full_model(num_labels):
    """A softmax over all labels, a block at a time."""
    import keras

    import tfxc

    classifier = tfxc.layers.LabelClassifier(num_labels, DIM, cosine=False)
    model = tfxc.encoders.FullLabelClassifier(
        *(tfxc.encoders.StoredVectors(DIM, 0.0), None, BATCH, classifier),
        tfxc.training.RowAdagrad(num_labels, 0.1, padding=False),
        "softmax",
    )
    return compiled(model, keras.optimizers.SGD(0.0))


def adaptive_model(frequency, cutoffs):
    """A softmax with a head and tails."""
    import keras

    import tfxc

    layer = tfxc.layers.AdaptiveSoftmax(
        len(frequency), cutoffs, frequencies=frequency
    )
    model = tfxc.encoders.OutputLayerClassifier(
        tfxc.encoders.StoredVectors(DIM, 0.0), None, BATCH, layer
    )
    return compiled(model, keras.optimizers.Adagrad(0.1))


def compiled(model, optimizer):
    """The model, its optimiser built."""
    model.compile(optimizer, jit_compile=True)
    optimizer.build(model.trainable_variables)
    return model


def likelihoods(features, save, results):
    """Held-out log-likelihood and accuracy of either softmax, best rate."""
    import tfxc

    data = adversarial_softmax.Data(np.load(features))
    counts = np.bincount(data.train[1], minlength=data.num_labels) + 1
    cutoffs = tfxc.layers.choose_cutoffs(
        np.sort(counts)[::-1], tfxc.layers.measure_cost(), DIM, BATCH
    )
    layers = {
        "full": lambda: tfxc.layers.MarginSoftmax(data.num_labels, 1),
        "adaptive": lambda: tfxc.layers.AdaptiveSoftmax(
            data.num_labels, cutoffs, frequencies=counts
        ),
    }
    found = results.setdefault("likelihood", {})
    found["cutoffs"] = cutoffs
    for name, make in layers.items():
        rows = {str(rate): trained(data, make(), rate) for rate in RATES}
        best = max(rows, key=lambda rate: rows[rate]["held_out"])
        found[name] = {"rate": float(best), **rows[best]}
        print(name, rows, flush=True)
        save()
    pair = [found[name]["log_likelihood"] for name in ("adaptive", "full")]
    found["percent_lower"] = 100 * (pair[0] / pair[1] - 1)
    return found


def trained(data, layer, rate):
    """Figures of test rows, and the log-likelihood of held-out ones."""
    import keras
    import tensorflow as tf

    import tfxc

    x, y = data.train
    encoder = tfxc.encoders.StoredVectors(x.shape[1], 0.0)
    model = tfxc.encoders.OutputLayerClassifier(encoder, None, BATCH, layer)
    steps = EPOCHS * (len(x) // BATCH)
    decay = tfxc.training.LinearDecay(rate, steps)
    compiled(model, keras.optimizers.Adam(decay))
    step = tf.function(model.train_step, jit_compile=True)
    lists = tfxc.data.LabelLists(y, np.arange(len(y) + 1), data.num_labels)
    for epoch in range(EPOCHS):
        plan = tfxc.batching.ShuffledBatches(len(x), BATCH, 0).plan(epoch)
        for batch in tfxc.data.full_label_batches(
            lambda epoch=epoch, plan=plan: (epoch, plan[: len(x) // BATCH]),
            *(tfxc.data.Vectors(x), lists, BATCH),
        ):
            step(batch)
    test = adversarial_softmax.figures(layer, *data.test)
    held_out = adversarial_softmax.figures(layer, *data.held_out)
    return {**test, "held_out": held_out["log_likelihood"]}


if __name__ == "__main__":
    main()
