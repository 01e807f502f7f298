"""Samplers of negatives: few labels drawn, and how likely each draw was.

Every `Sampler` is a Keras layer of static shapes that compiles with a training
step: `ids, log_q, relevance = sampler(vectors, num=64, positives=known)`. They
differ in how near their law is to the model's own softmax, from `Uniform` to
`ClusterTreeSampler`, and in what that costs; `diagnose` measures both.
"""

from tfxc.negatives.cache import NegativeCache as NegativeCache
from tfxc.negatives.cluster_tree import ClusterTreeSampler as ClusterTreeSampler
from tfxc.negatives.diagnose import diagnose as diagnose
from tfxc.negatives.exclusion import Excluded as Excluded
from tfxc.negatives.exclusion import excluded_share as excluded_share
from tfxc.negatives.in_batch import InBatch as InBatch
from tfxc.negatives.in_batch import (
    candidate_probability as candidate_probability,
)
from tfxc.negatives.in_batch import drawn_frequency as drawn_frequency
from tfxc.negatives.label_index import LabelIndex as LabelIndex
from tfxc.negatives.label_tree_sampler import (
    LabelTreeSampler as LabelTreeSampler,
)
from tfxc.negatives.midx import Midx as Midx
from tfxc.negatives.mixed import MixedNegatives as MixedNegatives
from tfxc.negatives.moving_codes import MovingCodes as MovingCodes
from tfxc.negatives.nearest import NearestNegatives as NearestNegatives
from tfxc.negatives.nested_partition import NestedPartition as NestedPartition
from tfxc.negatives.nested_partition import (
    balanced_partition as balanced_partition,
)
from tfxc.negatives.nystrom import Move as Move
from tfxc.negatives.nystrom import Nystrom as Nystrom
from tfxc.negatives.sampler import Sampler as Sampler
from tfxc.negatives.sampler import relevance_of as relevance_of
from tfxc.negatives.sg_tree import SGTree as SGTree
from tfxc.negatives.sg_tree import sg_tree as sg_tree
from tfxc.negatives.shared_sample import shared_sample as shared_sample
from tfxc.negatives.uniform import Uniform as Uniform
from tfxc.negatives.unigram import Unigram as Unigram
