"""NGAME: negative-mining-aware mini-batches, label classifiers, fusion.

One encoder maps queries and labels to the unit sphere. Each batch is made of
whole clusters of similar queries, so that the labels of one query are hard
negatives of the others, and costs no more than a random batch.

M1  train the encoder: every few epochs cluster the bank of query vectors
    (balanced 2-means), fill each batch with whole clusters, take the labels of
    its queries as the candidates of all;
M3  give each label a classifier, which starts as its encoded text;
M4  train the classifiers in such batches too, `classifier_epochs` times: by
    default with transformers only, for on the vectors of a bag encoder
    classifiers learn by heart, and a memory of training queries does more;
    rank by encoder, classifiers, the labels of similar training queries and
    how frequent labels are, weighed on held-out rows.

Reference: [Dahiya et al., 2023](https://arxiv.org/abs/2207.04452)
"""

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
        "max_cluster_size": (1, recipe.batch_size),
        "cluster_size": (1, recipe.max_cluster_size),
    }
    if recipe.classifier_epochs:
        ranges["classifier_candidates"] = (recipe.batch_size, None)
    note = f"{rows:,} training queries have labels and are not held out."
    tfxc.training.check_fields(recipe, ranges, note)
    if recipe.fusion != "none":
        tfxc.search.check_held_out(held_out)
    tfxc.training.check_encoder(recipe)
    if recipe.negatives != "none" and recipe.loss != "decoupled_softmax":
        raise tfxc.InputError(
            "--negatives: expected --loss decoupled_softmax, which draws "
            f"estimate. Received: {recipe.loss}"
        )
    tfxc.training.check_negatives(recipe, dataset.num_labels)


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
    job = job_of(recipe, dataset, key, run, console)
    history = train_encoder(recipe, job)
    classifier, history = train_classifiers(recipe, job, history)
    return trained(recipe, job, classifier, history)


def job_of(recipe, dataset, key, run, console):
    """What all phases share: a `tfxc.training.Job`."""
    encoder, prepared = tfxc.training.encoder_and_tokens(recipe, dataset, key)
    rows, held_out = tfxc.training.split_rows(
        dataset.train.relevant, recipe.validation_rows, recipe.seed
    )
    return tfxc.training.Job(
        *(dataset, prepared, encoder, rows, held_out, run, console),
        seed=recipe.seed,
    )


