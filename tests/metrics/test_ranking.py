"""Invariants of the ranking metrics:

- they equal napkinXC's, rows without labels and short rankings included;
- the worked case and the Extreme Classification Repository's own sample;
- the cut of the rows into blocks does not matter;
- the parts of groups sum to the whole, and a group's recall and coverage are
  those of a data set that has the group's labels alone;
- nothing of the size rows x labels is made.
"""

import os
import pathlib
import tracemalloc

import napkinxc.metrics as oracle
import numpy as np
import pytest
import scipy.io

from tfxc.data.label_lists import LabelLists
from tfxc.metrics import (
    LabelGroups,
    RankingMetrics,
    frequency_groups,
    inverse_propensity,
)

DATA = pathlib.Path(
    os.environ.get(
        "TFXC_DATA", pathlib.Path(__file__).parents[2] / "../shared/data"
    )
)


def to_lists(matrix):
    rows, ids = np.nonzero(matrix)
    return LabelLists.from_pairs(rows, ids, *np.shape(matrix))


def random_case(rng, rows=300, labels=60, depth=20):
    """Rankings of which some are short, rows of which some have no label."""
    truth = rng.random((rows, labels)) < rng.beta(0.3, 3, size=labels)
    truth[rng.random(rows) < 0.2] = False
    ids = np.argsort(rng.random((rows, labels)) - 0.3 * truth, axis=1)
    ids = ids[:, :depth]
    lengths = rng.integers(0, depth + 1, size=(rows, 1))
    lengths[rng.random(rows) < 0.5] = depth
    ids = np.where(np.arange(depth) < lengths, ids, -1)
    return ids, to_lists(truth)


def as_rows(ids, relevant):
    truth = [list(map(int, relevant[row])) for row in range(len(relevant))]
    return truth, [[int(i) for i in row if i >= 0] for row in ids]


@pytest.mark.parametrize("seed", range(3))
def test_equals_napkinxc(seed):
    ids, relevant = random_case(np.random.default_rng(seed))
    weights = inverse_propensity(relevant.counts(), len(relevant))
    metrics = RankingMetrics(60, weights, ks=(1, 3, 5, 20), recall_ks=(2, 10))
    metrics.update(ids, relevant)
    result = metrics.result()

    truth, predicted = as_rows(ids, relevant)
    assert not all(truth) and min(map(len, predicted)) < 5, "no odd rows"
    expected = {
        "P": oracle.precision_at_k(truth, predicted, k=20),
        "nDCG": oracle.ndcg_at_k(truth, predicted, k=20),
        "PSP": oracle.psprecision_at_k(truth, predicted, weights, k=20),
        "PSnDCG": oracle.psndcg_at_k(truth, predicted, weights, k=20),
        "R": oracle.recall_at_k(truth, predicted, k=20),
        "coverage": oracle.coverage_at_k(truth, predicted, k=20),
    }
    # napkinXC takes recall of a row without labels as 0, not as undefined.
    expected["R"] *= len(truth) / sum(map(bool, truth))
    assert len(result) == 4 * 5 + 2
    for key, value in result.items():
        name, _, k = key.partition("@")
        np.testing.assert_allclose(value, 100 * expected[name][int(k) - 1])
        assert 0 < value < 100


def test_worked_case():
    truth = [[1, 0, 1, 0, 0], [0, 1, 0, 0, 0], [1, 1, 1, 0, 1]]
    scores = [[0.9, 0.8, 0.7, 0.1, 0.2], [0.9, 0.5, 0.1, 0.6, 0.7]]
    scores.append([0.2, 0.1, 0.3, 0.9, 0.8])
    weights = np.array([1.5, 2, 3, 4, 6])
    metrics = RankingMetrics(5, weights, ks=(1, 2, 3), recall_ks=())
    metrics.update(np.argsort(np.negative(scores), axis=1), to_lists(truth))
    result = metrics.result()
    expected = {
        "P": [33.3333, 33.3333, 44.4444],
        "nDCG": [33.3333, 33.3333, 48.3481],
        "PSP": [13.6364, 48.3871, 77.1429],
        "PSnDCG": [13.6364, 35.0014, 50.2722],
    }
    for name, values in expected.items():
        found = [result[f"{name}@{k}"] for k in (1, 2, 3)]
        np.testing.assert_allclose(found, values, atol=1e-4)


def test_the_repositorys_own_sample():
    path = DATA / "xmlrepo-bibtex-golden" / "bibtexSampleScore.mat"
    if not path.exists():
        pytest.skip(f"{path} is not there")
    sample = scipy.io.loadmat(path)
    scores = sample["scoreMat"].toarray()
    metrics = RankingMetrics(scores.shape[1], recall_ks=())
    metrics.update(
        np.argsort(-scores, axis=1), to_lists(sample["lblMat"].toarray())
    )
    result = metrics.result()
    found = [round(result[f"P@{k}"], 3) for k in (1, 3, 5)]
    assert found == [65.487, 39.536, 28.962]


