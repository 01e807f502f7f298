"""Learning rates as a function of the step."""

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="tfxc")
class LinearDecay(keras.optimizers.schedules.LearningRateSchedule):
    """Up from zero, then down to zero, both in a straight line.

    ```
    rate(t) = peak * min(t / w, (steps - t) / (steps - w)),  w = warmup steps
    ```

    Args:
        peak: Highest rate.
        steps: Steps in all; from then on the rate is 0.
        warmup: Share of the steps that goes up.

    Example:

    >>> rate = tfxc.training.LinearDecay(1.0, steps=10, warmup=0.5)
    >>> [round(float(rate(step)), 1) for step in (0, 1, 5, 9, 10, 11)]
    [0.0, 0.2, 1.0, 0.2, 0.0, 0.0]
    """

    def __init__(self, peak, steps, warmup=0.0):
        super().__init__()
        self.peak, self.steps, self.warmup = peak, max(steps, 1), warmup

    def __call__(self, step):
        step = ops.cast(step, "float32")
        rising = self.warmup * self.steps
        down = (self.steps - step) / max(self.steps - rising, 1e-9)
        up = step / rising if rising else 1.0
        return self.peak * ops.maximum(ops.minimum(up, down), 0.0)

    def get_config(self):
        return {
            "peak": self.peak,
            "steps": self.steps,
            "warmup": self.warmup,
        }
