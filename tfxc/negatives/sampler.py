"""What all samplers of negatives share."""

import keras
import numpy as np
from keras import ops

ASKED = 8192  # labels whose probability is asked for at once


class Sampler(keras.layers.Layer):
    """Draws labels for queries, and says how likely each draw was.

    A subclass writes `sample`, and `log_prob` where its law has a closed form;
    `refresh`, where it follows the vectors of the labels. All shapes are
    static, so that draws are part of a compiled training step; what a sampler
    knows of the labels stands in non-trainable variables, whose shapes a
    refresh does not change.

    Args:
        num_labels: Number of labels L; ids are `0..L - 1`.
        seed: Integer; of the draws.

    Attributes:
        share: What the probabilities of a query's draws sum to, if not to 1.
        near_softmax: Whether the law is near the softmax over all labels at its
            `inverse_temperature`, when it was refreshed.

    Call arguments:
        queries: `[b, d]`, float.
        num: Labels to draw for each query, by keyword; may repeat.
        positives: `[b, p]`, int: what is right for each query, then -1; or
            `None`.
        **batch: Passed to `sample`.

    Returns:
        `(ids [b, num] int32, log_q [b, num] float32, relevance [b, num] int8)`;
        relevance is 0, or -1 for a label that is right for the query and so
        is no negative of it.

    Raises:
        ValueError: if the number of queries is not known when a step is traced.
    """

    share, near_softmax = 1.0, False

    def __init__(self, num_labels, seed=0, **kwargs):
        super().__init__(autocast=False, **{"dtype": "float32", **kwargs})
        if num_labels < 1:
            raise ValueError(
                f"`num_labels` must be positive. Received: {num_labels}"
            )
        self.num_labels = num_labels
        self.seed = seed
        self.generator = keras.random.SeedGenerator(seed)

    def build(self, input_shape=None):
        self.built = True  # the variables are made with the sampler

    def sample(self, queries, num, seed=None, **batch):
        """Draws `(ids [b, num] int32, log_q [b, num] float32)`.

        Args:
            queries: `[b, d]`, float.
            num: Integer; draws for each query.
            seed: As in `keras.random`; the sampler's own generator if left out.
            **batch: What some samplers need besides, see each.
        """
        raise NotImplementedError

    def log_prob(self, queries, ids, **batch):
        """The log-probability of drawing labels: `[b, n]`, float32.

        Args:
            queries: `[b, d]`, float.
            ids: `[b, n]` or `[n]`, int.
            **batch: As in `sample`.
        """
        raise NotImplementedError

    def log_probs(self, queries, **batch):
        """As `log_prob` of every label: `[b, L]`, float32."""
        ids = ops.arange(self.num_labels, dtype="int32")
        return self.log_prob(queries, ids, **batch)

    def law(self, queries, **batch):
        """log Q of every label: `[b, L]`, float64; takes as much memory."""
        return all_log_probs(self.log_prob, queries, self.num_labels, **batch)

    def components(self, num):
        """Who makes how many of `num` draws: `[(sampler, count)]`."""
        return [(self, num)]

    def refresh(self, label_vectors):
        """Takes over new vectors `[L, d]` of the labels, between two steps."""

    def call(self, queries, num, positives=None, **batch):
        if queries.shape[0] is None:
            raise ValueError(
                "`queries` must have a static shape, as batches of a dataset "
                "have after `batch(size, drop_remainder=True)`. "
                f"Received: {tuple(queries.shape)}"
            )
        ids, log_q = self.sample(queries, num, **batch)
        return ids, log_q, relevance_of(ids, positives)

    def variable(self, name, array):
        """A non-trainable variable that starts as `array`."""
        if not hasattr(array, "dtype"):
            array = np.asarray(array)
        weight = self.add_weight(
            shape=array.shape,
            dtype=array.dtype.name,
            initializer="zeros",
            trainable=False,
            name=name,
        )
        fill(weight, array)
        return weight

    def state(self):
        """All that a continued run needs: `{name: array}`."""
        return {
            variable.name: ops.convert_to_numpy(variable)
            for variable in self.variables
        }

    def restore(self, state):
        """Takes over what `state` of such a sampler returned.

        Raises:
            ValueError: if it is of another sampler.
        """
        expected = {v.name: tuple(v.shape) for v in self.variables}
        received = {name: np.shape(array) for name, array in state.items()}
        if expected != received:
            raise ValueError(
                f"`state` must have {expected}. Received: {received}"
            )
        for variable in self.variables:
            variable.assign(state[variable.name])

    def draws(self, seed, part=0):
        """The seed of one call of `keras.random`, the `part`-th of several."""
        if seed is None:
            return self.generator
        mixed = np.random.SeedSequence((seed, part)).generate_state(1)
        return int(mixed[0] // 2)

    def get_config(self):
        return {
            **super().get_config(),
            "num_labels": self.num_labels,
            "seed": self.seed,
        }


def made_of_vectors(sampler):
    """The error of a sampler that no configuration describes."""
    return NotImplementedError(
        f"`{type(sampler).__name__}` is made of the vectors of labels, which "
        "are no configuration; make it anew, and `restore` its `state`"
    )


def all_log_probs(log_prob, queries, num_labels, **batch):
    """What a `Sampler.log_prob` says of every label: `[b, L]`, float64."""
    parts = [
        log_prob(
            queries, np.arange(start, min(start + ASKED, num_labels)), **batch
        )
        for start in range(0, num_labels, ASKED)
    ]
    return np.concatenate(
        [np.float64(ops.convert_to_numpy(part)) for part in parts], axis=1
    )


def fill(variable, array, chunk_bytes=2**23):
    """Assigns an array to a variable, a chunk of rows at a time if it is large.

    So that what the array reads from, and copies made on the way, never are as
    large as the variable. Chunks are small, as some arrays compute their rows
    from much more: sketches from sixteen times their bytes.
    """
    if array.nbytes <= chunk_bytes or keras.backend.backend() != "tensorflow":
        variable.assign(array[:] if array.shape else array)
        return
    rows = max(chunk_bytes * array.shape[0] // array.nbytes, 1)
    for start in range(0, array.shape[0], rows):
        part = array[start : start + rows]
        set_rows(variable, np.arange(start, start + len(part)), part)


def set_rows(variable, rows, values):
    """Assigns some rows of a variable `[n, ...]`, in place where that can be.

    TensorFlow copies a variable that was written so whenever it is read outside
    of a compiled function.

    Args:
        variable: `keras.Variable`.
        rows: `[m]`, int; distinct.
        values: `[m, ...]`.
    """
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        values = tf.cast(values, variable.dtype)
        slices = tf.IndexedSlices(values, rows)
        variable.value.scatter_update(slices)
        return
    variable.assign(ops.scatter_update(variable, rows[:, None], values))


def relevance_of(ids, positives=None):
    """0 for negatives and -1 for accidental hits: `[b, n]`, int8.

    Args:
        ids: `[b, n]`, or `[n]` for the same labels for all queries.
        positives: `[b, p]`, int; the labels that are right, then -1. `None` if
            nothing is known.

    Example:

    >>> tfxc.negatives.relevance_of([[7, 3]], [[3, 9, -1]]).numpy().tolist()
    [[0, -1]]
    """
    ids = ops.cast(ids, "int32")
    if positives is None:
        return ops.zeros(ops.shape(ids), "int8")
    hit = ops.equal(ids[..., None], ops.cast(positives, "int32")[:, None])
    return ops.cast(ops.where(ops.any(hit, axis=-1), -1, 0), "int8")
