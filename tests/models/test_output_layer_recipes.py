"""Invariants of the recipes with an output layer:

- their fields have bounds, and combinations that mean nothing are refused with
  what to do, and ScaNN, which has no say in them;
- fewer queries than dimensions, two labels, and one without a query will do;
- a run learns, ends in a model that answers as it was measured, and a finished
  run is left alone.
"""

import pytest
from recipe_cases import SmallRun, dataset_of, refusal
from train_command import SMALL, metrics_of, run_here, write_small_data

from models import adaptive_softmax, adversarial_softmax, large_margin

BOUNDS = [
    (adversarial_softmax, "classifier_epochs", 0, 1),
    (adversarial_softmax, "num_noise", 0, 7),
    (adversarial_softmax, "regularizer", -1e-3, 0.0),
    (adversarial_softmax, "tree_dim", 0, 4),
    (adversarial_softmax, "tree_regularizer", 0.0, 1.0),
    (adversarial_softmax, "shortlist", 31, 30),
    (adversarial_softmax, "dim", 0, 8),
    (adaptive_softmax, "classifier_epochs", 0, 1),
    (adaptive_softmax, "cutoffs", (0, 4), (1, 4)),
    (adaptive_softmax, "cutoffs", (4, 30), (4, 29)),
    (adaptive_softmax, "shrink", 0.5, 1.0),
    (adaptive_softmax, "head_share", 1.5, 1.0),
    (large_margin, "multiply", 0, 1),
    (large_margin, "angle", -0.1, 0.5),
    (large_margin, "subtract", -0.1, 0.35),
    (large_margin, "scale", -1.0, 30.0),
    (large_margin, "easing_share", 1.5, 1.0),
    (large_margin, "easing_least", -1.0, 5.0),
]


@pytest.mark.parametrize(("module", "field", "wrong", "right"), BOUNDS)
def test_bounds(module, field, wrong, right):
    dataset = dataset_of(2000)
    message = refusal(module, dataset, **{field: wrong})
    assert message.startswith(f"--{field.replace('_', '-')}: expected ")
    assert f"Received: {wrong}" in message
    module.check(module.Recipe(**{field: right}), dataset)


@pytest.mark.parametrize("cutoffs", [(5, 5), (9, 4)])
def test_cutoffs_that_do_not_increase(cutoffs):
    message = refusal(adaptive_softmax, dataset_of(2000), cutoffs=cutoffs)
    assert message.startswith("--cutoffs: expected numbers that increase")
    assert f"Received: {cutoffs}" in message


@pytest.mark.parametrize(
    "fields",
    [
        {"noise": "uniform"},
        {"contrast": "noise_contrastive"},
        {"contrast": "softmax"},
        {"bias_removal": False},
    ],
)
def test_shortlists_without_a_tree(fields):
    message = refusal(
        adversarial_softmax, dataset_of(2000), shortlist=5, **fields
    )
    assert message.startswith("--shortlist: expected 0, as only --noise tree")
    assert "Received: 5" in message


@pytest.mark.parametrize(
    ("recipe", "flags"),
    [
        ("large_margin", ["--multiply", "1.5"]),
        ("adaptive_softmax", ["--cutoffs", "3", "x"]),
        ("adversarial_softmax", ["--noise", "nothing"]),
        ("adversarial_softmax", ["--index", "scann"]),
    ],
)
def test_wrong_flags(tmp_path, recipe, flags):
    data = write_small_data(tmp_path / "small")
    command = [recipe, "--data", data, "--output", tmp_path / "run"]
    command += [*SMALL, *flags]
    code, output, errors = run_here(command, tmp_path / "cache")
    assert code == 2 and "Traceback" not in output + errors
    assert flags[0] in output + errors and not (tmp_path / "run").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("recipe", "only_one_has_queries"),
    [
        ("adversarial_softmax", False),
        ("adversarial_softmax", True),
        ("adaptive_softmax", True),
        ("large_margin", False),
    ],
)
def test_few_queries_of_two_labels(tmp_path, recipe, only_one_has_queries):
    words = ["red", "white", "rose", "dry"]
    wine = "".join(f"{word} wine\twine\n" for word in words)
    tea = "".join(f"{word} tea\ttea\n" for word in words)
    data, run = tmp_path / "few", tmp_path / "run"
    data.mkdir()
    (data / "train.tsv").write_text(
        wine + (wine if only_one_has_queries else tea)
    )
    (data / "test.tsv").write_text(wine if only_one_has_queries else wine + tea)
    command = [recipe, "--data", data, "--output", run, *SMALL]
    command += ["--batch-size", 4, "--num-candidates", 8, "--epochs", 6]
    command += ["--classifier-candidates", 8, "--classifier-epochs", 6]
    command += ["--cluster-size", 2, "--max-cluster-size", 2]
    command += ["--fusion", "none", "--seed", 1]
    code, _, errors = run_here(command, tmp_path / "cache")
    assert code == 0, errors
    assert metrics_of(run)["P@1"] == 100


@pytest.mark.slow
@pytest.mark.parametrize(
    ("recipe", "fields"),
    [
        ("adversarial_softmax", ["--num-noise", 4]),
        (
            "adaptive_softmax",
            ["--cutoffs", 10, "--shrink", 1, "--classifier-learning-rate", 0.1],
        ),
        ("large_margin", []),
    ],
)
def test_a_run(tmp_path, recipe, fields):
    fields = ["--epochs", 4, "--classifier-epochs", 10, *fields]
    run = SmallRun(tmp_path, recipe, *fields)
    assert "encoder 4/4" in run.output and "classifier 10/10" in run.output
    run.assert_it_learnt_and_serves_as_measured()
    run.assert_a_second_start_changes_nothing()
