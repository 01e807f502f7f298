"""Invariants of training with drawn negatives, whatever draws them:

- a run that was stopped in the epoch in which the warm-up ends equals one that
  was not, bit for bit; also with so many labels that ScaNN searches them, and
  that a tree has several leaves;
- the history tells, of each epoch, what refreshes did and how stale draws were.
"""

from itertools import product

import pytest
import tiny_training
from rich.console import Console
from tiny_training import (
    BATCH,
    LABELS,
    Stopping,
    assert_same_arrays,
    untimed,
)

from models import ngame
from tfxc.data import read_arrays
from tfxc.encoders import BagEncoder
from tfxc.run import Run
from tfxc.training import Job, split_rows

EPOCHS, STEPS = 3, 5  # steps of an epoch
CASES = {
    "in_batch": {},
    "uniform": {},
    "unigram": {},
    "cache": {"cached_labels": LABELS - 1},
    "cache of all": {"negatives": "cache"},
    "nearest": {},
    "nearest, rebuilt": {"negatives": "nearest", "index_updates": "rebuild"},
    "nearest, of a triplet": {
        "negatives": "nearest",
        "estimator": "hard_negatives",
        "loss": "ngame_triplet",
    },
    "midx": {},
    "tree": {},
    "label_tree": {"full_refresh": 2},
    "tree, self-normalized": {
        "negatives": "tree",
        "estimator": "self_normalized",
    },
}
MANY = {
    "nearest": {},
    "tree, landmarks that span all": {"negatives": "tree", "landmarks": 8},
}


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    return tiny_training.prepared(tmp_path_factory.mktemp("cache"))


def checkpoints(folder):
    return folder / "checkpoints" / "encoder"


def train(prepared, folder, name, job=Job):
    """The history of a run, and what its last checkpoint holds."""
    fields = {"negatives": name, "landmarks": 2, **{**CASES, **MANY}[name]}
    recipe = ngame.Recipe(
        epochs=EPOCHS,
        batch_size=BATCH,
        num_candidates=LABELS - 2,
        learning_rate=1.0,
        initial_accumulator=0.1,
        cluster_start=EPOCHS,
        num_negatives=4,
        uniform_steps=STEPS + 2,
        refresh_steps=2,
        encoded_labels=9,
        **fields,
    )
    dataset = prepared.dataset
    rows, held_out = split_rows(dataset.train.relevant, 3, 0)
    encoder = BagEncoder(len(prepared.tokenizer), dim=8, hidden=0)
    history = ngame.train_encoder(
        recipe,
        job(
            *(dataset, prepared, encoder, rows, held_out),
            *(Run(folder), Console(quiet=True)),
        ),
    )
    arrays, _ = read_arrays(checkpoints(folder) / f"epoch-{EPOCHS:05d}")
    return untimed(history), arrays


def whole_and_stopped(prepared, folder, name):
    """The history of a run, which is that of a run that was stopped."""
    history, arrays = train(prepared, folder / "whole", name)
    with pytest.raises(KeyboardInterrupt):
        train(prepared, folder / "stopped", name, Stopping)
    again, same = train(prepared, folder / "stopped", name)
    assert again == history
    assert_same_arrays(arrays, same)
    return history


@pytest.mark.parametrize("name", MANY)
def test_a_stopped_run_with_many_labels(name, tmp_path):
    if name == "nearest":
        pytest.importorskip("scann")
    prepared = tiny_training.prepared(tmp_path / "cache", labels=150)
    last = whole_and_stopped(prepared, tmp_path, name)[-1]
    assert last["refreshes"] == 3 and last["failed_refreshes"] == 0
    if name == "tree, landmarks that span all":
        everything = 150 + 8  # at the beginning of an epoch; then a sample
        assert last["encoded_labels"] == everything + 2 * (9 + 8)


@pytest.mark.parametrize("name", CASES)
def test_a_stopped_run_and_its_history(name, prepared, tmp_path):
    history = whole_and_stopped(prepared, tmp_path, name)
    warm, ends, last = history
    if name in ("in_batch", "uniform", "unigram"):
        assert "stale_steps" not in warm
        return
    if name == "cache":
        assert warm["stale_steps"] == STEPS + 1 and "refreshes" not in warm
        return
    for row in history:
        assert row["failed_refreshes"] == 0
    assert [row["refreshes"] for row in history] == [0, 2, 3]
    assert warm["stale_steps"] == 0
    if name.startswith("nearest"):
        # Steps 2, 3 and 4 of the second epoch, by the vectors of step 2.
        assert (ends["stale_steps"], last["stale_steps"]) == (2, 3)
        moves = name != "nearest, rebuilt"
        assert warm["moved_labels"] == 0 and (ends["moved_labels"] > 0) == moves
        return
    assert (ends["stale_steps"], last["stale_steps"]) == (1, 1)
    assert "encoded_labels" not in warm
    if name == "label_tree":
        assert "encoded_labels" not in last
        return
    if not name.startswith("tree"):
        assert last["encoded_labels"] == 3 * LABELS
    else:  # at first all and the landmarks, then these and a sample, or all
        counts = [LABELS + 2, 9 + 2]
        possible = [counts[0] + sum(two) for two in product(counts, repeat=2)]
        assert last["encoded_labels"] in possible
        assert last["code_error"] > 0
