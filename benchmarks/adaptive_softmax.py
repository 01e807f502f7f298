"""Adaptive softmax beside the full one: time of a step, and likelihood.

    python benchmarks/adaptive_softmax.py --data ../shared/data

Steps are those of training, batch 1,024, 256 dimensions: losses, gradients and
Adagrad. The full softmax is the one of `FullLabelClassifier`, in blocks of
labels. Both take turns in one process; ratios are medians over rounds. Labels
are as frequent as those of yso-finna-en, in their order, and from there on as
Zipf has it. Cutoffs are those that `choose_cutoffs` finds for the costs that
`measure_cost` measures just before, with some settings: what divides the
dimensions of each tail once more, and the least share of rows whose labels are
in the head.

The likelihood is that of 5,000 test queries of yso-finna-en, one label each,
after as many epochs of all, with the best of some rates of Adam on held-out
queries; the settings of the bars are those that are best on these. Below the
softmax a network of two layers learns with it, from the features of
`benchmarks/adversarial_softmax.py`: which tail a label is in, an accident of
its frequency, has to be a direction of the vectors that the softmax sees.
`--fixed` leaves the network out.
"""

import argparse
import contextlib
import copy
import pathlib
import statistics
import time

import numpy as np
from one_label_data import Data, make_features
from record import read_results, write_results
from sampled_arms import figures

DIM, BATCH = 256, 1024
SIZES = 10_000, 100_000, 500_000, 1_000_000
SETTINGS = (4.0, 0.5), (4.0, 0.8), (2.0, 0.8), (1.0, 0.8)
EPOCHS, WIDTH = 2, 512
RATES, RATES_FIXED = (1e-3, 2e-3, 4e-3, 8e-3), (1e-2, 3e-2, 1e-1, 3e-1)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--data", type=pathlib.Path, required=True)
    parser.add_argument("--sizes", nargs="*", type=int, default=SIZES)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--likelihood", action="store_true")
    parser.add_argument("--fixed", action="store_true")
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
        results["steps"] = results.get("steps", {}) | {str(size): row}
        print(size, row, flush=True)
        save()
    if options.likelihood:
        if not options.features.exists():
            make_features(dataset, options.features)
        name = "likelihood, fixed" if options.fixed else "likelihood"
        results[name] = {}
        likelihoods(options.features, options.fixed, results[name], save)
    write_results("adaptive_softmax", command, results)


def frequencies(data, size):
    """How frequent so many labels are, the most frequent first."""
    import tfxc

    dataset, _ = tfxc.data.load_dataset(data)
    counts = np.sort(dataset.train.relevant.counts() + 1.0)[::-1]
    more = np.arange(len(counts) + 1, size + 1)
    return np.append(counts, counts[-1] * len(counts) / more)[:size]


def steps_of(frequency, rounds):
    """Seconds of a step of each softmax, in turns with the full one."""
    import tfxc

    costs = tfxc.layers.measure_cost()
    full = compiled_step(full_model(len(frequency)))
    full_cost = tfxc.layers.cost_of([], frequency, costs, DIM, BATCH)
    found, of_full = {}, []
    for shrink, head_share in SETTINGS:
        size = DIM, BATCH, shrink
        cutoffs = tfxc.layers.choose_cutoffs(
            frequency, costs, *size, head_share=head_share
        )
        cost = tfxc.layers.cost_of(cutoffs, frequency, costs, *size)
        step = compiled_step(adaptive_model(frequency, cutoffs, shrink))
        pairs = in_turns(frequency, [full, step], rounds)
        of_full += [one for one, _ in pairs]
        found[name_of(shrink, head_share)] = {
            "cutoffs": cutoffs,
            "seconds": statistics.median(other for _, other in pairs),
            "times_faster": statistics.median(a / b for a, b in pairs),
            "times_faster_predicted": full_cost / cost,
        }
    return {"full": statistics.median(of_full), "adaptive": found}


def compiled_step(model):
    """A step of training."""
    import tensorflow as tf

    return tf.function(model.train_step, jit_compile=True)


