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

import numpy as np

import tfxc
from models.settings.ngame import Recipe as Recipe
from models.settings.ngame import check as check


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
        propensity=tfxc.metrics.propensity_constants(run.data_name()),
    )


def train_encoder(recipe, job, callbacks=()):
    """M1: queries and labels by one encoder; returns the history."""
    queries, relevant, rows = training_rows(recipe, job)
    steps = curriculum(recipe).num_steps(
        recipe.epochs, len(rows), recipe.batch_size
    )
    negatives, refreshes = tfxc.training.drawn_negatives(
        recipe, job, relevant, rows
    )
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
        callbacks=[*refreshes, *callbacks],
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
    side = tfxc.training.QuerySide(recipe, job)
    classifier = tfxc.layers.LabelClassifier(
        job.dataset.num_labels, job.encoder.dim, initial=side.label_vectors
    )
    steps = curriculum(recipe, start=0).num_steps(
        recipe.classifier_epochs, len(side.rows), recipe.batch_size
    )
    model = dual_encoder(
        recipe,
        side.encoder,
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
        queries=side.queries,
        labels=tfxc.data.label_rows(classifier.num_labels),
        rows=side.rows,
        relevant=side.relevant,
        vectors=lambda: np.asarray(classifier.vectors()),
        start=side.bank,
        every_positive=not recipe.loss.endswith("of_one"),
        token_dropout=recipe.token_dropout if recipe.train_encoder else 0.0,
        history=history,
    )
    return np.asarray(classifier.vectors()), history


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
