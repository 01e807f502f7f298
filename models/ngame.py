"""NGAME: negative-mining-aware mini-batches, encoder alone (module M1).

One encoder maps queries and labels to the unit sphere. Each batch is made of
whole clusters of similar queries, so that the labels of one query are hard
negatives of the others, and costs no more than a random batch:

1. every few epochs, cluster the bank of query vectors (balanced 2-means);
2. fill each batch with random whole clusters;
3. the candidates of a batch are one positive of each of its queries;
4. every candidate that is not known to be right is a negative.

Reference: [Dahiya et al., 2023](https://arxiv.org/abs/2207.04452)
"""

import dataclasses
import typing

import keras
import numpy as np

import tfxc


@dataclasses.dataclass(frozen=True)
class Recipe:
    """Trains NGAME's encoder, queries and labels sharing one bag encoder."""

    epochs: int = 8
    """Passes over the training queries."""
    batch_size: int = 1024
    """Queries of a batch."""
    num_candidates: int = 2048
    """Labels that each query of a batch is compared with."""
    learning_rate: float = 6.0
    """Rate of the token table (row-wise Adagrad); falls linearly to zero."""
    dense_learning_rate: float = 1e-3
    """Rate of the residual block (Adam); falls linearly to zero."""
    initial_accumulator: float = 100.0
    """Where Adagrad's sums start; small values overfit the rare tokens."""
    loss: typing.Literal["decoupled_softmax", "ngame_triplet"] = (
        "decoupled_softmax"
    )
    """"decoupled_softmax" or "ngame_triplet", as published."""
    temperature: float = 0.07
    """Divides the scores in a softmax; smaller looks at harder negatives."""
    margin: float = 0.3
    """Of the triplet loss: by how much a positive should be ahead."""
    every_positive: bool = True
    """Train on all known positives in the batch; NGAME ignores all but one."""
    dim: int = 512
    """Dimension of the vectors."""
    hidden: int = 0
    """Width of a residual block after the sum of token vectors; 0: none."""
    length: int = 48
    """Tokens of a query: words, their beginnings, word pairs, parts."""
    label_length: int = 24
    """Tokens of a label."""
    prefixes: tuple[int, ...] = (4, 6)
    """Beginnings of words that are tokens too, by their length."""
    ngrams: tuple[int, ...] = (4, 5)
    """Lengths of the character n-grams that stand for unknown words."""
    min_count: int = 2
    """Tokens that are rarer in the training data are unknown."""
    max_tokens: int = 1_000_000
    """Most tokens to know; each is a row of the table."""
    cluster_start: int = 2
    """First epoch with clustered batches; before, vectors mean little."""
    cluster_size: int = 4
    """Rows per cluster at first."""
    cluster_growth: int = 1
    """Epochs after which the clusters double in size."""
    max_cluster_size: int = 16
    """Rows per cluster at most."""
    refresh_interval: int = 1
    """Epochs between two clusterings."""
    validation_rows: int = 1000
    """Training queries held out to watch; at most a tenth of them."""
    seed: int = 0
    """Of initial values, order, clusters and drawn positives."""

    @classmethod
    def yso_finna_en(cls):
        """525,773 library titles, 24,965 subjects."""
        return cls(
            epochs=4,
            num_candidates=3072,
            min_count=3,
            max_cluster_size=8,
            validation_rows=2000,
        )

    @classmethod
    def cooking(cls):
        """12,404 question titles, 736 tags; soon learnt by heart."""
        return cls(epochs=4)

    @classmethod
    def bibtex(cls):
        """4,880 bags of words, 159 tags without text."""
        return cls(epochs=20, batch_size=256, num_candidates=512, length=128)

    @classmethod
    def delicious(cls):
        """12,920 bags of words, 983 tags without text."""
        return cls(epochs=20, batch_size=512, length=128)


RANGES = {
    **dict.fromkeys(
        ("epochs", "dim", "min_count", "max_tokens", "refresh_interval"),
        (1, None),
    ),
    **dict.fromkeys(
        ("learning_rate", "dense_learning_rate", "temperature"),
        (tfxc.training.ABOVE_0, None),
    ),
    **dict.fromkeys(
        ("initial_accumulator", "margin", "hidden", "cluster_start"), (0, None)
    ),
    **dict.fromkeys(("cluster_growth", "validation_rows"), (0, None)),
    **dict.fromkeys(("length", "label_length"), (1, 4096)),
    "ngrams": (1, 64),
    "prefixes": (1, 64),
    "seed": (0, 2**32 - 1),
}


