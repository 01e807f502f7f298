"""Invariants of checkpoints:

- restoring gives every variable of model and optimiser, bit for bit, also to
  a model that has not trained yet, made later in the same program;
- only the newest is kept, and what was not finished is not seen;
- a checkpoint of another model, or a damaged one, is an `InputError` that
  names it, and leaves model and checkpoint as they were: one of another
  encoder, dimension, number of labels or size of batches too.
"""

import keras
import numpy as np
import pytest

from tfxc import InputError
from tfxc.encoders import BagEncoder, DualEncoder, FullLabelClassifier
from tfxc.layers import LabelClassifier
from tfxc.training import RowAdagrad, restore_checkpoint, save_checkpoint


def model_of(width=3, seed=0, optimizer=None):
    keras.utils.set_random_seed(seed)
    model = keras.Sequential(
        [keras.Input((2,)), keras.layers.Dense(width), keras.layers.Dense(1)]
    )
    optimizer = optimizer or keras.optimizers.Adam(0.1)
    model.compile(optimizer, "mse", run_eagerly=True)
    return model


def trained(steps=2, **options):
    model = model_of(**options)
    rng = np.random.default_rng(steps)
    x, y = rng.normal(size=(8, 2)), rng.normal(size=(8, 1))
    for _ in range(steps):
        model.train_on_batch(x, y)
    return model


def values(model):
    return [
        variable.numpy()
        for variable in [*model.variables, *model.optimizer.variables]
    ]


def assert_same(model, expected):
    received = values(model)
    assert len(received) == len(expected) > 8
    for one, other in zip(received, expected, strict=True):
        np.testing.assert_array_equal(one, other)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_none():
    model = model_of()
    assert restore_checkpoint("no/such/folder", model) == (0, {})


def test_round_trip(tmp_path):
    model = trained()
    meta = {"history": [{"loss": 0.1 + 0.2, "epoch": 3}]}
    save_checkpoint(tmp_path, model, 3, meta)
    expected = values(model)
    for other in (model_of(seed=1), trained(steps=5)):
        assert restore_checkpoint(tmp_path, other) == (3, meta)
        assert_same(other, expected)


def test_training_goes_on_alike(tmp_path):
    save_checkpoint(tmp_path, trained(), 2, {})
    twin = model_of(seed=1)
    restore_checkpoint(tmp_path, twin)
    model = trained()
    x, y = np.ones((4, 2)), np.ones((4, 1))
    for one in (model, twin):
        one.train_on_batch(x, y)
    assert_same(twin, values(model))


def test_the_newest_is_kept(tmp_path):
    for epoch in (9, 10, 11):
        model = trained(steps=epoch)
        save_checkpoint(tmp_path, model, epoch, {"epoch": epoch})
        assert names(tmp_path) == [f"epoch-{epoch:05d}"]
    other = model_of()
    assert restore_checkpoint(tmp_path, other) == (11, {"epoch": 11})
    assert_same(other, values(model))
    save_checkpoint(tmp_path, model_of(), 11, {})  # the same epoch once more
    assert restore_checkpoint(tmp_path, other) == (11, {})


def test_what_was_not_finished_is_not_seen(tmp_path, monkeypatch):
    model = trained()
    save_checkpoint(tmp_path, model, 1, {})
    saved = []

    def save(file, array, **options):
        saved.append(file)
        if len(saved) == 3:
            raise OSError("disk full")
        file.write_bytes(b"half")

    with monkeypatch.context() as patch:
        patch.setattr(np, "save", save)
        with pytest.raises(OSError, match="disk full"):
            save_checkpoint(tmp_path, trained(steps=4), 2, {})
    assert len(saved) == 3
    assert names(tmp_path) == ["epoch-00001"]
    (tmp_path / ".epoch-00002.killed").mkdir()  # where a process was killed
    other = model_of()
    assert restore_checkpoint(tmp_path, other)[0] == 1
    assert_same(other, values(model))


@pytest.mark.parametrize(
    "other",
    [
        lambda: model_of(width=4),
        lambda: model_of(optimizer=keras.optimizers.SGD(0.1)),
        lambda: model_of(optimizer=keras.optimizers.Adam(0.1, amsgrad=True)),
    ],
)
def test_another_model(tmp_path, other):
    save_checkpoint(tmp_path, trained(), 1, {})
    model = other()
    before = [variable.numpy() for variable in model.variables]
    with pytest.raises(InputError, match=r"epoch-00001: .*this model.*Receiv"):
        restore_checkpoint(tmp_path, model)
    for variable, old in zip(model.variables, before, strict=True):
        np.testing.assert_array_equal(variable, old)


def label_model(
    full=False, tokens=20, dim=4, hidden=3, labels=9, queries=5, seed=0
):
    """An encoder and a vector per label, on candidates or on all labels."""
    encoder = BagEncoder(tokens, dim, hidden, seed=seed)
    parts = encoder, RowAdagrad(tokens), queries
    classifier = LabelClassifier(labels, dim, seed=seed)
    rows = RowAdagrad(labels, padding=False)
    model = (FullLabelClassifier if full else DualEncoder)(
        *parts, classifier, rows
    )
    model.compile("adam", "mse")
    return model


def files_below(folder):
    return {
        file: file.read_bytes() for file in folder.rglob("*") if file.is_file()
    }


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize(
    "change", ["tokens", "dim", "hidden", "labels", "queries"]
)
def test_another_encoder_or_other_labels(tmp_path, full, change):
    model, twin = label_model(full), label_model(full, seed=1)
    save_checkpoint(tmp_path, model, 1, {})
    files = files_below(tmp_path)
    assert restore_checkpoint(tmp_path, twin)[0] == 1
    assert_same(twin, values(model))
    other = label_model(full, seed=1, **{change: 7})
    other.optimizer.build(other.trainable_variables)
    before = values(other)
    with pytest.raises(InputError, match=r"epoch-00001: .*this model.*Receiv"):
        restore_checkpoint(tmp_path, other)
    assert_same(other, before)
    assert files_below(tmp_path) == files


@pytest.mark.parametrize("damage", ["missing", "cut", "no json", "no manifest"])
def test_damage(tmp_path, damage):
    save_checkpoint(tmp_path, trained(), 1, {})
    newest = tmp_path / "epoch-00001"
    array = newest / "2.npy"
    if damage == "missing":
        array.unlink()
    elif damage == "cut":
        array.write_bytes(array.read_bytes()[:-5])
    elif damage == "no json":
        (newest / "manifest.json").write_text('{"arrays": {')
    else:
        (newest / "manifest.json").unlink()
    with pytest.raises(InputError, match=r"epoch-00001: .*complete.*Received"):
        restore_checkpoint(tmp_path, model_of())


def test_pickles_are_not_loaded(tmp_path):
    save_checkpoint(tmp_path, trained(), 1, {})
    evil = np.array([print, None], object)
    np.save(tmp_path / "epoch-00001" / "0.npy", evil, allow_pickle=True)
    with pytest.raises(InputError, match="Received"):
        restore_checkpoint(tmp_path, model_of())
