"""A softmax over very many classes, in which rare ones cost little."""

import itertools
import math

import keras
import numpy as np
from keras import ops

from tfxc.layers.adaptive_tail import tail_log_likelihood, tail_log_probs
from tfxc.layers.adaptive_top_k import likeliest
from tfxc.layers.cutoffs import check_frequencies, tail_dim
from tfxc.layers.row_labels import (
    check_labels,
    label_table,
    num_labels_of,
    sum_at,
)


@keras.saving.register_keras_serializable(package="tfxc")
class AdaptiveSoftmax(keras.layers.Layer):
    """A softmax over very many classes, in which rare ones cost little.

    Most rows have one of a few frequent labels. These are in the head; others
    are in tails, each one more entry of the head, and only rows whose label is
    in a tail are compared with its labels, in fewer dimensions the rarer they
    are:

    ```
    log p(y | x) = log softmax(H x)_y                      y in the head
                   log softmax(H x)_tail i                 y in tail i
                     + log softmax(T_i P_i x)_y
    ```

    Labels are in the order of their frequency, or `frequencies` say which. With
    several labels of a row, the target is uniform over them. Shapes are static:
    a tail takes `capacity` times the rows that it has on average, and where a
    batch has more, the others after these.

    Args:
        num_labels: Number of labels L.
        cutoffs: Increasing list of int, see `choose_cutoffs`: the place in the
            order of the first label of each tail.
        shrink: Dimensions of the input by those of the first tail, and of each
            tail by those of the next.
        frequencies: `[L]`, float; of the labels, in any order. Labels are put
            in its order, and tails get as much room as their labels need.
        capacity: See above.
        head_bias: Whether the entries of the head have biases.
        seed: Of the first weights.

    Call arguments:
        inputs: `[b, d]`, float.
        labels: `[b]` or `[b, p]`, int; the labels of each row, then -1.

    Returns:
        `[b]`, float32; the mean of -log p over a row's labels, 0 without any.

    Raises:
        ValueError: if cutoffs are not increasing in `[1, L - 1]`, if labels
            that are a NumPy array are out of range.

    Example:

    >>> layer = tfxc.layers.AdaptiveSoftmax(1000, cutoffs=[50, 200])
    >>> x = np.random.default_rng(0).normal(size=(4, 32)).astype("float32")
    >>> layer(x, np.array([3, 70, 999, 0])).shape
    TensorShape([4])
    >>> round(float(np.exp(layer.log_probs(x)[0]).sum()), 4)
    1.0

    Reference:
        [Grave et al., 2017](https://arxiv.org/abs/1609.04309)
    """

    def __init__(
        self,
        num_labels,
        cutoffs,
        shrink=4.0,
        frequencies=None,
        capacity=1.5,
        head_bias=False,
        seed=0,
        **kwargs,
    ):
        super().__init__(**kwargs)
        cutoffs = [int(cutoff) for cutoff in cutoffs]
        ends = [0, *cutoffs, num_labels]
        if any(one >= other for one, other in itertools.pairwise(ends)):
            raise ValueError(
                f"`cutoffs` must be increasing, in [1, {num_labels - 1}]. "
                f"Received: {cutoffs}"
            )
        if not shrink >= 1 or not capacity > 0:
            raise ValueError(
                "`shrink` must be at least 1 and `capacity` positive. "
                f"Received: shrink={shrink}, capacity={capacity}"
            )
        self.num_labels, self.cutoffs = num_labels, cutoffs
        self.shrink, self.capacity = shrink, capacity
        self.head_bias, self.seed = head_bias, seed
        self.frequencies = None
        if frequencies is not None:
            self.frequencies = np.asarray(frequencies, np.float64)
            check_frequencies(self.frequencies)
            if len(self.frequencies) != num_labels:
                raise ValueError(
                    f"`frequencies` must be [{num_labels}]. "
                    f"Received: [{len(self.frequencies)}]"
                )
            ordered = np.sort(self.frequencies)[::-1] / self.frequencies.sum()
            self.shares = np.add.reduceat(ordered, [0, *cutoffs])

    def build(self, input_shape):
        dim = input_shape[-1]
        bound = 1 / math.sqrt(dim)

        def weight(name, shape, part):
            start = keras.initializers.RandomUniform(
                -bound, bound, seed=self.seed + part
            )
            return self.add_weight(name=name, shape=shape, initializer=start)

        tails = len(self.cutoffs)
        self.head = weight("head", (dim, self.head_size + tails), 0)
        self.bias = None
        if self.head_bias:
            self.bias = self.add_weight(
                name="bias",
                shape=(self.head_size + tails,),
                initializer="zeros",
            )
        self.projections, self.tables = [], []
        for tail, (start, end) in enumerate(self.ranges, start=1):
            inner = tail_dim(dim, tail, self.shrink)
            self.projections.append(
                weight(f"projection_{tail}", (dim, inner), 2 * tail)
            )
            self.tables.append(
                weight(f"table_{tail}", (inner, end - start), 2 * tail + 1)
            )
        self.places = self.order = None
        if self.frequencies is not None:
            order = np.argsort(-self.frequencies, kind="stable")
            places = np.empty(self.num_labels, np.int64)
            places[order] = np.arange(self.num_labels)
            self.order = self._constant("order", order)
            self.places = self._constant("places", places)
        self.built = True

    def _constant(self, name, array):
        return self.add_weight(
            name=name,
            shape=array.shape,
            dtype="int32",
            initializer=lambda shape, dtype: ops.cast(array, dtype),
            trainable=False,
        )

    @property
    def head_size(self):
        """Labels of the head."""
        return self.cutoffs[0] if self.cutoffs else self.num_labels

    @property
    def ranges(self):
        """`[(start, end)]` of the labels of each tail, in their order."""
        return [*itertools.pairwise([*self.cutoffs, self.num_labels])]

    def __call__(self, inputs, labels, **kwargs):
        if isinstance(labels, np.ndarray):  # which Keras makes a tensor of
            check_labels(labels, self.num_labels)
        return super().__call__(inputs, labels, **kwargs)

    def call(self, inputs, labels):
        labels = label_table(labels)
        known = labels >= 0
        place = ops.maximum(labels, 0)
        if self.places is not None:
            place = ops.take(self.places, place)
        entry = place
        for tail, (start, _) in enumerate(self.ranges):
            entry = ops.where(place >= start, self.head_size + tail, entry)
        total = sum_at(self.head_log_probs(inputs), ops.where(known, entry, -1))
        inputs = ops.cast(inputs, self.compute_dtype)
        for tail, (start, end) in enumerate(self.ranges):
            inside = known & (place >= start) & (place < end)
            total = total + tail_log_likelihood(
                inputs,
                ops.where(inside, place - start, -1),
                *self.tail(tail),
                self.room(inputs.shape[0], tail),
            )
        return -total / num_labels_of(labels)

    def log_probs(self, inputs):
        """log p of each label: `[b, L]`, float32."""
        self._ensure_built(inputs)
        head = self.head_log_probs(inputs)
        parts = [head[:, : self.head_size]]
        for tail in range(len(self.cutoffs)):
            token = head[:, self.head_size + tail, None]
            parts.append(token + self.tail_log_probs(tail, inputs))
        found = ops.concatenate(parts, axis=1)
        if self.places is None:
            return found
        return ops.take(found, self.places, axis=1)

    def top_k(self, inputs, k):
        """The k likeliest labels, exactly: `(log p [b, k], ids [b, k] int32)`.

        See `likeliest`.

        Raises:
            ValueError: if k is not in `[1, L]`.
        """
        self._ensure_built(inputs)
        if not 1 <= k <= self.num_labels:
            raise ValueError(
                f"`k` must be in [1, {self.num_labels}]. Received: {k}"
            )
        values, ids = likeliest(self, inputs, k)
        return values, ids if self.order is None else ops.take(self.order, ids)

    def _ensure_built(self, inputs):
        if not self.built:
            self.build(inputs.shape)

    def room(self, rows, tail):
        """Rows of a batch that a tail takes at once."""
        if self.frequencies is None:
            return rows
        share = self.shares[tail + 1]
        return min(max(math.ceil(self.capacity * share * rows), 1), rows)

    def head_log_probs(self, inputs):
        """log p of the head's labels, then of each tail: `[b, n]`, float32."""
        scores = ops.matmul(ops.cast(inputs, self.compute_dtype), self.head)
        if self.bias is not None:
            scores = scores + self.bias
        return ops.log_softmax(ops.cast(scores, "float32"), axis=-1)

    def tail_log_probs(self, tail, inputs):
        """log p of a tail's labels, given the tail: `[b, size]`, float32."""
        inputs = ops.cast(inputs, self.compute_dtype)
        return tail_log_probs(inputs, *self.tail(tail))

    def tail(self, tail):
        """The projection and the table of a tail, as it computes with them."""
        weights = self.projections[tail], self.tables[tail]
        return [ops.cast(weight, self.compute_dtype) for weight in weights]

    def get_config(self):
        frequencies = self.frequencies
        return {
            **super().get_config(),
            "num_labels": self.num_labels,
            "cutoffs": self.cutoffs,
            "shrink": self.shrink,
            "frequencies": None
            if frequencies is None
            else frequencies.tolist(),
            "capacity": self.capacity,
            "head_bias": self.head_bias,
            "seed": self.seed,
        }
