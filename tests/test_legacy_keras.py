"""Invariants of imports that decide which Keras `tf.keras` is:

- KerasHub and TFRS's ScaNN layer can be used in one process;
- the environment is left as it was.
"""

import os
import subprocess
import sys

import pytest

from tfxc.legacy_keras import legacy_keras

NAME = "TF_USE_LEGACY_KERAS"
BOTH = """
from tfxc.encoders.pretrained import import_keras_hub
from tfxc.serving.scann_index import import_scann_layer
import keras
print(import_keras_hub().models.Backbone.__name__)
print(import_scann_layer().__name__, keras.version()[0])
"""


@pytest.mark.slow
def test_keras_hub_and_scann_in_one_process():
    done = subprocess.run(
        [sys.executable, "-c", BOTH], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["Backbone", "ScaNN", "3"]


@pytest.mark.parametrize("before", [None, "0"])
def test_the_environment_is_left_as_it_was(monkeypatch, before):
    monkeypatch.delenv(NAME, raising=False)
    if before is not None:
        monkeypatch.setenv(NAME, before)
    with pytest.raises(KeyError), legacy_keras():
        assert os.environ[NAME] == "1"
        raise KeyError
    assert os.environ.get(NAME) == before
