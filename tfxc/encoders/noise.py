"""Dropout noise that can be drawn once more."""

from keras import ops

MOST_CHUNKS = 8192  # of the texts of a batch; numbers the noise of each


def noise_generators(layer):
    """The random number generators of a layer and all layers inside it."""
    generators = [
        generator
        for inner in layer._flatten_layers()
        for generator in inner._seed_generators
    ]
    return list({id(generator): generator for generator in generators}.values())


def set_noise(generators, place):
    """Makes what the generators draw next a function of `place`.

    Args:
        generators: From `noise_generators`.
        place: Integer tensor; say step and chunk as one number.
    """
    for generator in generators:
        seed = generator.state[0]
        counter = ops.cast(place, generator.state.dtype)
        generator.state.assign(ops.stack([seed, counter]))
