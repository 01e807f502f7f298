"""Dynamic indexes for negative mining: the model's own softmax, sampled.

The gradient of a softmax over all labels is that of a few labels, drawn as
often as the model finds them likely. To draw so without the score of every
label, and to follow an encoder that changes all of them with every step:

1. code all labels by their products with a few landmarks (Nystrom), and cluster
   the codes in a tree;
2. draw for a query: open the tree near it, where labels are scored by sketches,
   the best of them exactly, and let clusters stand for their labels elsewhere;
3. every few steps encode the landmarks and a sample of labels anew, and let a
   regression move the codes of all; sometimes encode all.

Draws are uniform at first: hard negatives too early hurt. Each draw is encoded
afresh, and joins the labels of the batch as a negative of all its queries. In
place of the published chain of Metropolis and Hastings, draws weigh 1 / q.

Reference: Monath et al., 2023, Improving dual-encoder training through dynamic
indexes for negative mining, AISTATS
"""

import dataclasses

import tfxc
from models import ngame


@dataclasses.dataclass(frozen=True)
class Recipe(ngame.Recipe):
    """Trains a dual encoder on negatives drawn from its own softmax."""

    negatives: tfxc.training.Negatives = "tree"
    """Labels that are drawn beside the candidates of a batch, and how."""
    num_candidates: int = 1024
    """Labels that each query of a batch is compared with, beside those."""
    cluster_start: int = tfxc.batching.NEVER
    """First epoch with clustered batches; here the draws are hard."""

    @classmethod
    def cooking(cls):
        """12,404 question titles, 736 tags, of which a batch has a third."""
        return dataclasses.replace(
            super().cooking(), batch_size=256, num_candidates=256
        )

    @classmethod
    def yso_finna_en(cls):
        """525,773 library titles, 24,965 subjects."""
        return dataclasses.replace(
            super().yso_finna_en(), num_candidates=cls.num_candidates
        )

    @classmethod
    def python_api(cls):
        """The built-in data, of few steps."""
        return dataclasses.replace(super().python_api(), uniform_steps=20)

    @classmethod
    def bibtex(cls):
        """4,880 bags of words, 159 tags, of which a batch has two fifths."""
        return dataclasses.replace(
            super().bibtex(), batch_size=64, num_candidates=64, num_negatives=32
        )

    @classmethod
    def delicious(cls):
        """12,920 bags of words, 983 tags, of which a batch has a quarter."""
        return dataclasses.replace(super().delicious(), num_candidates=256)

    @classmethod
    def transformer(cls):
        """Any texts, with a pretrained transformer, and no classifiers.

        Those of NGAME train in clustered batches, the encoder with them, and
        its single epoch before may be shorter than the warm-up of the draws.
        """
        return dataclasses.replace(
            super().transformer(),
            epochs=4,
            classifier_epochs=0,
            train_encoder=False,
            batch_size=128,
            num_candidates=128,
            num_negatives=16,
            cluster_start=cls.cluster_start,
        )

    @classmethod
    def lf_amazontitles_131k_transformer(cls):
        """As any other texts; NGAME's settings are for its own loss."""
        return cls.transformer()


check, fit = ngame.check, ngame.fit
