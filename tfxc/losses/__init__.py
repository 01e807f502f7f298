"""Losses of relevance and scores, in `keras.ops` alone.

A relevance is 1 for a positive, 0 for a negative and -1 for a candidate to
ignore. Each loss is a pure function that returns one number per query, and, but
for `sampled_softmax`, which needs draws, a thin `keras.losses.Loss` around it.
"""

from tfxc.losses.augment_and_reduce import (
    augment_and_reduce as augment_and_reduce,
)
from tfxc.losses.binary_cross_entropy import (
    BinaryCrossEntropy as BinaryCrossEntropy,
)
from tfxc.losses.binary_cross_entropy import (
    binary_cross_entropy as binary_cross_entropy,
)
from tfxc.losses.decoupled_softmax import DecoupledSoftmax as DecoupledSoftmax
from tfxc.losses.decoupled_softmax import decoupled_softmax as decoupled_softmax
from tfxc.losses.margin_cosine import margin_cosine as margin_cosine
from tfxc.losses.ngame_triplet import NGAMETriplet as NGAMETriplet
from tfxc.losses.ngame_triplet import ngame_triplet as ngame_triplet
from tfxc.losses.noise_contrast import CONTRASTS as CONTRASTS
from tfxc.losses.noise_contrast import noise_contrast as noise_contrast
from tfxc.losses.sampled_softmax import ESTIMATORS as ESTIMATORS
from tfxc.losses.sampled_softmax import sampled_softmax as sampled_softmax
from tfxc.losses.soft_top_k import SoftTopK as SoftTopK
from tfxc.losses.soft_top_k import soft_top_k as soft_top_k
from tfxc.losses.soft_top_k import soft_top_k_loss as soft_top_k_loss