def check(recipe, dataset):
    """Raises `tfxc.InputError` if the recipe cannot be run on the data."""
    rows = int(np.count_nonzero(dataset.train.relevant.row_counts()))
    rows -= min(max(recipe.validation_rows, 0), rows // 10)
    ranges = {
        **RANGES,
        "batch_size": (1, rows),
        "num_candidates": (recipe.batch_size, None),
        "max_cluster_size": (1, recipe.batch_size),
        "cluster_size": (1, recipe.max_cluster_size),
    }
    note = f"{rows:,} training queries have labels and are not held out."
    tfxc.training.check_fields(recipe, ranges, note)


def fit(recipe, dataset, key, run, console):
    """Trains in the folder of `run`, or continues there.

    Args:
        recipe: `Recipe`.
        dataset: `tfxc.data.Dataset`.
        key: Names the content of the data set.
        run: `tfxc.run.Run`.
        console: `rich.console.Console`.

    Returns:
        `tfxc.training.Trained`.
    """
    rows, held_out = split_rows(dataset.train.relevant, recipe)
    prepared = tfxc.data.prepare(dataset, key, tokens(recipe))
    model = compiled_model(recipe, prepared, len(rows))

    def label_vectors():
        return tfxc.encoders.encode(model.encoder, prepared.labels)

    def validate():
        return tfxc.training.validate(
            tfxc.encoders.encode(model.encoder, prepared.train, held_out),
            tfxc.search.ExactSearch(label_vectors()),
            dataset.train.relevant,
            held_out,
        )

    mining = tfxc.training.NegativeMining(
        run.folder / "checkpoints",
        rows,
        recipe.dim,
        recipe.batch_size,
        curriculum(recipe),
        recipe.seed,
        dataset.train.relevant,
        label_vectors,
    )
    batches = tfxc.data.training_batches(
        mining.current,
        prepared.train,
        prepared.labels,
        dataset.train.relevant,
        recipe.batch_size,
        recipe.num_candidates,
        recipe.seed,
        recipe.every_positive,
    )
    history = tfxc.training.fit(
        model, batches, mining, run, recipe.epochs, validate, console
    )
    return tfxc.training.Trained(
        model.encoder,
        prepared.tokenizer,
        prepared.label_tokenizer,
        prepared.test,
        tfxc.search.FusedSearch(label_vectors()),
        history,
    )


def tokens(recipe):
    """How the recipe turns texts into tokens."""
    return tfxc.data.Tokens(
        recipe.length,
        recipe.label_length,
        recipe.ngrams,
        recipe.prefixes,
        recipe.min_count,
        recipe.max_tokens,
    )


def compiled_model(recipe, prepared, num_rows):
    """The dual encoder, its loss and its two optimisers."""
    steps = recipe.epochs * -(-num_rows // recipe.batch_size)
    encoder = tfxc.encoders.BagEncoder(
        num_tokens=len(prepared.tokenizer),
        dim=recipe.dim,
        hidden=recipe.hidden,
        seed=recipe.seed,
    )
    rows = tfxc.training.RowAdagrad(
        encoder.num_tokens,
        linear_decay(recipe.learning_rate, steps),
        recipe.initial_accumulator,
    )
    model = tfxc.encoders.DualEncoder(encoder, rows, recipe.batch_size)
    model.compile(
        keras.optimizers.Adam(linear_decay(recipe.dense_learning_rate, steps)),
        loss=loss(recipe),
        jit_compile=True,
    )
    return model


def split_rows(relevant, recipe):
    """Rows to train on and rows to watch; rows without labels in neither."""
    rows = np.flatnonzero(relevant.row_counts())
    order = tfxc.batching.epoch_order(len(rows), recipe.seed, epoch=0)
    count = min(recipe.validation_rows, len(rows) // 10)
    return np.sort(rows[order[count:]]), np.sort(rows[order[:count]])


def curriculum(recipe):
    """Random batches first, then clusters that grow."""
    return tfxc.batching.Curriculum(
        start_epoch=recipe.cluster_start,
        initial_size=recipe.cluster_size,
        maximum_size=recipe.max_cluster_size,
        growth_interval=recipe.cluster_growth,
        refresh_interval=recipe.refresh_interval,
    )


def loss(recipe):
    """The loss that the recipe names."""
    if recipe.loss == "ngame_triplet":
        return tfxc.losses.NGAMETriplet(margin=recipe.margin)
    return tfxc.losses.DecoupledSoftmax(temperature=recipe.temperature)


def linear_decay(rate, steps):
    """From `rate` to zero in `steps` steps."""
    return keras.optimizers.schedules.PolynomialDecay(rate, max(steps, 1), 0.0)