def in_turns(frequency, steps, rounds):
    """Seconds of each step, `[rounds]` tuples."""
    import tensorflow as tf

    rng = np.random.default_rng(0)
    share = np.cumsum(frequency) / frequency.sum()
    turns = []
    for _ in range(rounds + 1):
        labels = np.searchsorted(share, rng.random((BATCH, 1))).astype("int32")
        x = rng.normal(size=(BATCH, DIM)).astype(np.float32)
        batch = {"query": {"vectors": x}, "positives": labels}
        batch = tf.nest.map_structure(tf.constant, batch)
        times = []
        for step in steps:
            begun = time.perf_counter()
            float(step(batch)["loss"])
            times.append(time.perf_counter() - begun)
        turns.append(tuple(times))
    return turns[1:]  # the first compiles


def name_of(shrink, head_share):
    """Of a pair of settings."""
    return f"{shrink:g}, {head_share:g}"


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


def adaptive_model(frequency, cutoffs, shrink):
    """A softmax with a head and tails."""
    import keras

    import tfxc

    layer = tfxc.layers.AdaptiveSoftmax(
        len(frequency), cutoffs, shrink, frequencies=frequency
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


def likelihoods(features, fixed, found, save):
    """Log-likelihood and accuracy of each softmax, with its best rate."""
    import tfxc

    data = Data(np.load(features))
    counts = np.bincount(data.train[1], minlength=data.num_labels) + 1
    costs = tfxc.layers.measure_cost()
    arms = {"full": (1.0, [])}
    for shrink, head_share in SETTINGS:
        arms[name_of(shrink, head_share)] = (
            shrink,
            tfxc.layers.choose_cutoffs(
                *(np.sort(counts)[::-1], costs, DIM, BATCH, shrink),
                head_share=head_share,
            ),
        )
    for name, (shrink, cutoffs) in arms.items():
        rows = {}
        for rate in RATES_FIXED if fixed else RATES:
            layer = tfxc.layers.AdaptiveSoftmax(
                data.num_labels, cutoffs, shrink, frequencies=counts
            )
            rows[str(rate)] = trained(data, layer, rate, fixed)
            print(name, rate, rows[str(rate)], flush=True)
        best = max(rows, key=lambda rate: rows[rate]["held_out"])
        found[name] = {
            "cutoffs": cutoffs,
            "rate": float(best),
            **rows[best],
            "rates": rows,
        }
        full = found["full"]["log_likelihood"]
        found[name]["percent_lower"] = 100 * (
            found[name]["log_likelihood"] / full - 1
        )
        save()


def trained(data, layer, rate, fixed):
    """Figures of test rows, and the log-likelihood of held-out ones."""
    import keras
    import tensorflow as tf

    import tfxc

    keras.utils.set_random_seed(0)
    x, y = data.train
    below = network(x.shape[1], fixed)
    vectors = keras.Input(x.shape[1:], batch_size=BATCH)
    labels = keras.Input((1,), batch_size=BATCH, dtype="int32")
    model = keras.Model([vectors, labels], layer(below(vectors), labels))
    steps = EPOCHS * (len(x) // BATCH)
    optimizer = keras.optimizers.Adam(tfxc.training.LinearDecay(rate, steps))
    optimizer.build(model.trainable_variables)

    @tf.function(jit_compile=True)
    def step(vectors, labels):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(model([vectors, labels], training=True))
        weights = [weight.value for weight in model.trainable_variables]
        slopes = tape.gradient(loss, weights)
        optimizer.apply(slopes, model.trainable_variables)

    for epoch in range(EPOCHS):
        plan = tfxc.batching.ShuffledBatches(len(x), BATCH, 0).plan(epoch)
        for rows in plan[: len(x) // BATCH]:
            step(tf.constant(x[rows]), tf.constant(y[rows, None]))
    seen = copy.copy(data)
    for name in ("held_out", "test"):
        rows, own = getattr(data, name)
        setattr(seen, name, (below.predict(rows, BATCH, verbose=0), own))
    test = figures(layer, seen, "test", "")
    held_out = figures(layer, seen, "held_out", "")
    return {**test, "held_out": held_out["log_likelihood"]}


def network(dim, fixed):
    """What is below the softmax: nothing, or two layers beside the input."""
    import keras

    given = keras.Input((dim,))
    x = keras.layers.Rescaling(1.0 if fixed else dim**0.5)(given)
    if not fixed:
        hidden = keras.layers.Dense(WIDTH, activation="relu")(x)
        x = keras.layers.LayerNormalization()(
            x + keras.layers.Dense(dim)(hidden)
        )
    return keras.Model(given, x)


if __name__ == "__main__":
    main()
