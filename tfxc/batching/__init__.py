"""Which rows go into which batch: orders of integers, in numpy alone.

A plan gives each epoch's batches as row ids, a function of (seed, epoch). Plain
plans shuffle; clustered plans fill batches with whole clusters of similar rows,
so that the labels of one row are hard negatives of the others. The clusters
come from balanced two-means splits, and a curriculum says how large they are
and when they are rebuilt.
"""

from tfxc.batching.clusters import Clusters as Clusters
from tfxc.batching.clusters import balanced_clusters as balanced_clusters
from tfxc.batching.clusters import num_clusters as num_clusters
from tfxc.batching.curriculum import NEVER as NEVER
from tfxc.batching.curriculum import Curriculum as Curriculum
from tfxc.batching.diagnostics import mining_guarantee as mining_guarantee
from tfxc.batching.lengths import by_length as by_length
from tfxc.batching.mean_cosine import mean_cosine as mean_cosine
from tfxc.batching.plan import BatchPlan as BatchPlan
from tfxc.batching.plan import ClusteredBatches as ClusteredBatches
from tfxc.batching.plan import ShuffledBatches as ShuffledBatches
from tfxc.batching.plan import epoch_order as epoch_order
from tfxc.batching.plan import num_batches as num_batches
from tfxc.batching.two_means import balanced_two_means as balanced_two_means
