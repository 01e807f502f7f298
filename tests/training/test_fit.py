"""Invariants of a training run:

- a run that stops after some epochs, or anywhere within one, and goes on in a
  fresh model, equals one that does not stop, bit for bit: weights, optimisers,
  embedding bank, clusters, history (under jit: without it, rows that occur
  twice may be added up in any order);
- each epoch is logged, in `history.csv` too, and ends in a checkpoint;
- a loss or a weight that is not finite stops the run and leaves the last good
  state; what a sampler holds is no weight;
- queries without labels are in no batch; training finds the labels;
- a finished run does nothing more.
"""

import csv
import json
import shutil
import types

import keras
import numpy as np
import pytest
from tiny_training import (
    BATCH,
    LABELS,
    ROWS,
    Training,
    assert_same_state,
    prepared,
    untimed,
)

import tfxc
from tfxc.training import NegativeMining
from tfxc.training.fit import FiniteLosses

EPOCHS = 4


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return prepared(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="module")
def whole(data, tmp_path_factory):
    """A run that was not interrupted, and its history."""
    training = Training(data, tmp_path_factory.mktemp("whole"))
    return training, training.fit(EPOCHS)


def stopping(stop_epoch, stop_step):
    """`NegativeMining` that is interrupted after a step."""

    class Stopping(NegativeMining):
        def on_train_batch_end(self, step, logs=None):
            super().on_train_batch_end(step, logs)
            if (self.epoch, step) == (stop_epoch, stop_step):
                raise KeyboardInterrupt

    return Stopping


def test_the_run_itself(whole, data):
    """Guards the other tests: it learns, with clusters that change."""
    training, history = whole
    assert [row["cluster_size"] for row in history] == [1, 2, 2, 4]
    assert history[-1]["loss"] < 0.7 * history[0]["loss"]
    assert [row["epoch"] for row in history] == [1, 2, 3, 4]
    assert all("missed_share" in row for row in history[1:])
    assert history[1]["e1"] == history[2]["e1"], "epoch 2 keeps the clusters"
    assert history[2]["missed_share"] != history[3]["missed_share"]
    relevant = data.dataset.train.relevant
    queries = training.encoder(data.train.take(np.arange(ROWS))).numpy()
    best = (queries @ training.label_vectors().T).argmax(axis=1)
    rows = np.flatnonzero(relevant.row_counts())
    right = np.mean([best[row] in relevant[row] for row in rows])
    assert right > 0.8


def test_two_and_two_epochs_equal_four(whole, data, tmp_path):
    first = Training(data, tmp_path)
    assert len(first.fit(2)) == 2
    second = Training(data, tmp_path)
    history = second.fit(EPOCHS)
    assert first.finished() == ["1/2", "2/2"]
    assert second.finished() == ["3/4", "4/4"]
    assert untimed(history) == untimed(whole[1])
    assert_same_state(second.state(), whole[0].state())


def test_a_run_stopped_anywhere_equals_one_that_was_not(whole, data, tmp_path):
    """In an epoch that makes clusters, in one that does not, at its end."""

    def no_time_left():
        raise KeyboardInterrupt

    def lost():
        raise OSError("connection lost")

    for epoch, step, finished in ((1, 2, ["1/4"]), (2, 0, ["2/4"])):
        stopped = Training(data, tmp_path, stopping(epoch, step))
        with pytest.raises(KeyboardInterrupt):
            stopped.fit(EPOCHS)
        assert stopped.finished() == finished
    last = Training(data, tmp_path)
    with pytest.raises(KeyboardInterrupt):
        last.fit(EPOCHS, validate=no_time_left)
    with pytest.raises(OSError, match="connection lost"):
        last.fit(EPOCHS, validate=lost)
    assert last.finished() == []
    history = last.fit(EPOCHS)
    assert last.finished() == ["3/4", "4/4"]
    assert untimed(history) == untimed(whole[1])
    assert_same_state(last.state(), whole[0].state())


