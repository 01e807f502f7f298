"""The module that is saved to serve: strings in, ranked labels out."""

import tensorflow as tf

from tfxc.search.layer_search import LayerSearch
from tfxc.search.top_k import top_k
from tfxc.serving.fused_find import FusedFind

DEFAULT_K = 10
BLOCK_SCORES = 2**26  # scores held at once: 256 MiB

TEXT = tf.TensorSpec([None], tf.string, name="text")
K = tf.TensorSpec([], tf.int32, name="k")


class SearchModel(tf.Module):
    """Tokenizer, encoder, label vectors and names, with four functions.

    All that is large is a variable. A constant would be part of the graph,
    and a graph cannot exceed 2 GB.

    Args:
        encoder: Keras layer: `{"ids", "weights"} -> [b, d]` unit vectors.
        tokenizer: `tf.Module`: `[b]` string -> what `encoder` takes.
        label_tokenizer: The same for the texts of labels.
        search: `tfxc.search.FusedSearch`, or `LayerSearch`, whose `rank` is
            then another function, of vectors and k.
        label_names: List of `L` strings, as bytes.
        label_counts: `[L]`, int; training rows of each label.
        index: Another index of `search.vectors()` than the exact one: maps
            `(query_vectors [b, d], k)` to `(scores, ids)`, with k in `[1, L]`;
            has `label_vectors` and, to be saved, `state`.
    """

    def __init__(
        self,
        encoder,
        tokenizer,
        label_tokenizer,
        search,
        label_names,
        label_counts,
        index=None,
    ):
        super().__init__()
        # Variables only: the loading process needs no Keras to rebuild layers.
        self.encoder_variables = [v.value for v in encoder.variables]
        self.tokenizer = tokenizer
        self.label_tokenizer = label_tokenizer
        vectors = index.label_vectors if index else search.vectors()
        self.label_vectors = _variable(vectors, tf.float32)
        with tf.device("CPU"):
            self.label_names = _variable(label_names, tf.string)
        self.label_counts = _variable(label_counts, tf.int64)
        self.index_state = index and index.state
        find = index or self._find_exactly
        if isinstance(search, LayerSearch):
            self.layer_variables = [v.value for v in search.layer.variables]
            self.rank = find = search.find
        elif search.needs_ranking:
            find = self.fused = FusedFind(search, self.label_vectors, find)
        # Not attributes: tf.Module would save the Keras objects as well.
        self._add_functions(encoder, find)

    def _add_functions(self, encoder, find):
        @tf.function(input_signature=[TEXT])
        def embed_query(text):
            return {"vectors": encoder(self.tokenizer(text))}

        @tf.function(input_signature=[TEXT])
        def embed_label(text):
            return {"vectors": encoder(self.label_tokenizer(text))}

        @tf.function(input_signature=[TEXT, K])
        def search(text, k):
            positive = tf.debugging.assert_positive(
                k, message="k must be at least 1"
            )
            with tf.control_dependencies([positive]):
                k = tf.minimum(k, tf.shape(self.label_names)[0])
            scores, ids = find(embed_query(text)["vectors"], k)
            names = tf.gather(self.label_names, ids)
            return {"ids": ids, "scores": scores, "names": names}

        @tf.function(input_signature=[TEXT])
        def serving_default(text):
            return search(text, DEFAULT_K)

        self.embed_query = embed_query
        self.embed_label = embed_label
        self.search = search
        self.serving_default = serving_default

    def _find_exactly(self, query_vectors, k):
        return top_k_in_blocks(query_vectors, self.label_vectors, k)

    def signatures(self):
        """The functions as signatures, for TensorFlow Serving."""
        return {
            "serving_default": self.serving_default,
            "search": self.search,
            "embed_query": self.embed_query,
            "embed_label": self.embed_label,
        }


def top_k_in_blocks(query_vectors, label_vectors, k):
    """`tfxc.search.top_k` for batches whose scores exceed the memory.

    Args:
        query_vectors: `[b, d]`, float32 tensor.
        label_vectors: `[L, d]`, float32 tensor.
        k: In `[1, L]`; may be a tensor.

    Returns:
        `(scores [b, k] float32, ids [b, k] int32)`, best first.
    """
    num_queries = tf.shape(query_vectors)[0]
    num_labels = tf.shape(label_vectors)[0]
    rows = tf.maximum(BLOCK_SCORES // num_labels, 1)
    # One block at least, so that there is a block to take the shape of.
    blocks = tf.maximum((num_queries + rows - 1) // rows, 1)

    def one_block(block, scores, ids):
        queries = query_vectors[block * rows : (block + 1) * rows]
        block_scores, block_ids = top_k(queries, label_vectors, k)
        scores = scores.write(block, block_scores)
        return block + 1, scores, ids.write(block, block_ids)

    _, scores, ids = tf.while_loop(
        lambda block, scores, ids: block < blocks,
        one_block,
        (0, _array(blocks, tf.float32), _array(blocks, tf.int32)),
        parallel_iterations=1,
    )
    return scores.concat(), ids.concat()


def _array(size, dtype):
    return tf.TensorArray(
        dtype, size, infer_shape=False, element_shape=[None, None]
    )


def _variable(values, dtype):
    if isinstance(values, tf.Variable):
        return values
    return tf.Variable(
        tf.convert_to_tensor(values, dtype), trainable=False, dtype=dtype
    )
