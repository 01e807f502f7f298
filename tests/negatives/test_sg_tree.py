"""Invariants of SG trees:

- nesting, covering and separation of siblings, with measured radii;
- every label is one leaf, also where labels have the same vector;
- its partitions are nested, and their groups are compact.
"""

import numpy as np
import pytest
from sampler_cases import label_vectors

from tfxc.negatives import sg_tree


@pytest.mark.parametrize("base", [1.1, 1.3, 2.0])
@pytest.mark.parametrize("labels", [1, 2, 60, 400])
def test_invariants(base, labels):
    vectors = label_vectors(labels=labels)
    if labels > 2:
        vectors[7] = vectors[8] = vectors[3]
    tree = sg_tree(vectors, base)
    children = {node: [] for node in range(len(tree))}
    for node in range(1, len(tree)):
        assert tree.parents[node] < node
        children[int(tree.parents[node])].append(node)
    leaves = [node for node in children if not children[node]]
    assert sorted(tree.centres[leaves]) == list(range(labels))
    below = {}
    for node in reversed(range(len(tree))):
        mine = [tree.centres[node]] if not children[node] else []
        below[node] = mine + [x for c in children[node] for x in below[c]]
        far = vectors[below[node]] - vectors[tree.centres[node]]
        far = np.linalg.norm(far, axis=1).max()
        np.testing.assert_allclose(tree.radii[node], far, atol=1e-6)
        assert far <= base ** tree.levels[node] * (1 + 1e-4) + 1e-4
        if not children[node] or far < 1e-4:
            continue
        assert tree.centres[children[node][0]] == tree.centres[node]
        centres = vectors[tree.centres[children[node]]]
        gaps = np.linalg.norm(centres[:, None] - centres[None], axis=2)
        np.fill_diagonal(gaps, np.inf)
        radius = base ** (tree.levels[node] - 1)
        assert gaps.min() > radius * (1 - 1e-4)
        for child in children[node]:
            assert tree.levels[child] < tree.levels[node]


def test_partitions():
    vectors = label_vectors(labels=400)
    found = sg_tree(vectors).partition([8, 40, 200])
    assert sorted(found.order) == list(range(400))
    sizes = [len(splits) - 1 for splits in found.levels]
    assert 8 <= sizes[0] < 40 <= sizes[1] < 200 <= sizes[2]
    for one, other in zip(found.levels, found.levels[1:], strict=False):
        assert set(one) <= set(other)
    radii = [radii.mean() for _, radii in found.summaries(vectors)]
    assert radii == sorted(radii, reverse=True) and radii[2] < radii[0] / 3


def test_bad_arguments():
    vectors = label_vectors()
    with pytest.raises(ValueError, match="Received: 1"):
        sg_tree(vectors, 1.0)
    vectors[3, 3] = np.nan
    with pytest.raises(ValueError, match="Received: NaN"):
        sg_tree(vectors)
