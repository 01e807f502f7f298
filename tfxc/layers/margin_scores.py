"""Scores of candidates, of which the right ones are held back by a margin."""

from keras import ops

from tfxc.losses.margin_cosine import margin_cosine


def margin_scores(relevance, cosine, norms, margins, easing=0.0):
    """Scores of candidates, of which the right ones are held back by a margin.

    ```
    norm (e cos t + psi(t)) / (e + 1)     of a positive, e the easing
    norm cos t                            else
    ```

    Candidates may be all labels, or a shortlist for each query.

    Args:
        relevance: `[q, c]`; 1 for positives.
        cosine: `[q, c]`, float; of the angle between query and candidate.
        norms: `[q, c]` or a number, float; what cosines are multiplied by.
        margins: `(multiply, angle, subtract)`, see
            `tfxc.losses.margin_cosine`.
        easing: Float or scalar array e, not negative: how much of the score is
            without a margin, see `margin_easing`.

    Returns:
        `[q, c]`, float32.

    Example:

    >>> relevance, cosine = np.array([[1, 0]]), np.array([[0.5, 0.5]])
    >>> tfxc.layers.margin_scores(relevance, cosine, 10.0, (1, 0, 0.2)).numpy()
    array([[3., 5.]], dtype=float32)
    """
    cosine = ops.cast(cosine, "float32")
    held = (easing * cosine + margin_cosine(cosine, *margins)) / (1 + easing)
    return norms * ops.where(ops.equal(relevance, 1), held, cosine)


def margin_easing(step, start=1000.0, rate=1e-4, power=35.0, least=0.0):
    """How much of a score is without a margin at a step.

    `max(least, start (1 + rate step)^-power)`; the first step is 1.

    Args:
        step: Integer scalar array.
        start: Float, not negative.
        rate: Float, not negative.
        power: Float, not negative.
        least: Float, not negative.

    Returns:
        Float32 scalar.

    Example:

    >>> float(tfxc.layers.margin_easing(0)), float(
    ...     tfxc.layers.margin_easing(10_000, least=0.5))
    (1000.0, 0.5)

    Reference:
        [Liu et al., 2016](https://arxiv.org/abs/1612.02295), and the settings
        of the authors' experiments
    """
    step = ops.cast(step, "float32")
    return ops.maximum(start * (1 + rate * step) ** (-power), least)
