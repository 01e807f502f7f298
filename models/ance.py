"""ANCE: negatives are the nearest wrong labels, found while training goes on.

1. keep an index (ScaNN) over the vectors of all labels; every few steps put
   those labels in place that have moved;
2. look up, in a thread beside the training, the nearest labels of the queries
   that come next, and leave out those that are right;
3. half of the labels that a batch draws are from these lists, and half from all
   labels: hard ones alone are unstable where many queries have labels that
   nobody has noted down.

Reference: [Xiong et al., 2021](https://arxiv.org/abs/2007.00808)
"""

import dataclasses

import tfxc
from models import dynamic_index


@dataclasses.dataclass(frozen=True)
class Recipe(dynamic_index.Recipe):
    """Trains a dual encoder on the nearest wrong labels."""

    negatives: tfxc.training.Negatives = "nearest"
    """Labels that are drawn beside the candidates of a batch, and how."""


check, fit = dynamic_index.check, dynamic_index.fit