def test_history_is_written(whole):
    training, history = whole
    with open(training.run.folder / "history.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["1", "2", "3", "4"]
    for row, expected in zip(rows, history, strict=True):
        shown = {name: value for name, value in row.items() if value}
        assert shown == {name: str(v) for name, v in expected.items()}
    assert rows[0]["missed_share"] == "" and float(rows[1]["missed_share"]) >= 0
    assert float(rows[0]["seconds"]) > 0
    assert any((training.run.folder / "tensorboard").iterdir())
    assert training.finished() == ["1/4", "2/4", "3/4", "4/4"]
    checkpoints = training.run.folder / "checkpoints"
    assert [p.name for p in checkpoints.glob("epoch*")] == ["epoch-00004"]
    manifest = json.loads(
        (checkpoints / "epoch-00004/manifest.json").read_text()
    )
    assert manifest["meta"]["history"] == json.loads(json.dumps(history))


def test_what_callbacks_tell_is_written(data, tmp_path):
    """In the epochs of which they tell it; others leave the place empty."""

    class Telling(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            self.report = {"seen": epoch} if epoch else {}

    silent = keras.callbacks.Callback()
    training = Training(data, tmp_path, jit=False)
    history = training.fit(2, callbacks=[silent, Telling()])
    assert "seen" not in history[0] and history[1]["seen"] == 1
    with open(training.run.folder / "history.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["seen"] for row in rows] == ["", "1"]


def test_a_finished_run_does_nothing(whole, data):
    training, history = whole
    before = training.state()
    twin = Training(data, training.run.folder)
    assert untimed(twin.fit(EPOCHS)) == untimed(history)
    assert_same_state(twin.state(), before)


def test_no_batch_holds_a_query_without_labels(whole, data, tmp_path):
    empty = np.flatnonzero(data.dataset.train.relevant.row_counts() == 0)
    assert len(empty) == 5
    shutil.copytree(whole[0].run.folder, tmp_path / "run")
    mining = Training(data, tmp_path / "run").mining
    for epoch in range(EPOCHS):
        mining.begin_epoch(epoch)
        seen = np.concatenate(mining.batches)
        assert sorted(seen) == sorted(set(range(ROWS)) - set(empty))
    assert max(map(len, mining.batches)) <= BATCH <= LABELS


@pytest.mark.parametrize("epoch", [0, 2])
def test_a_loss_that_is_not_finite(data, tmp_path, epoch):
    """Weights explode at some step; the checkpoint is from before."""

    class Exploding(NegativeMining):
        def on_train_batch_end(self, step, logs=None):
            super().on_train_batch_end(step, logs)
            if (self.epoch, step) == (epoch, 1):
                table = self.model.encoder.table
                table.assign(table * float("nan"))

    training = Training(data, tmp_path, Exploding, jit=False)
    with pytest.raises(
        tfxc.InputError,
        match=rf"epoch {epoch + 1}, step 3: .*{tmp_path}.*Received: loss=nan",
    ):
        training.fit(EPOCHS)
    assert np.isfinite(np.array(training.mining.bank)).all()
    twin = Training(data, tmp_path, jit=False)
    done, meta = tfxc.training.restore_checkpoint(
        tmp_path / "checkpoints", twin.model
    )
    assert done == epoch == len(meta.get("history", []))
    assert all(np.isfinite(v.numpy()).all() for v in twin.model.variables)
    assert len(twin.fit(epoch + 1)) == epoch + 1  # and it can go on


def test_a_checkpoint_of_another_model(whole, data):
    training, _ = whole
    other = Training(data, training.run.folder, jit=False)
    smaller = tfxc.encoders.BagEncoder(len(data.tokenizer), dim=8, hidden=5)
    other.model = tfxc.encoders.DualEncoder(
        smaller, other.model.row_optimizer, BATCH
    )
    other.model.compile("adam", loss=tfxc.losses.DecoupledSoftmax())
    with pytest.raises(tfxc.InputError, match="expected the variables"):
        other.fit(EPOCHS)


def test_what_samplers_hold_is_no_weight(tmp_path):
    """Labels that are never drawn have log 0 there."""
    law = tfxc.negatives.Unigram(np.arange(4), smoothing=0)
    weight = keras.Variable(np.ones(3, np.float32))
    losses = FiniteLosses("encoder", 0, tmp_path)
    losses.set_model(
        types.SimpleNamespace(variables=[weight, *law.variables], sampler=law)
    )
    assert np.isneginf(law.log_p.numpy()).any()
    losses.check_weights()
    weight.assign([0.0, np.nan, 0.0])
    with pytest.raises(tfxc.InputError, match="expected finite weights"):
        losses.check_weights()
