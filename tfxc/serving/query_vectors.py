"""Queries encoded by a SavedModel, block by block."""

import numpy as np

from tfxc.serving.query_texts import query_texts

BLOCK = 1024  # queries that are encoded together


class QueryVectors:
    """Vectors of queries, made when a slice of them is asked for.

    So the vectors of all queries of a split never exist at once.

    Args:
        model: What `load_saved_model` returns.
        queries: `Texts` or `SparseFeatures`.

    Example:

    >>> model = tfxc.serving.load_saved_model("run/saved_model")
    >>> texts = tfxc.data.Texts.from_strings(["red wine"])
    >>> tfxc.serving.QueryVectors(model, texts)[0:1].shape
    (1, 128)
    """

    def __init__(self, model, queries):
        self.model = model
        self.queries = queries

    def __getitem__(self, rows):
        start, stop, _ = rows.indices(len(self.queries))
        texts = query_texts(self.queries, start, stop)
        blocks = [
            self.model.embed_query(texts[i : i + BLOCK])["vectors"]
            for i in range(0, len(texts), BLOCK)
        ]
        none = np.empty((0, self.model.label_vectors.shape[1]), np.float32)
        return np.concatenate([none, *blocks])
