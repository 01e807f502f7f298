"""Invariants of SG trees:

- nesting, covering and separation of siblings;
- every label is one leaf, also where labels have the same vector;
- all that still holds after labels have moved, time and again, and those that
  did not move stay with their neighbours;
- after a drift of all labels, once those are put in again that do not fit;
- its partitions are nested, and their groups are compact.
"""

import numpy as np
import pytest
from sampler_cases import label_vectors

from tfxc.negatives import sg_tree


def case(labels, seed=0):
    vectors = label_vectors(seed, labels)
    if labels > 8:
        vectors[7] = vectors[8] = vectors[3]
    return vectors


def nodes_of(tree):
    nodes = [tree.root]
    for node in nodes:
        nodes += node.children
    return nodes


def assert_invariants(tree, vectors):
    leaves = [node for node in nodes_of(tree) if not node.children]
    assert sorted(node.centre for node in leaves) == list(range(len(vectors)))
    for node in nodes_of(tree):
        far = vectors[node.labels()] - vectors[node.centre]
        far = np.linalg.norm(far, axis=1).max()
        assert far <= tree.base**node.level * (1 + 1e-4) + 1e-4
        if not node.children or far < 1e-4:
            continue
        assert node.children[0].centre == node.centre
        centres = vectors[[child.centre for child in node.children]]
        gaps = np.linalg.norm(centres[:, None] - centres[None], axis=2)
        np.fill_diagonal(gaps, np.inf)
        assert gaps.min() > tree.base ** (node.level - 1) * (1 - 1e-4)
        assert len(node.children) > 1
        assert all(child.level < node.level for child in node.children)


@pytest.mark.parametrize("base", [1.1, 1.3, 2.0])
@pytest.mark.parametrize("labels", [1, 2, 60, 400])
def test_invariants(base, labels):
    vectors = case(labels)
    assert_invariants(sg_tree(vectors, base), vectors)


@pytest.mark.parametrize("base", [1.1, 1.3, 2.0])
@pytest.mark.parametrize("share", [0.02, 0.3, 1.0])
def test_labels_that_move(rng, base, share):
    vectors = case(200)
    tree = sg_tree(vectors, base)
    for turn in range(6):
        chosen = np.flatnonzero(rng.random(200) < share)
        vectors = vectors.copy()
        # To other labels' places, nearby, or onto one place.
        vectors[chosen] = case(200, seed=turn)[chosen]
        vectors[chosen[:3]] = vectors[chosen[-1]]
        tree = tree.moved(vectors, chosen)
        assert_invariants(tree, vectors)


def test_labels_that_stay_keep_their_neighbours():
    vectors = case(400)
    tree = sg_tree(vectors)
    child = max(tree.root.children[1:], key=lambda node: len(node.labels()))
    outside = np.setdiff1d(np.arange(400), [*child.labels(), tree.root.centre])
    new = vectors.copy()
    new[outside[0]] = -vectors[child.centre]
    found = tree.moved(new, outside[:1])
    assert_invariants(found, new)
    assert child in nodes_of(found), "with all that is below it"
    assert tree.moved(vectors, []).root == tree.root


@pytest.mark.parametrize("base", [1.1, 1.3, 2.0])
@pytest.mark.parametrize("drift", [0.0, 0.01, 0.1, 1.0])
def test_drift_of_all_labels(rng, base, drift):
    vectors = case(300)
    tree = sg_tree(vectors, base)
    assert not len(tree.drifted(vectors))
    for _ in range(4):
        vectors = vectors + drift * rng.normal(size=vectors.shape) / 4
        found = tree.drifted(vectors)
        if drift == 0.01:
            assert 0 < len(found) < 290
        tree = tree.moved(vectors, found)
        assert_invariants(tree, vectors)
        assert not len(tree.drifted(vectors))


def test_labels_without_text():
    """An encoder gives them a vector of zeros."""
    vectors = case(200)
    vectors[40:60] = 0
    tree = sg_tree(vectors)
    assert_invariants(tree, vectors)
    new = vectors.copy()
    new[50:70] = case(200, seed=3)[50:70]
    new[70:80] = 0
    assert_invariants(tree.moved(new, np.arange(50, 80)), new)


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
    tree = sg_tree(vectors)
    vectors[3, 3] = np.nan
    for make in (sg_tree, lambda vectors: tree.moved(vectors, [3])):
        with pytest.raises(ValueError, match="Received: NaN"):
            make(vectors)
