"""Losses of the form (relevance, scores) -> loss, in `keras.ops` alone.

A relevance is 1 for a positive, 0 for a negative and -1 for a candidate to
ignore. Each loss is a pure function that returns one number per query, and a
thin `keras.losses.Loss` around it.
"""

from tfxc.losses.decoupled_softmax import DecoupledSoftmax as DecoupledSoftmax
from tfxc.losses.decoupled_softmax import decoupled_softmax as decoupled_softmax
from tfxc.losses.ngame_triplet import NGAMETriplet as NGAMETriplet
from tfxc.losses.ngame_triplet import ngame_triplet as ngame_triplet
