"""Invariants of the inverted multi-index:

- Q is the softmax of what the two words of each label add up to;
- a word for each label makes it the softmax itself; more words come nearer;
- a refresh keeps all shapes; what cannot be indexed is refused, and the old
  index stays.
"""

import numpy as np
import pytest
from sampler_cases import BETA, LABELS, label_vectors, queries, softmax

from tfxc.negatives import Midx


def law(sampler, x):
    return np.exp(np.asarray(sampler.log_prob(x, np.arange(LABELS)), float))


def test_the_law_by_loops():
    sampler, x = Midx(label_vectors(), BETA, words=5), queries()
    parts = sampler.state()
    for row, q in zip(x, law(sampler, x), strict=True):
        weights = []
        for label in range(LABELS):
            one, two = divmod(int(parts["cell"][label]), 5)
            code = parts["first"][one] + parts["second"][two]
            weights.append(np.exp(BETA * row.astype(float) @ code))
        np.testing.assert_allclose(q, weights / np.sum(weights), rtol=1e-4)
    sizes = np.bincount(parts["cell"], minlength=25)
    np.testing.assert_array_equal(np.diff(parts["splits"]), sizes)
    np.testing.assert_array_equal(
        np.sort(parts["cell"]), parts["cell"][parts["order"]]
    )


def test_more_words_are_nearer():
    x, exact = queries(rows=20), softmax(queries(rows=20), label_vectors())
    distances = [
        np.abs(law(Midx(label_vectors(), BETA, words), x) - exact).sum() / 40
        for words in (1, 3, 8, LABELS)
    ]
    assert distances == sorted(distances, reverse=True)
    assert distances[0] > 0.5 and distances[-1] < 1e-3


def test_refresh():
    sampler, x = Midx(label_vectors(), BETA, words=5), queries()
    shapes = {v.name: v.shape for v in sampler.variables}
    moved = label_vectors(seed=7)
    sampler.refresh(moved)
    assert {v.name: v.shape for v in sampler.variables} == shapes
    np.testing.assert_allclose(
        law(sampler, x), law(Midx(moved, BETA, words=5), x), atol=1e-6
    )
    before = sampler.state()
    moved[3, 1] = np.inf
    with pytest.raises(ValueError, match=r"finite\. Received: NaN or infin"):
        sampler.refresh(moved)
    with pytest.raises(ValueError, match=r"Received: \(60, 5\)"):
        sampler.refresh(label_vectors()[:, :5])
    for name, array in sampler.state().items():
        np.testing.assert_array_equal(array, before[name])


@pytest.mark.parametrize("words", [0, LABELS + 1])
def test_words(words):
    with pytest.raises(ValueError, match=f"Received: {words}"):
        Midx(label_vectors(), BETA, words=words)
