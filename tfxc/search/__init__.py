"""The k labels whose vectors have the largest inner product with a query.

`ExactSearch` streams over blocks of queries and labels, for evaluation and for
mining; `top_k` is the same answer as a TensorFlow function, for models that
serve. `FusedSearch` ranks by several models at once: an encoder, a classifier,
and a `Memory` of training queries; `fit_fusion` decides what each of them
counts. `LayerSearch` ranks by an output layer whose scores are no inner
products.
"""

from tfxc.search.exact import ExactSearch as ExactSearch
from tfxc.search.exact import exact_top_k as exact_top_k
from tfxc.search.fused import FusedSearch as FusedSearch
from tfxc.search.fusion import check_held_out as check_held_out
from tfxc.search.fusion import fit_fusion as fit_fusion
from tfxc.search.layer_search import LayerFind as LayerFind
from tfxc.search.layer_search import LayerSearch as LayerSearch
from tfxc.search.layer_search import found_by as found_by
from tfxc.search.memory import MOST_NEIGHBOURS as MOST_NEIGHBOURS
from tfxc.search.memory import Memory as Memory
from tfxc.search.score_tree import ScoreTree as ScoreTree
from tfxc.search.top_k import top_k as top_k
