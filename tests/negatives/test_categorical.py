"""Invariants of draws from a few weights for each query:

- they follow the softmax of each row, compiled or not;
- what has no weight is never drawn;
- one column, and all weight at the last, are as any other.
"""

import numpy as np
import pytest
import tensorflow as tf
from scipy.special import softmax
from scipy.stats import chisquare

from tfxc.negatives.categorical import categorical

DRAWS = 20_000


@pytest.mark.parametrize("columns", [2, 3, 16, 17, 90])
@pytest.mark.parametrize("compiled", [False, True])
def test_draws_follow_the_softmax(rng, columns, compiled):
    logits = rng.normal(size=(3, columns)).astype(np.float32)
    draw = tf.function(categorical, jit_compile=True)
    found = (draw if compiled else categorical)(logits, DRAWS, 7).numpy()
    assert found.dtype == np.int32 and found.shape == (3, DRAWS)
    for row, law in zip(found, softmax(logits, axis=1), strict=True):
        counts = np.bincount(row, minlength=columns)
        law = law.astype(np.float64)
        assert chisquare(counts, DRAWS * law / law.sum()).pvalue > 1e-4


def test_what_has_no_weight_is_never_drawn(rng):
    logits = rng.normal(size=(50, 37)).astype(np.float32)
    logits[rng.random(logits.shape) < 0.8] = -np.inf
    logits[:, 20] = -90.0  # at least something is possible
    found = categorical(logits, 500, 1).numpy()
    assert np.isfinite(np.take_along_axis(logits, found, axis=1)).all()


@pytest.mark.parametrize("columns", [1, 2, 10, 26])
@pytest.mark.parametrize("place", [0, -1])
def test_all_weight_at_one_column(columns, place):
    logits = np.full((2, columns), -np.inf, np.float32)
    logits[:, place] = 3.0
    found = categorical(logits, 9, 0).numpy()
    assert (found == np.arange(columns)[place]).all()