@pytest.mark.parametrize("cuts", [[], [1], [0, 7, 7, 150], range(1, 300)])
def test_blocks_do_not_matter(rng, cuts):
    ids, relevant = random_case(rng)
    weights = rng.uniform(1, 9, size=60)
    groups = frequency_groups(rng.integers(0, 9, size=60))
    whole = RankingMetrics(60, weights, recall_ks=(20,), groups=groups)
    whole.update(ids, relevant)
    parts = RankingMetrics(60, weights, recall_ks=(20,), groups=groups)
    for rows in np.split(np.arange(300), list(cuts)):
        parts.update(ids[rows], relevant.take(rows))
    expected, found = whole.result(), parts.result()
    assert list(found) == list(expected)
    for name, group in expected.pop("groups").items():
        assert found["groups"][name] == pytest.approx(group, nan_ok=True)
    del found["groups"]
    assert found == pytest.approx(expected)


def test_groups_are_parts_of_the_whole(rng):
    ids, relevant = random_case(rng)
    of_label = rng.integers(0, 3, size=60).astype(np.int8)
    groups = LabelGroups(of_label, ("a", "b", "c", "empty"))
    metrics = RankingMetrics(60, ks=(1, 5), recall_ks=(20,), groups=groups)
    metrics.update(ids, relevant)
    result = metrics.result()
    parts = result["groups"]
    assert list(parts) == ["a", "b", "c", "empty"]
    for key in ("P@1", "P@5"):
        assert sum(part[key] for part in parts.values()) == pytest.approx(
            result[key]
        )
    for number, name in enumerate(("a", "b", "c")):
        inside = of_label[relevant.ids] == number
        row = np.repeat(np.arange(300), relevant.row_counts())
        alone = LabelLists.from_pairs(
            row[inside], relevant.ids[inside], 300, 60
        )
        only = RankingMetrics(60, ks=(1, 5), recall_ks=(20,))
        only.update(ids, alone)
        expected = only.result()
        expected |= {"labels": np.sum(of_label == number), "pairs": sum(inside)}
        part = parts[name]
        assert part == pytest.approx({key: expected[key] for key in part})
        assert part["R@20"] > 0 and part["P@5"] > 0
    assert parts["empty"]["labels"] == parts["empty"]["P@5"] == 0
    assert np.isnan(parts["empty"]["R@20"])


def test_what_was_never_counted_is_nan():
    groups = frequency_groups([1, 1])
    metrics = RankingMetrics(2, np.ones(2), (1,), (2,), groups)
    result = metrics.result()
    assert np.isnan(result["P@1"]) and np.isnan(result["PSP@1"])
    metrics.update(np.array([[0, 1]]), to_lists(np.zeros((1, 2))))
    result = metrics.result()
    assert (result["P@1"], result["nDCG@1"]) == (0, 0)
    assert np.isnan(result["R@2"]) and np.isnan(result["coverage@1"])


def test_memory_stays_sparse(rng):
    labels = 1_000_000
    relevant = LabelLists.from_pairs(
        np.repeat(np.arange(500), 3),
        rng.integers(0, labels // 2, 1500) * 2 + 1,
        500,
        labels,
    )
    ids = rng.integers(0, labels // 2, size=(500, 100)) * 2
    ids[:, 0] = relevant.ids[relevant.splits[:-1]]
    metrics = RankingMetrics(labels, rng.uniform(1, 9, labels))
    tracemalloc.start()
    try:
        metrics.update(ids, relevant)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert metrics.result()["P@1"] == 100
    assert peak < 30_000_000  # rows x labels are 500,000,000


def test_bad_arguments():
    relevant = to_lists([[1, 0, 1], [0, 1, 0]])
    metrics = RankingMetrics(3, ks=(1, 2), recall_ks=())
    cases = [
        ([[0, 3], [1, 2]], relevant, "below 3. Received: 3"),
        ([[0, 1]], relevant, r"Received: \(1, 2\) and \(2, 3\)"),
        ([0, 1], relevant, r"Received: \(2,\) and \(2, 3\)"),
        ([[0], [1]], relevant, "pad with -1. Received: 1"),
        ([[0, 0], [1, 2]], relevant, "Received: 3 hits of 2 pairs"),
        ([[0, 1]], to_lists([[1, 0]]), r"Received: \(1, 2\) and \(1, 2\)"),
    ]
    for ids, lists, message in cases:
        with pytest.raises(ValueError, match=message):
            metrics.update(ids, lists)
    assert np.isnan(metrics.result()["P@1"]), "a refused block was counted"
    with pytest.raises(
        ValueError, match=r"`inverse_propensities`.*Received: 2"
    ):
        RankingMetrics(3, np.ones(2))
    with pytest.raises(ValueError, match=r"`groups`.*Received: 2"):
        RankingMetrics(3, groups=frequency_groups([1, 1]))
