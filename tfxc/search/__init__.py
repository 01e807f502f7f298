"""The k labels whose vectors have the largest inner product with a query.

`ExactSearch` streams over blocks of queries and labels, for evaluation and for
mining; `top_k` is the same answer as a TensorFlow function, for models that
serve.
"""

from tfxc.search.exact import ExactSearch as ExactSearch
from tfxc.search.exact import exact_top_k as exact_top_k
from tfxc.search.top_k import top_k as top_k
