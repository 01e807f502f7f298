"""Invariants of the phase that trains an output layer, whatever layer it is:

- a run that was stopped in its second epoch equals one that was not, bit for
  bit, with fixed vectors and with an encoder that trains on;
- what ranks in the end ranks labels, and fixed vectors leave the encoder as it
  was.
"""

import keras
import numpy as np
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

from models import adaptive_softmax, adversarial_softmax, large_margin
from tfxc.data import read_arrays
from tfxc.encoders import BagEncoder
from tfxc.run import Run
from tfxc.training import Job, split_rows

EPOCHS = 3
CASES = {
    "adversarial": (adversarial_softmax, {"tree_dim": 4}),
    "adversarial, encoder": (adversarial_softmax, {"train_encoder": True}),
    "unigram": (adversarial_softmax, {"noise": "unigram"}),
    "noise contrastive": (
        adversarial_softmax,
        {"contrast": "noise_contrastive", "start": "zeros"},
    ),
    "one vs each": (
        adversarial_softmax,
        {"contrast": "one_vs_each", "noise": "uniform", "num_noise": 3},
    ),
    "augment and reduce": (
        adversarial_softmax,
        {"contrast": "augment_and_reduce", "noise": "uniform"},
    ),
    "softmax": (adversarial_softmax, {"contrast": "softmax"}),
    "adaptive": (adaptive_softmax, {"cutoffs": (5,), "shrink": 2.0}),
    "adaptive, chosen": (
        adaptive_softmax,
        {"train_encoder": True, "start": "random"},
    ),
    "margin": (large_margin, {"multiply": 3}),
    "margin, encoder": (
        large_margin,
        {"train_encoder": True, "angle": 0.2, "multiply": 1, "scale": 9.0},
    ),
}


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    return tiny_training.prepared(tmp_path_factory.mktemp("cache"))


def checkpoints(folder):
    return folder / "checkpoints" / "classifier"


def train(prepared, folder, name, job=Job):
    """What a run leaves, and what its last checkpoint holds."""
    model, fields = CASES[name]
    recipe = model.Recipe(
        classifier_epochs=EPOCHS,
        batch_size=BATCH,
        **{"classifier_learning_rate": 0.05, **fields},
    )
    dataset = prepared.dataset
    rows, held_out = split_rows(dataset.train.relevant, 3, 0)
    keras.utils.set_random_seed(0)
    encoder = BagEncoder(len(prepared.tokenizer), dim=8, hidden=4)
    before = [weight.numpy() for weight in encoder.weights]
    trained = model.train_layer(
        recipe,
        job(
            *(dataset, prepared, encoder, rows, held_out),
            *(Run(folder), Console(quiet=True)),
        ),
        [],
    )
    same = all(map(np.array_equal, before, encoder.weights))
    assert same != recipe.train_encoder
    arrays, _ = read_arrays(checkpoints(folder) / f"epoch-{EPOCHS:05d}")
    return trained, arrays


@pytest.mark.parametrize("name", CASES)
def test_a_stopped_run(name, prepared, tmp_path):
    for folder in ("whole", "stopped"):
        (tmp_path / folder).mkdir()
    trained, arrays = train(prepared, tmp_path / "whole", name)
    with pytest.raises(KeyboardInterrupt):
        train(prepared, tmp_path / "stopped", name, Stopping)
    again, same = train(prepared, tmp_path / "stopped", name)
    assert untimed(again.history) == untimed(trained.history)
    assert len(again.history) == EPOCHS
    assert_same_arrays(arrays, same)
    assert all(np.isfinite(row["loss"]) for row in trained.history)
    vectors = trained.encoder(prepared.train.take(np.arange(9))).numpy()
    [(_, scores, ids)] = trained.search.top_k(vectors, 4)
    assert ids.shape == (9, 4) and np.isfinite(scores).all()
    assert trained.search.vectors().shape == (LABELS, 8)
