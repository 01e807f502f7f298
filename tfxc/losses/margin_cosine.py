"""Cosines that a positive label must reach by a margin."""

import math

from keras import ops

TINY = 1e-7  # under a square root, whose slope at 0 has no bound


def margin_cosine(cosine, multiply=1, angle=0.0, subtract=0.0):
    """A cosine, made smaller by margins of its angle.

    With t the angle, m = `multiply`, a = `angle` and c = `subtract`,

    ```
    psi(t) = (-1)^k cos(m t + a) - 2 k - c,   k = floor((m t + a) / pi)
    ```

    falls from t = 0 to pi without a break. m > 1 is the large-margin softmax
    and SphereFace, a > 0 ArcFace, c > 0 CosFace. No angle is computed, and
    nothing branches: cos(m t) and sin(m t) / sin(t) are Chebyshev polynomials
    of the cosine, and k counts the cosines of the angles at which it steps.

    Args:
        cosine: Float array, in [-1, 1]; clipped to that.
        multiply: m; positive integer.
        angle: a, in radians, in [0, pi).
        subtract: c, not negative.

    Returns:
        Array like `cosine`, float32.

    Raises:
        ValueError: if m is no positive integer, or a or c is out of range.

    Example:

    >>> [round(float(x), 3) for x in tfxc.losses.margin_cosine([1, 0, -1], 2)]
    [1.0, -1.0, -3.0]

    References:
        - [Liu et al., 2016](https://arxiv.org/abs/1612.02295)
        - [Wang et al., 2018](https://arxiv.org/abs/1801.09414), CosFace
        - [Deng et al., 2019](https://arxiv.org/abs/1801.07698), ArcFace
    """
    check_margins(multiply, angle, subtract)
    cosine = ops.clip(ops.cast(cosine, "float32"), -1.0, 1.0)
    # Of the first kind, cos(n t), and the second, sin(n t) / sin(t).
    first, second = (ops.ones_like(cosine), cosine), (0.0, 1.0)
    for _ in range(multiply - 1):
        first = first[1], 2 * cosine * first[1] - first[0]
        second = second[1], 2 * cosine * second[1] - second[0]
    value = first[1]
    if angle:
        sine = ops.sqrt(ops.maximum(1 - ops.square(cosine), TINY))
        value = value * math.cos(angle) - sine * second[1] * math.sin(angle)
    steps = [(math.pi * j - angle) / multiply for j in range(1, multiply + 1)]
    below = [cosine < math.cos(step) for step in steps if step < math.pi]
    if below:
        k = sum(ops.cast(part, "float32") for part in below)
        odd = k - 2 * ops.floor(k / 2)
        value = (1 - 2 * odd) * value - 2 * k
    return value - subtract


def check_margins(multiply, angle, subtract):
    """Raises `ValueError` unless margins are in their ranges."""
    whole = not isinstance(multiply, bool) and multiply == int(multiply)
    if not whole or multiply < 1:
        raise ValueError(
            f"`multiply` must be a positive integer. Received: {multiply}"
        )
    if not 0 <= angle < math.pi or not 0 <= subtract < math.inf:
        raise ValueError(
            "`angle` must be in [0, pi), and `subtract` not negative. "
            f"Received: angle={angle}, subtract={subtract}"
        )
