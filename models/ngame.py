"""NGAME: negative-mining-aware mini-batches, label classifiers, fusion.

One encoder maps queries and labels to the unit sphere. Each batch is made of
whole clusters of similar queries, so that the labels of one query are hard
negatives of the others, and costs no more than a random batch.

M1  train the encoder: every few epochs cluster the bank of query vectors
    (balanced 2-means), fill each batch with whole clusters, take the labels of
    its queries as the candidates of all;
M3  give each label a classifier, which starts as its encoded text;
M4  train the classifiers in such batches too;
    rank by encoder, classifiers and the labels of similar training queries,
    weighed on held-out rows.

Reference: [Dahiya et al., 2023](https://arxiv.org/abs/2207.04452)
"""

import dataclasses
import typing

import keras
import numpy as np

import tfxc


@dataclasses.dataclass(frozen=True)
class Recipe:
    """Trains NGAME: an encoder, a classifier per label, and their fusion."""

    encoder: str = "bag"
    """"bag", or a pretrained transformer: a folder, or a preset of KerasHub."""
    epochs: int = 8
    """Passes over the training queries to train the encoder (M1)."""
    classifier_epochs: int = 0
    """Further passes to train the classifiers (M4)."""
    train_encoder: bool = False
    """Whether M4 goes on training the encoder; in the paper it is frozen."""
    fusion: typing.Literal["none", "sum", "tree"] = "sum"
    """How scores are combined, by weights that held-out rows decide."""
    memory: int = 50
    """Similar training queries whose labels count in the end; 0 for none."""
    batch_size: int = 1024
    """Queries of a batch."""
    num_candidates: int = 2048
    """Labels that each query of a batch is compared with."""
    classifier_candidates: int = 4096
    """The same for the classifiers."""
    learning_rate: float = 6.0
    """Rate of the bag encoder's tokens (row-wise Adagrad)."""
    dense_learning_rate: float = 1e-3
    """Rate of all other weights of the encoder (Adam)."""
    classifier_learning_rate: float = 0.5
    """Rate of the classifiers (row-wise Adagrad)."""
    initial_accumulator: float = 100.0
    """Where Adagrad's sums start; small values overfit the rare tokens."""
    warmup: float = 0.0
    """Share of the steps in which rates rise; then they fall to zero."""
    weight_decay: float = 0.0
    """Of the weights that Adam trains."""
    loss: typing.Literal[
        "decoupled_softmax",
        "decoupled_softmax_of_one",
        "ngame_triplet",
        "dexa_triplet",
        "soft_top_k",
        "binary_cross_entropy",
    ] = "decoupled_softmax"
    """The names with "triplet" and "of_one" train on one positive per query."""
    temperature: float = 0.07
    """Divides the scores in the loss; smaller looks at harder negatives."""
    margin: float = 0.3
    """Of the triplet losses: by how much a positive should be ahead."""
    dim: int = 512
    """Dimension of the vectors of the bag encoder."""
    hidden: int = 0
    """Width of a residual block after the sum of token vectors; 0: none."""
    length: int = 48
    """Tokens of a query; what is longer is cut."""
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
    pooling: typing.Literal["mean", "cls"] = "mean"
    """How a transformer's outputs become one vector."""
    chunk_rows: int = 0
    """Texts that a transformer encodes at once (gradient caching); 0: all."""
    start_from_centroids: bool = False
    """Whether labels start from their training queries (bag encoder)."""
    label_queries: bool = False
    """Whether each label's own text is a training query for it."""
    label_clusters: int = 0
    """Labels per cluster that share a free vector (DEXA); 0 for none."""
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
    """Training queries held out to watch and to weigh scores on."""
    classifier_dropout: float = 0.5
    """Share of a stored query vector that is hidden in M4."""
    seed: int = 0
    """Of initial values, order, clusters and drawn positives."""

    @classmethod
    def yso_finna_en(cls):
        """525,773 library titles, 24,965 subjects."""
        return cls(
            epochs=4,
            num_candidates=3072,
            min_count=3,
            ngrams=(),
            max_cluster_size=8,
            validation_rows=5000,
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
    **dict.fromkeys(("cluster_growth", "validation_rows", "memory"), (0, None)),
    **dict.fromkeys(("classifier_epochs", "label_clusters"), (0, None)),
    **dict.fromkeys(("warmup", "weight_decay"), (0, 1)),
    "classifier_dropout": (0, 0.99),
    "classifier_learning_rate": (tfxc.training.ABOVE_0, None),
    "length": (3, 4096),
    "label_length": (3, 4096),
    "ngrams": (1, 64),
    "prefixes": (1, 64),
    "seed": (0, 2**32 - 1),
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
        "classifier_candidates": (recipe.batch_size, None),
        "max_cluster_size": (1, recipe.batch_size),
        "cluster_size": (1, recipe.max_cluster_size),
    }
    note = f"{rows:,} training queries have labels and are not held out."
    tfxc.training.check_fields(recipe, ranges, note)
    if recipe.fusion != "none" and held_out < tfxc.search.LEAST_ROWS:
        raise tfxc.InputError(
            f"--fusion: expected at least {tfxc.search.LEAST_ROWS} held-out "
            "queries to weigh the scores on; raise --validation-rows (a tenth "
            "of the training queries at most), or set --fusion none. "
            f"Received: {held_out}"
        )
    chunk = recipe.chunk_rows
    if chunk and (recipe.batch_size % chunk or recipe.num_candidates % chunk):
        raise tfxc.InputError(
            "--chunk-rows: expected a divisor of --batch-size and of "
            f"--num-candidates. Received: {chunk}"
        )


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
    rows, held_out = tfxc.training.split_rows(
        dataset.train.relevant, recipe.validation_rows, recipe.seed
    )
    encoder, prepared = encoder_and_tokens(recipe, dataset, key)
    job = tfxc.training.Job(
        *(dataset, prepared, encoder, rows, held_out, run, console),
        seed=recipe.seed,
    )
    history = train_encoder(recipe, job)
    classifier, history = train_classifiers(recipe, job, history)
    return tfxc.training.Trained(
        encoder,
        prepared.tokenizer,
        prepared.label_tokenizer,
        prepared.test,
        fused(recipe, job, classifier),
        history,
    )


