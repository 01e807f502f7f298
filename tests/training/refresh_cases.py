"""Steps of an epoch, as callbacks that refresh a sampler see them."""

import types

import numpy as np


def unit(rng, rows, dim=4):
    """Random unit vectors: `[rows, dim]`, float32."""
    array = rng.normal(size=(rows, dim))
    array /= np.linalg.norm(array, axis=1, keepdims=True)
    return array.astype(np.float32)


class Steps:
    """Begins steps, as `fit` does, without training.

    Args:
        callbacks: List of `keras.callbacks.Callback`.
    """

    def __init__(self, *callbacks):
        self.callbacks = callbacks
        self.model = types.SimpleNamespace(
            optimizer=types.SimpleNamespace(iterations=0)
        )
        for callback in callbacks:
            callback.set_model(self.model)

    def begin_epoch(self):
        for callback in self.callbacks:
            callback.on_epoch_begin(0)

    def begin(self, step, done=None):
        """Step of the epoch; by default the epoch is the first."""
        self.model.optimizer.iterations = step if done is None else done
        for callback in self.callbacks:
            callback.on_train_batch_begin(step)
