"""How much a correct prediction of a rare label counts."""

import math

import numpy as np

DEFAULT_CONSTANTS = (0.55, 1.5)

# By data set, in lower case. AmazonCat and WikiSeeAlso take the default.
PROPENSITY_CONSTANTS = {
    "wikilshtc-325k": (0.5, 0.4),
    "wikipedia-500k": (0.5, 0.4),
    "wikititles-500k": (0.5, 0.4),
    "lf-wikipedia-500k": (0.5, 0.4),
    "lf-wikititles-500k": (0.5, 0.4),
    "amazon-670k": (0.6, 2.6),
    "amazon-3m": (0.6, 2.6),
    "amazontitles-670k": (0.6, 2.6),
    "amazontitles-3m": (0.6, 2.6),
    "lf-amazon-131k": (0.6, 2.6),
    "lf-amazontitles-131k": (0.6, 2.6),
    "lf-amazontitles-1.3m": (0.6, 2.6),
}


def propensity_constants(dataset):
    """The constants `(a, b)` that results on a data set are published with.

    Published code disagrees on some data sets, and so do the PSP of its tables.
    This is the convention of the Extreme Classification Repository. Print the
    constants beside every PSP.

    Args:
        dataset: Name of the data set, in any case. Names are compared as
            wholes: "LF-Amazon-131K" is listed in `PROPENSITY_CONSTANTS`, and
            "AmazonCat-13K", which is not, has the default constants.

    Returns:
        `(a, b)`; `(0.55, 1.5)` for a data set that is not listed.
    """
    return PROPENSITY_CONSTANTS.get(dataset.lower(), DEFAULT_CONSTANTS)


def inverse_propensity(label_counts, num_rows, a=0.55, b=1.5):
    """The inverse propensity of each label.

    Rare labels are missing from the truth more often than frequent ones. PSP
    weighs a hit by the inverse of the probability that it would be recorded:

    ```
    1 / p_l = 1 + c (n_l + b)^-a        c = (ln N - 1) (b + 1)^a
    ```

    Args:
        label_counts: `[L]`, int; in how many training rows each label occurs.
        num_rows: Number `N` of training rows, with or without labels.
        a: Float constant, see `propensity_constants`.
        b: Float constant.

    Returns:
        `[L]`, float64.

    Raises:
        ValueError: if there is no row, or a label is in more rows than exist.

    Example:

    >>> tfxc.metrics.inverse_propensity([0, 1, 100], num_rows=1000).round(3)
    array([8.824, 6.908, 1.77 ])

    Reference:
        [Jain et al., 2016](https://doi.org/10.1145/2939672.2939756)
    """
    counts = np.asarray(label_counts, np.float64)  # [L]
    highest = counts.max(initial=0.0)
    if num_rows < max(highest, 1):
        raise ValueError(
            "`num_rows` must be at least 1 and at least the largest count, "
            f"{highest:.0f}. Received: num_rows={num_rows}"
        )
    c = (math.log(num_rows) - 1) * (b + 1) ** a
    return 1 + c * (counts + b) ** -a