def train_encoder(recipe, job):
    """M1: queries and labels by one encoder; returns the history."""
    started = recipe.encoder != "bag" or job.has_started("encoder")
    if recipe.start_from_centroids and not started:
        tfxc.encoders.start_from_centroids(
            *(job.encoder, job.prepared.labels, job.prepared.train),
            *(job.relevant, job.rows),
        )
    queries, relevant, rows = job.prepared.train, job.relevant, job.rows
    if recipe.label_queries:
        own = tfxc.data.LabelLists.identity(job.dataset.num_labels)
        relevant = relevant.followed_by(own)
        rows = np.append(rows, len(queries) + np.arange(len(own)))
        queries = tfxc.data.Joined(queries, job.prepared.labels)
    steps = recipe.epochs * -(-len(rows) // recipe.batch_size)
    model = tfxc.encoders.DualEncoder(
        job.encoder,
        row_optimizer(recipe, job.encoder, steps),
        recipe.batch_size,
        chunk_rows=recipe.chunk_rows or None,
    )
    model.compile(optimizer(recipe, steps), loss=loss(recipe), jit_compile=True)
    return job.train(
        model,
        "encoder",
        recipe.epochs,
        recipe.num_candidates,
        curriculum(recipe),
        queries=queries,
        rows=rows,
        relevant=relevant,
        every_positive=trains_on_every_positive(recipe),
    )


def train_classifiers(recipe, job, history):
    """M3 and M4: returns the vectors `[L, dim]`, or `None`, and the history."""
    if not recipe.classifier_epochs:
        return None, history
    bank = job.query_vectors(job.rows)
    classifier = tfxc.layers.LabelClassifier(
        job.dataset.num_labels, bank.shape[1], initial=job.label_vectors()
    )
    encoder, queries, rows, relevant = (
        (job.encoder, job.prepared.train, job.rows, job.relevant)
        if recipe.train_encoder
        else (
            tfxc.encoders.StoredVectors(
                bank.shape[1], recipe.classifier_dropout, recipe.seed
            ),
            tfxc.data.Vectors(bank),
            np.arange(len(bank)),
            job.relevant.take(job.rows),
        )
    )
    steps = recipe.classifier_epochs * -(-len(rows) // recipe.batch_size)
    model = tfxc.encoders.DualEncoder(
        encoder,
        row_optimizer(recipe, encoder, steps),
        recipe.batch_size,
        label_encoder=classifier,
        label_row_optimizer=tfxc.training.RowAdagrad(
            classifier.num_labels,
            decay(recipe, recipe.classifier_learning_rate, steps),
            initial=1.0,
            padding=False,
        ),
    )
    model.compile(optimizer(recipe, steps), loss=loss(recipe), jit_compile=True)
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
        every_positive=trains_on_every_positive(recipe),
        history=history,
    )
    return np.asarray(classifier.vectors()), history


def fused(recipe, job, classifier):
    """The search by all scores, weighed on the held-out rows."""
    memory = None
    if recipe.memory:
        memory = remembered(recipe, job, job.rows)
    search = tfxc.search.FusedSearch(
        job.label_vectors(), classifier=classifier, memory=memory
    )
    if recipe.fusion == "none":
        return search.trimmed()
    counts = job.relevant.counts()
    search = tfxc.search.fit_fusion(
        search,
        job.query_vectors(job.held_out),
        job.relevant.take(job.held_out),
        tfxc.metrics.inverse_propensity(counts, len(job.relevant)),
        tree=recipe.fusion == "tree",
        seed=recipe.seed,
    )
    if search.memory is None:
        return search
    # The held-out rows have done their work: now they may be remembered too.
    rows = np.sort(np.append(job.rows, job.held_out))
    memory = remembered(recipe, job, rows)
    return dataclasses.replace(search, memory=memory)


def remembered(recipe, job, rows):
    """Training queries as a `tfxc.search.Memory`."""
    return tfxc.search.Memory.build(
        job.query_vectors(rows),
        job.relevant.take(rows),
        recipe.seed,
        neighbours=recipe.memory,
    )


def encoder_and_tokens(recipe, dataset, key):
    """The encoder that the recipe names, and the data as it reads it."""
    if recipe.encoder != "bag":
        encoder, tokenizer = tfxc.encoders.load_pretrained(
            recipe.encoder, recipe.pooling
        )
        prepared = tfxc.data.prepare_sequences(
            dataset,
            key,
            tokenizer,
            min(recipe.length, encoder.max_length),
            min(recipe.label_length, encoder.max_length),
        )
        return encoder, prepared
    prepared = tfxc.data.prepare(dataset, key, tokens(recipe))
    num_tokens = len(prepared.tokenizer)
    clusters = None
    if recipe.label_clusters:
        clusters = label_clusters(recipe, prepared)
        labels = tfxc.data.with_cluster_tokens(
            prepared.labels, clusters, num_tokens
        )
        prepared = dataclasses.replace(prepared, labels=labels)
        num_tokens += int(clusters.max()) + 1
    return bag_encoder(recipe, num_tokens), prepared


def bag_encoder(recipe, num_tokens):
    """A new bag encoder."""
    return tfxc.encoders.BagEncoder(
        num_tokens=num_tokens,
        dim=recipe.dim,
        hidden=recipe.hidden,
        seed=recipe.seed,
    )


def label_clusters(recipe, prepared):
    """The cluster of each label, by its text: `[L]`, int."""
    encoder = bag_encoder(recipe, len(prepared.tokenizer))
    vectors = tfxc.encoders.encode(encoder, prepared.labels)
    clusters = tfxc.batching.balanced_clusters(
        vectors, recipe.label_clusters, recipe.seed
    )
    return clusters.of_rows()


def tokens(recipe):
    """How the recipe turns texts into tokens of the bag encoder."""
    return tfxc.data.Tokens(
        recipe.length,
        recipe.label_length,
        recipe.ngrams,
        recipe.prefixes,
        recipe.min_count,
        recipe.max_tokens,
    )


def row_optimizer(recipe, encoder, steps):
    """The optimiser of the encoder's table; `None` where it has none."""
    if not isinstance(encoder, tfxc.encoders.BagEncoder):
        return None
    return tfxc.training.RowAdagrad(
        encoder.num_tokens,
        decay(recipe, recipe.learning_rate, steps),
        recipe.initial_accumulator,
    )


def optimizer(recipe, steps):
    """The optimiser of all weights that are no table's."""
    return keras.optimizers.AdamW(
        decay(recipe, recipe.dense_learning_rate, steps),
        weight_decay=recipe.weight_decay,
        global_clipnorm=1.0 if recipe.encoder != "bag" else None,
    )


def decay(recipe, rate, steps):
    """From `rate` to zero in `steps` steps."""
    return tfxc.training.LinearDecay(rate, steps, recipe.warmup)


def curriculum(recipe, start=None):
    """Random batches first, then clusters that grow."""
    return tfxc.batching.Curriculum(
        start_epoch=recipe.cluster_start if start is None else start,
        initial_size=recipe.cluster_size,
        maximum_size=recipe.max_cluster_size,
        growth_interval=recipe.cluster_growth,
        refresh_interval=recipe.refresh_interval,
    )


def loss(recipe):
    """The loss that the recipe names."""
    t = recipe.temperature
    losses = {
        "decoupled_softmax": lambda: tfxc.losses.DecoupledSoftmax(t),
        "decoupled_softmax_of_one": lambda: tfxc.losses.DecoupledSoftmax(t),
        "ngame_triplet": lambda: tfxc.losses.NGAMETriplet(recipe.margin),
        "dexa_triplet": lambda: tfxc.losses.NGAMETriplet(
            recipe.margin, weighting="dexa"
        ),
        "soft_top_k": lambda: tfxc.losses.SoftTopK(temperature=t),
        "binary_cross_entropy": lambda: tfxc.losses.BinaryCrossEntropy(t),
    }
    return losses[recipe.loss]()


def trains_on_every_positive(recipe):
    """Whether positives that were not drawn count; else they are ignored."""
    return not recipe.loss.endswith(("of_one", "triplet"))
