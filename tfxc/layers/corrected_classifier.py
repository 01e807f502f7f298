"""Labels by a classifier and what its negatives were drawn by."""

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="tfxc")
class CorrectedClassifier(keras.layers.Layer):
    """Ranks labels by a classifier, and what its negatives were drawn by.

    A classifier that was trained to tell right labels from drawn ones knows
    only what the sampler does not: at its optimum, the scores of a softmax over
    all labels are

    ```
    s(x, y) = w_y . x + b_y + log q(y | x) + a constant of x
    ```

    Args:
        classifier: `tfxc.layers.LabelClassifier` of inner products.
        sampler: `tfxc.negatives.Sampler` with `log_prob`; `None` for a loss
            whose optimum is the softmax itself.
        shortlist: Labels to rank, the likeliest ones by a tree; 0 for all.

    Call arguments:
        inputs: `[b, d]`, float; vectors of queries.

    Returns:
        `[b, L]`, float32; s without the constant.

    Raises:
        ValueError: if there is a shortlist, but the sampler is no tree.

    Example:

    >>> classifier = tfxc.layers.LabelClassifier(100, 8, cosine=False)
    >>> sampler = tfxc.negatives.Unigram(np.arange(1, 101))
    >>> layer = tfxc.layers.CorrectedClassifier(classifier, sampler)
    >>> scores, ids = layer.top_k(np.zeros((2, 8), np.float32), k=3)
    >>> ids[0].numpy().tolist()
    [99, 98, 97]

    Reference:
        [Bamler and Mandt, 2020](https://arxiv.org/abs/2002.06298), section 2.2
    """

    def __init__(self, classifier, sampler=None, shortlist=0, **kwargs):
        # Scores of many labels in low precision would mostly be equal.
        super().__init__(autocast=False, **{**kwargs, "dtype": "float32"})
        if shortlist and not hasattr(sampler, "likeliest"):
            raise ValueError(
                "`shortlist` must be 0, unless the sampler is a "
                f"LabelTreeSampler. Received: {shortlist}"
            )
        self.classifier = classifier
        self.sampler = sampler
        self.shortlist = min(shortlist, classifier.num_labels)

    def build(self, input_shape=None):
        self.built = True

    def call(self, inputs):
        table = ops.convert_to_tensor(self.classifier.table)
        scores = ops.matmul(
            self.classifier.inputs(inputs), ops.transpose(table)
        )
        if self.sampler is None:
            return scores
        return scores + self.sampler.log_probs(inputs)

    def log_probs(self, inputs):
        """log p of each label by the softmax of its score: `[b, L]`."""
        return ops.log_softmax(self(inputs), axis=-1)

    def top_k(self, inputs, k):
        """The k best labels: `(scores [b, k] float32, ids [b, k] int32)`.

        Of a shortlist, at least k labels long, if there is one.
        """
        inputs = ops.cast(inputs, "float32")
        if not self.shortlist:
            scores, ids = ops.top_k(self(inputs), k)
            return scores, ops.cast(ids, "int32")
        width = max(k, self.shortlist)
        log_q, found = self.sampler.likeliest(inputs, width)
        rows = ops.take(self.classifier.table, found, axis=0)
        scores = log_q + ops.einsum(
            "bd,bnd->bn", self.classifier.inputs(inputs), rows
        )
        scores, place = ops.top_k(scores, k)
        return scores, ops.take_along_axis(found, place, axis=1)

    def get_config(self):
        serialize = keras.saving.serialize_keras_object
        return {
            **super().get_config(),
            "classifier": serialize(self.classifier),
            "sampler": serialize(self.sampler),
            "shortlist": self.shortlist,
        }

    @classmethod
    def from_config(cls, config):
        deserialize = keras.saving.deserialize_keras_object
        parts = ("classifier", "sampler")
        parts = {name: deserialize(config[name]) for name in parts}
        return cls(**{**config, **parts})
