"""Adagrad with one number of state per row, for tables with many rows."""

import keras
from keras import ops

from tfxc.layers.weighted_rows import add_weighted_rows


@keras.saving.register_keras_serializable(package="tfxc")
class RowAdagrad(keras.layers.Layer):
    """Updates only the rows that a batch touched.

    A step costs the same for ten thousand rows as for ten million, and the
    state is one float per row, where Adam keeps two per value. With g the
    gradient of the loss of one example at the weighted sum of its rows, row r
    with weight w collects

    ```
    a_r += mean(g^2) w^2           over all its occurrences in the batch
    r   -= rate w g / sqrt(a_r)    for each occurrence
    ```

    Occurrences are not merged first: in place of the square of their sum,
    `a_r` collects the sum of their squares, which needs no sort.

    Args:
        num_rows: Rows of the table.
        learning_rate: Float, or a `LearningRateSchedule` of the step.
        initial: What `a_r` starts at; larger values hold back rare rows.
        padding: Whether row 0 is padding, which `update` leaves as it is.

    Relations:
        Row-wise Adagrad of FBGEMM and of keras-rs merges occurrences.

    Reference:
        Duchi, Hazan and Singer, 2011, Adaptive Subgradient Methods.
    """

    def __init__(
        self,
        num_rows,
        learning_rate=0.1,
        initial=0.0,
        padding=True,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.num_rows = num_rows
        self.learning_rate = learning_rate
        self.initial = initial
        self.padding = padding
        self.accumulators = self.add_weight(
            shape=(num_rows,),
            initializer=keras.initializers.Constant(initial),
            trainable=False,
            dtype="float32",
            name="accumulators",
        )
        self.iterations = self.add_weight(
            shape=(),
            initializer="zeros",
            trainable=False,
            dtype="int32",
            name="iterations",
        )
        self.built = True

    def update(self, table, inputs, gradients, num_examples):
        """Applies the gradients of one batch to `table`, in place.

        Args:
            table: `[num_rows, d]` variable.
            inputs: List of `{"ids": [b, n] int, "weights": [b, n] float}`;
                id 0 is padding and stays as it is, unless the table has none.
            gradients: List of `[b, d]`; gradient of the batch's mean loss at
                the weighted sums, one for each of `inputs`.
            num_examples: What the loss was divided by.
        """
        rate = self._next_rate()
        parts = []
        for bag, gradient in zip(inputs, gradients, strict=True):
            weights = ops.cast(bag["weights"], "float32")
            if self.padding:
                weights = ops.where(bag["ids"] > 0, weights, 0.0)  # [b, n]
            parts.append((bag["ids"], weights, gradient * num_examples))
        for ids, weights, gradient in parts:
            square = ops.mean(ops.square(gradient), axis=1)  # [b]
            more = ops.square(weights) * square[:, None]
            self.accumulators.assign(
                ops.scatter_update(
                    self.accumulators,
                    ops.reshape(ids, (-1, 1)),
                    ops.reshape(more, (-1,)),
                    reduction="add",
                )
            )
        for ids, weights, gradient in parts:
            sums = ops.take(self.accumulators, ids, axis=0)
            scale = -rate * weights * ops.rsqrt(sums + 1e-12)  # [b, n]
            table.assign(add_weighted_rows(table, ids, scale, gradient))

    def update_all(self, table, gradient, num_examples):
        """Applies the gradient of a loss that reaches every row, in place.

        Each row counts as one occurrence of weight 1, and row 0 is as any
        other. Rows whose gradient is 0 keep every bit.

        Args:
            table: `[num_rows, d]` variable.
            gradient: `[num_rows, d]`; gradient of the batch's mean loss, as
                `tfxc.layers.full_label_loss_and_gradients` returns it.
            num_examples: What the loss was divided by.
        """
        rate = self._next_rate()
        # Not `mean(square(...))`, whose squares XLA holds on a CPU: [rows, d].
        square = ops.einsum("rd,rd->r", gradient, gradient)
        square = square * (num_examples**2 / gradient.shape[1])
        self.accumulators.assign_add(square)
        scale = rate * num_examples * ops.rsqrt(self.accumulators + 1e-12)
        table.assign_sub(scale[:, None] * gradient)

    def _next_rate(self):
        """The rate of this step; the next one is another step."""
        rate = self.learning_rate
        if callable(rate):
            rate = rate(self.iterations)
        self.iterations.assign_add(1)
        return ops.cast(rate, "float32")

    def get_config(self):
        rate = self.learning_rate
        if callable(rate):
            rate = keras.optimizers.schedules.serialize(rate)
        return {
            **super().get_config(),
            "num_rows": self.num_rows,
            "learning_rate": rate,
            "initial": self.initial,
            "padding": self.padding,
        }

    @classmethod
    def from_config(cls, config):
        rate = config["learning_rate"]
        if isinstance(rate, dict):
            rate = keras.optimizers.schedules.deserialize(rate)
        return cls(**{**config, "learning_rate": rate})
