"""Invariants of the recipe Renee:

- it is refused what NGAME is, and what its own fields may not be;
- a loss over all labels that this machine has no memory for is refused before
  anything is computed, with the figures and what would help;
- a run trains on all labels, ends in a model that answers as it was measured,
  and a finished run is left alone.
"""

import types

import pytest
from recipe_cases import SmallRun, dataset_of, refusal

import tfxc
from models import renee
from tfxc.layers import full_label_memory


@pytest.mark.parametrize(
    ("field", "wrong", "right"),
    [
        ("end_to_end_rate", 0.0, 1e-9),
        ("end_to_end_rate", float("nan"), 5.0),
        ("label_temperature", -1.0, 0.01),
        ("block_labels", 0, 1),
        ("classifier_epochs", 0, 1),
        ("classifier_dropout", 1.5, 0.0),
        ("batch_size", 5000, 900),
    ],
)
def test_bounds(field, wrong, right):
    dataset = dataset_of(2000)
    message = refusal(renee, dataset, **{field: wrong})
    assert message.startswith(f"--{field.replace('_', '-')}: expected ")
    assert f"Received: {wrong}" in message
    renee.check(renee.Recipe(**{field: right}), dataset)


def test_too_few_rows_to_weigh_scores_on():
    message = refusal(renee, dataset_of(2000), validation_rows=19)
    assert "--validation-rows" in message and "--fusion none" in message


def test_more_labels_than_any_machine_holds():
    message = refusal(renee, dataset_of(2000, labels=10**12), dim=64)
    assert message.startswith("a loss over all 1,000,000,000,000 labels needs ")
    assert "768000.0 GB" in message
    for name in ("--dim", "--batch-size", "--block-labels", "ngame"):
        assert name in message
    assert "Received: a machine of " in message


@pytest.mark.parametrize("missing", [0, 1])
def test_memory_to_the_byte(monkeypatch, missing):
    needed = 8 * 70_000 * 48 + full_label_memory(70_000, 48, 64, 512)
    sizes = {"SC_PAGE_SIZE": 1, "SC_PHYS_PAGES": needed - missing}
    fields = {"dim": 48, "batch_size": 64, "block_labels": 512}
    dataset = dataset_of(2000, labels=70_000)
    monkeypatch.setattr(renee.os, "sysconf", sizes.get)
    if missing:
        assert "70,000 labels" in refusal(renee, dataset, **fields)
        fields["block_labels"] = 511  # as the message says
    renee.check(renee.Recipe(**fields), dataset)


def test_memory_by_the_dimension_of_a_pretrained_encoder(monkeypatch):
    """Known once it is loaded, and still before anything is trained."""
    dataset = dataset_of(2000, labels=10**12)
    recipe = renee.Recipe(encoder="some/folder", dim=1)
    renee.check(recipe, dataset)
    job = types.SimpleNamespace(encoder=types.SimpleNamespace(dim=64))
    monkeypatch.setattr(renee.ngame, "job_of", lambda *_: job)
    with pytest.raises(tfxc.InputError, match=r"needs 768000\.0 GB"):
        renee.fit(recipe, dataset, None, None, None)


@pytest.mark.slow
def test_a_run(tmp_path):
    fields = ["--epochs", 2, "--classifier-epochs", 2]
    run = SmallRun(tmp_path, "renee", *fields, alone=True)
    assert "encoder 2/2" in run.output and "classifier 2/2" in run.output
    assert len((run.folder / "history.csv").read_text().splitlines()) == 5
    run.assert_it_learnt_and_serves_as_measured()
    run.assert_a_second_start_changes_nothing()
