"""Invariants of runs with a pretrained transformer:

- from a folder of weights to a model that answers as it was measured: encoder
  and classifiers, whole or in chunks, in low precision too;
- weights that were replaced are not what an interrupted run goes on with.
"""

import shutil

import pytest
from recipe_cases import SmallRun
from tiny_transformer import LETTERS, WORDS, write_folder
from train_command import files_below, run_here

# With the usual settings so small a transformer maps all texts to one vector,
# and what ranks them is rounding.
EPOCHS = ["--epochs", 15, "--dense-learning-rate", 0.002]
EPOCHS += ["--temperature", 0.1]
CHUNKS = ["--chunk-rows", 8]
DRAWS = ["--batch-size", 16, "--num-candidates", 16, "--num-negatives", 8]
DRAWS += ["--uniform-steps", 4, "--refresh-steps", 4]
LAYER = ["--train-encoder", "--classifier-epochs", 4]


@pytest.fixture
def weights(tmp_path):
    """Of one layer: XLA compiles two twice as long."""
    write_folder(tmp_path / "bert", "bert", layers=1)
    return tmp_path / "bert"


@pytest.mark.slow
@pytest.mark.parametrize(
    "arguments",
    [
        ["ngame", *EPOCHS, *CHUNKS, "--classifier-epochs", 2],
        ["dexml", *EPOCHS, *CHUNKS, "--mixed-precision", "bfloat16"],
        ["renee", *EPOCHS, *CHUNKS, "--classifier-epochs", 2],
        ["dynamic_index", *EPOCHS, *CHUNKS, *DRAWS],
        ["adversarial_softmax", *EPOCHS, *CHUNKS, *LAYER],
        ["large_margin", *EPOCHS, *CHUNKS, *LAYER],
    ],
)
def test_a_run(tmp_path, weights, arguments):
    name, *options = arguments
    words = [*WORDS[:6], *LETTERS[:20]]  # each is one token
    options = ["--encoder", weights, *options]
    small = SmallRun(tmp_path, name, *options, words=words)
    assert "encoder 15/15" in small.output
    has_classifiers = "--classifier-epochs" in options
    assert ("classifier 2/" in small.output) == has_classifiers
    assert small.metrics["P@1"] > 60, "two in 26 are right by chance"
    # Under XLA and when serving, bfloat16 is rounded at other places.
    close = 5 if "bfloat16" in options else 1
    assert small.metrics["P@1"] == pytest.approx(small.served, abs=close)
    small.assert_a_second_start_changes_nothing()


@pytest.mark.slow
def test_replaced_weights(tmp_path, weights):
    options = ["--encoder", weights, "--epochs", 1, "--classifier-epochs", 0]
    small = SmallRun(tmp_path, "ngame", *options, alone=True)
    (small.folder / "metrics.json").unlink()
    shutil.rmtree(weights)
    write_folder(weights, "bert", seed=1, layers=1)
    before = files_below(small.folder)
    code, _, errors = run_here(small.command, small.cache)
    assert code == 2 and f"other weights. Received: {weights}" in errors
    assert files_below(small.folder) == before
