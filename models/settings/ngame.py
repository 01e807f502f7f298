"""NGAME's recipe: its fields, their values for data sets, their ranges."""

import dataclasses
import typing

import numpy as np

import tfxc


@dataclasses.dataclass(frozen=True)
class Recipe(tfxc.training.TextRecipe):
    """Trains NGAME: an encoder, a classifier per label, and their fusion."""

    classifier_epochs: int = 0
    """Further passes to train the classifiers (M4)."""
    train_encoder: bool = False
    """Whether M4 goes on training the encoder; in the paper it is frozen."""
    fusion: tfxc.training.Fusion = "sum"
    """How scores are combined: "none" adds those of encoder and classifiers,
    "sum" weighs all by held-out rows, "tree" adds a tree if those rank better
    with it."""
    memory: int = 400
    """Similar training queries whose labels count in the end; 0 for none."""
    popularity: bool = True
    """Whether frequent labels gain, as much as held-out rows say."""
    classifier_candidates: int = 4096
    """Labels that each query of a batch is compared with in M4."""
    classifier_learning_rate: float = 0.5
    """Rate of the classifiers (row-wise Adagrad)."""
    classifier_dropout: float = 0.5
    """Share of a stored query vector that is hidden in M4."""
    loss: typing.Literal[
        "decoupled_softmax",
        "decoupled_softmax_of_one",
        "ngame_triplet",
        "dexa_triplet",
        "soft_top_k",
        "binary_cross_entropy",
    ] = "decoupled_softmax"
    """The names with "triplet" and "of_one" train on one positive per query;
    the classifiers with "triplet" on the three that score lowest."""
    margin: float = 0.3
    """Of the triplet losses: by how much a positive should be ahead."""
    classifier_margin: float = 0.2
    """The same for the classifiers."""
    shift: float = 5.0
    """Of the binary cross-entropy: the score that is as likely as not."""
    label_queries: bool = False
    """Whether each label's own text is a training query for it."""
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

    @classmethod
    def yso_finna_en(cls):
        """525,773 library titles, 24,965 subjects."""
        return cls(
            epochs=4,
            num_candidates=4096,
            min_count=3,
            ngrams=(),
            max_cluster_size=8,
            validation_rows=5000,
        )

    @classmethod
    def cooking(cls):
        """12,404 question titles, 736 tags; soon learnt by heart."""
        return cls(epochs=6, label_queries=True)

    @classmethod
    def python_api(cls):
        """The built-in data: some names occur in no training sentence."""
        return cls(label_queries=True, temperature=0.1)

    @classmethod
    def bibtex(cls):
        """4,880 bags of words, 159 tags without text."""
        return cls(
            epochs=20,
            batch_size=256,
            num_candidates=512,
            temperature=0.1,
            hidden=512,
            length=128,
        )

    @classmethod
    def delicious(cls):
        """12,920 bags of words, 983 tags without text."""
        return cls(
            epochs=30,
            batch_size=256,
            hidden=512,
            token_dropout=0.3,
            length=128,
        )

    @classmethod
    def transformer(cls):
        """Any texts, with a pretrained transformer."""
        return cls(
            epochs=1,
            classifier_epochs=3,
            train_encoder=True,
            batch_size=64,
            num_candidates=64,
            learning_rate=1e-3,
            dense_learning_rate=1e-4,
            warmup=0.1,
            weight_decay=0.01,
            temperature=0.05,
            length=32,
            label_length=16,
            cluster_start=1,
            max_cluster_size=4,
        )

    @classmethod
    def lf_amazontitles_131k_transformer(cls):
        """294,805 titles, 131,073 products, a DistilBERT.

        The published settings but for these: clusters double every 25 epochs
        (there at 20, 25, 50, 75, 100...), M4's batches and curriculum are M1's,
        its rate is that of row-wise Adagrad, and the memory of training queries
        and the labels' popularity have a say.
        """
        return cls(
            epochs=300,
            classifier_epochs=100,
            loss="ngame_triplet",
            batch_size=1600,
            num_candidates=1600,
            dense_learning_rate=2e-4,
            warmup=0.002,
            length=32,
            label_length=32,
            cluster_start=10,
            cluster_size=2,
            cluster_growth=25,
            max_cluster_size=256,
            refresh_interval=5,
            fusion="tree",
        )


RANGES = {
    **tfxc.training.TEXT_RANGES,
    "classifier_epochs": (0, None),
    "memory": (0, tfxc.search.MOST_NEIGHBOURS),
    "classifier_learning_rate": (tfxc.training.ABOVE_0, None),
    "classifier_dropout": (0, 0.99),
    "margin": (0, None),
    "classifier_margin": (0, None),
    "cluster_start": (0, None),
    "cluster_growth": (0, None),
    "refresh_interval": (1, None),
}


def check(recipe, dataset):
    """Raises `tfxc.InputError` if the recipe cannot be run on the data."""
    rows = int(np.count_nonzero(dataset.train.relevant.row_counts()))
    held_out = tfxc.training.num_held_out(rows, recipe.validation_rows)
    rows -= held_out
    ranges = {
        **RANGES,
        "batch_size": (1, rows),
        "num_candidates": (recipe.batch_size, None),
        "cluster_size": (1, recipe.max_cluster_size),
    }
    if recipe.cluster_start < recipe.epochs or recipe.classifier_epochs:
        ranges["max_cluster_size"] = (1, recipe.batch_size)
    if recipe.classifier_epochs:
        ranges["classifier_candidates"] = (recipe.batch_size, None)
    note = f"{rows:,} training queries have labels and are not held out."
    tfxc.training.check_fields(recipe, ranges, note)
    if recipe.fusion != "none":
        tfxc.search.check_held_out(held_out)
    tfxc.training.check_encoder(recipe)
    longest = recipe.label_length + bool(recipe.label_clusters)
    bags = recipe.encoder == "bag"
    if bags and recipe.label_queries and longest > recipe.length:
        raise tfxc.InputError(
            f"--length: expected at least {longest}, what labels have, as they "
            "are queries, too (--label-length, --label-clusters, "
            f"--no-label-queries). Received: {recipe.length}"
        )
    estimated = recipe.estimator != "hard_negatives"
    softmax = recipe.loss.startswith("decoupled_softmax")
    if recipe.negatives != "none" and estimated and not softmax:
        other = (
            ""
            if recipe.negatives == "in_batch"
            else ", or --estimator hard_negatives, where draws are further "
            "candidates of any loss"
        )
        raise tfxc.InputError(
            "--negatives: expected --loss decoupled_softmax or "
            f"decoupled_softmax_of_one, which draws estimate{other}. "
            f"Received: {recipe.loss}"
        )
    if recipe.negatives == "in_batch" and recipe.cluster_start < recipe.epochs:
        raise tfxc.InputError(
            "--negatives: expected --cluster-start of at least --epochs for "
            "in_batch, which knows how often random batches hold a label, but "
            f"not clustered ones. Received: {recipe.cluster_start}"
        )
    tfxc.training.check_negatives(recipe, dataset.num_labels)
