"""A small text data set, and the parts that train on it.

Labels are the words that decide; each query names its labels among others.
"""

import io

import keras
import numpy as np
from rich.console import Console

import tfxc
from tfxc.data import Dataset, LabelLists, Split, Texts
from tfxc.run import Run

ROWS, LABELS, BATCH = 44, 12, 8
WORDS = [f"word{i}" for i in range(40)]
CURRICULUM = tfxc.batching.Curriculum(
    start_epoch=1,
    initial_size=2,
    maximum_size=4,
    growth_epochs=(3,),
    refresh_interval=2,
)


def dataset(labels=LABELS):
    """Queries of three labels or fewer; every tenth has none."""
    rng = np.random.default_rng(0)
    words = WORDS + [f"word{i}" for i in range(len(WORDS), labels)]
    counts = rng.integers(1, 4, ROWS) * (np.arange(ROWS) % 10 > 0)
    lists = [rng.choice(labels, count, replace=False) for count in counts]
    texts = [
        " ".join([*(words[i] for i in ids), *rng.choice(words, 3)])
        for ids in lists
    ]
    relevant = LabelLists.from_pairs(
        np.repeat(np.arange(ROWS), counts), np.concatenate(lists), ROWS, labels
    )
    none = LabelLists.from_pairs([], [], ROWS, labels)
    names = Texts.from_strings(words[:labels])
    split = Split(Texts.from_strings(texts), relevant, none)
    return Dataset(split, split, names, names)


def prepared(cache, labels=LABELS):
    """The data set as bags."""
    tokens = tfxc.data.Tokens(
        length=6,
        label_length=2,
        ngrams=(),
        prefixes=(),
        min_count=1,
        max_tokens=1000,
    )
    return tfxc.data.prepare(dataset(labels), f"tiny{labels}", tokens, cache)


class Training:
    """Model, batches and mining as a new process would make them."""

    def __init__(self, data, folder, mining=None, jit=True):
        self.data, self.run = data, Run(folder)
        tokens = len(data.tokenizer)
        self.encoder = tfxc.encoders.BagEncoder(tokens, dim=8, hidden=4)
        decay = keras.optimizers.schedules.PolynomialDecay
        self.model = tfxc.encoders.DualEncoder(
            self.encoder,
            tfxc.training.RowAdagrad(tokens, decay(0.1, 40, 0.0), 0.1),
            BATCH,
        )
        self.model.compile(
            keras.optimizers.Adam(decay(0.01, 40, 0.0)),
            loss=tfxc.losses.DecoupledSoftmax(0.1),
            jit_compile=jit,
        )
        relevant = data.dataset.train.relevant
        self.mining = (mining or tfxc.training.NegativeMining)(
            folder / "checkpoints",
            np.flatnonzero(relevant.row_counts()),
            8,
            BATCH,
            CURRICULUM,
            3,
            relevant,
            self.label_vectors,
        )
        self.batches = tfxc.data.training_batches(
            self.mining.current,
            data.train,
            data.labels,
            relevant,
            BATCH,
            LABELS,
            3,
        )
        self.screen = io.StringIO()

    def label_vectors(self):
        """Not under jit, which would compile once more."""
        return self.encoder(self.data.labels.take(np.arange(LABELS))).numpy()

    def validate(self):
        """Depends on the weights, so that histories tell runs apart."""
        return {"P@1": float(self.label_vectors().sum())}

    def fit(self, epochs, validate=None, callbacks=()):
        """Trains until `epochs` epochs are done; returns the history."""
        return tfxc.training.fit(
            self.model,
            self.batches,
            self.mining,
            self.run,
            epochs,
            validate or self.validate,
            Console(file=self.screen, width=200),
            callbacks=callbacks,
        )

    def finished(self):
        """Numbers of the epochs that `fit` has printed."""
        lines = self.screen.getvalue().splitlines()
        return [line.split()[1] for line in lines if line[:8] == "encoder "]

    def state(self):
        """All that a run leaves, but for times: `{name: array}`."""
        variables = [*self.model.variables, *self.model.optimizer.variables]
        arrays = {
            f"variable {number}": variable.numpy()
            for number, variable in enumerate(variables)
        }
        arrays["bank"] = np.array(self.mining.bank)
        clusters, meta = tfxc.data.read_arrays(
            self.run.folder / "checkpoints" / "clusters"
        )
        return {**arrays, **clusters, "guarantee": meta}


class Stopping(tfxc.training.Job):
    """Is interrupted at the end of the second epoch, before its checkpoint."""

    def validate(self, *arguments):
        if list((self.run.folder / "checkpoints").glob("*/epoch-00001")):
            raise KeyboardInterrupt
        return super().validate(*arguments)


def untimed(history):
    """A history without its times."""
    return [
        {name: row[name] for name in row if "seconds" not in name}
        for row in history
    ]


def assert_same_state(one, other):
    """Equal bit for bit, as `Training.state` tells it."""
    assert len(one) == 21
    assert_same_arrays(one, other)


def assert_same_arrays(one, other):
    """Equal bit for bit."""
    assert one.keys() == other.keys()
    for name in one:
        np.testing.assert_array_equal(one[name], other[name], err_msg=name)
