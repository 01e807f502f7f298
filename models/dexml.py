"""DEXML: a dual encoder alone, trained against all labels.

One encoder for queries and labels, no classifiers. With the decoupled softmax,
which does not let the positives of a query compete, and all labels (or very
many) for negatives, the encoder does without classifiers:

1. every batch encodes its queries and all labels, or as many as are asked for;
2. with a transformer, gradients are cached, so that memory is that of a chunk
   of texts;
3. the loss is the decoupled softmax, of all positives or of one drawn, or
   SoftTop-k, which asks for the positives to be among the first k.

Reference: [Gupta et al., 2024](https://arxiv.org/abs/2310.10636)
"""

import dataclasses

import tfxc
from models import ngame


@dataclasses.dataclass(frozen=True)
class Recipe(ngame.Recipe):
    """Trains DEXML: a dual encoder against very many labels at once."""

    epochs: int = 4
    """Passes over the training queries."""
    num_candidates: int = 32_768
    """Labels that each query is compared with; all, if there are no more."""
    cluster_start: int = tfxc.batching.NEVER
    """First epoch with clustered batches: all labels are there anyway."""
    fusion: tfxc.training.Fusion = "none"
    """How scores are combined; DEXML ranks by its encoder alone."""
    memory: int = 0
    """Similar training queries whose labels count in the end; 0 for none."""

    @classmethod
    def yso_finna_en(cls):
        """525,773 library titles, 24,965 subjects: all are candidates."""
        recipe = super().yso_finna_en()
        return dataclasses.replace(recipe, num_candidates=cls.num_candidates)

    @classmethod
    def lf_amazontitles_131k_transformer(cls):
        """As any other texts; NGAME's settings are for its own loss."""
        return cls.transformer()

    @classmethod
    def transformer(cls):
        """Any texts, with a pretrained transformer and gradient caching."""
        return cls(
            batch_size=256,
            num_candidates=1024,
            chunk_rows=64,
            dense_learning_rate=1e-4,
            warmup=0.1,
            weight_decay=0.01,
            temperature=0.05,
            length=32,
            label_length=16,
        )


def check(recipe, dataset):
    """Raises `tfxc.InputError` if the recipe cannot be run on the data."""
    ngame.check(recipe, dataset)
    tfxc.training.check_fields(
        recipe, {"classifier_epochs": (0, 0)}, "DEXML has no classifiers."
    )


def fit(recipe, dataset, key, run, console):
    """Trains in the folder of `run`, or continues there; see `ngame.fit`."""
    job = ngame.job_of(recipe, dataset, key, run, console)
    history = ngame.train_encoder(recipe, job)
    return ngame.trained(recipe, job, None, history)
