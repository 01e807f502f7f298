"""First steps that draw all labels alike."""

import keras


class WarmUp(keras.callbacks.Callback):
    """Lets a sampler ignore the scores of labels in the first steps.

    Hard negatives of an encoder that knows nothing yet are often labels that
    should be right. At inverse temperature 0 a sampler draws all that it knows
    alike.

    Args:
        sampler: `tfxc.negatives.Sampler` with an `inverse_temperature`.
        steps: How many, of all epochs together.
        inverse_temperature: What the sampler's is afterwards.
    """

    def __init__(self, sampler, steps, inverse_temperature):
        super().__init__()
        self.sampler = sampler
        self.steps = steps
        self.inverse_temperature = inverse_temperature

    def on_train_batch_begin(self, step, logs=None):
        at_first = int(self.model.optimizer.iterations) < self.steps
        self.sampler.inverse_temperature.assign(
            0.0 if at_first else self.inverse_temperature
        )