def train_encoder(recipe, job):
    """M1: queries and labels by one encoder; returns the history."""
    queries, relevant, rows = training_rows(recipe, job)
    steps = recipe.epochs * -(-len(rows) // recipe.batch_size)
    negatives, callbacks = tfxc.training.drawn_negatives(recipe, job)
    return job.train(
        encoder_model(recipe, job, steps, negatives),
        "encoder",
        recipe.epochs,
        recipe.num_candidates,
        curriculum(recipe),
        queries=queries,
        rows=rows,
        relevant=relevant,
        every_positive=trains_on_every_positive(recipe),
        token_dropout=recipe.token_dropout,
        callbacks=callbacks,
    )


def encoder_model(recipe, job, steps, negatives=None):
    """The dual encoder of M1, compiled."""
    return dual_encoder(
        recipe, job.encoder, steps, loss(recipe), negatives=negatives
    )


def dual_encoder(recipe, encoder, steps, loss, **parts):
    """A `tfxc.encoders.DualEncoder` with its optimisers, compiled."""
    model = tfxc.encoders.DualEncoder(
        encoder,
        tfxc.training.row_optimizer(recipe, encoder, steps),
        recipe.batch_size,
        chunk_rows=recipe.chunk_rows or None,
        **parts,
    )
    model.compile(
        tfxc.training.dense_optimizer(recipe, steps),
        loss=loss,
        jit_compile=True,
    )
    return model


def training_rows(recipe, job):
    """The queries to learn from, their labels, and their row numbers."""
    queries, relevant, rows = job.prepared.train, job.relevant, job.rows
    if recipe.label_queries:
        own = tfxc.data.LabelLists.identity(job.dataset.num_labels)
        relevant = relevant.followed_by(own)
        rows = np.append(rows, len(queries) + np.arange(len(own)))
        queries = tfxc.data.Joined(queries, job.prepared.labels)
    return queries, relevant, rows


def train_classifiers(recipe, job, history):
    """M3 and M4: returns the vectors `[L, dim]`, or `None`, and the history."""
    if not recipe.classifier_epochs:
        return None, history
    bank = job.query_vectors(job.rows, np.float16)
    classifier = tfxc.layers.LabelClassifier(
        job.dataset.num_labels, bank.shape[1], initial=job.label_vectors()
    )
    encoder, queries, rows, relevant = (
        (job.encoder, job.prepared.train, job.rows, job.relevant)
        if recipe.train_encoder
        else frozen(recipe, job, bank)
    )
    steps = recipe.classifier_epochs * -(-len(rows) // recipe.batch_size)
    model = dual_encoder(
        recipe,
        encoder,
        steps,
        classifier_loss(recipe),
        label_encoder=classifier,
        label_row_optimizer=classifier_optimizer(recipe, classifier, steps),
    )
    history = job.train(
        model,
        "classifier",
        recipe.classifier_epochs,
        recipe.classifier_candidates,
        curriculum(recipe, start=0),
        queries=queries,
        labels=tfxc.data.label_rows(classifier.num_labels),
        rows=rows,
        relevant=relevant,
        vectors=lambda: np.asarray(classifier.vectors()),
        start=bank,
        every_positive=not recipe.loss.endswith("of_one"),
        token_dropout=recipe.token_dropout if recipe.train_encoder else 0.0,
        history=history,
    )
    return np.asarray(classifier.vectors()), history


def frozen(recipe, job, bank):
    """Encoder, queries, rows and labels of M4, where nothing is encoded."""
    encoder = tfxc.encoders.StoredVectors(
        bank.shape[1], recipe.classifier_dropout, recipe.seed
    )
    relevant = job.relevant.take(job.rows)
    return encoder, tfxc.data.Vectors(bank), np.arange(len(bank)), relevant


def classifier_optimizer(recipe, classifier, steps):
    """Row-wise Adagrad for the vectors of the labels."""
    return tfxc.training.RowAdagrad(
        classifier.num_labels,
        tfxc.training.LinearDecay(
            recipe.classifier_learning_rate, steps, recipe.warmup
        ),
        initial=1.0,
        padding=False,
    )


def trained(recipe, job, classifier, history):
    """What is evaluated and exported, with the fusion of all scores."""
    search = tfxc.training.fused_search(
        job, classifier, recipe.fusion, recipe.memory, recipe.popularity
    )
    return tfxc.training.Trained(
        job.encoder,
        job.prepared.tokenizer,
        job.prepared.label_tokenizer,
        job.prepared.test,
        search,
        history,
    )


def curriculum(recipe, start=None):
    """Random batches first, then clusters that grow."""
    return tfxc.batching.Curriculum(
        start_epoch=recipe.cluster_start if start is None else start,
        initial_size=recipe.cluster_size,
        maximum_size=recipe.max_cluster_size,
        growth_interval=recipe.cluster_growth,
        refresh_interval=recipe.refresh_interval,
    )


def classifier_loss(recipe):
    """M4's loss: of triplets, those of the 3 hardest positives, 5 negatives."""
    return loss(
        recipe,
        margin=recipe.classifier_margin,
        num_positives=3,
        num_negatives=5,
        weighting="hinge",
        temperature=1.0,
    )


def loss(recipe, **triplets):
    """The loss that the recipe names; `triplets` are options of that kind."""
    t = recipe.temperature
    triplets = {"margin": recipe.margin, **triplets}
    losses = {
        "decoupled_softmax": lambda: tfxc.losses.DecoupledSoftmax(t),
        "decoupled_softmax_of_one": lambda: tfxc.losses.DecoupledSoftmax(t),
        "ngame_triplet": lambda: tfxc.losses.NGAMETriplet(**triplets),
        "dexa_triplet": lambda: tfxc.losses.NGAMETriplet(
            **{"weighting": "dexa", **triplets}
        ),
        "soft_top_k": lambda: tfxc.losses.SoftTopK(temperature=t),
        "binary_cross_entropy": lambda: tfxc.losses.BinaryCrossEntropy(
            t, recipe.shift
        ),
    }
    return losses[recipe.loss]()


def trains_on_every_positive(recipe):
    """Whether positives that were not drawn count; else they are ignored."""
    return not recipe.loss.endswith(("of_one", "triplet"))
