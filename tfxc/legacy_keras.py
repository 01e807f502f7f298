"""Imports of packages that decide which Keras `tf.keras` is."""

import contextlib
import os


@contextlib.contextmanager
def legacy_keras():
    """What is imported inside gets Keras 2, tf-keras, as `tf.keras`.

    TensorFlow chooses when `tf.keras` is first used: tensorflow-recommenders
    demands Keras 2 there, and tensorflow-text, which KerasHub imports, uses it
    at once. `import keras` is Keras 3 in any case.
    """
    before = os.environ.get("TF_USE_LEGACY_KERAS")
    os.environ["TF_USE_LEGACY_KERAS"] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ["TF_USE_LEGACY_KERAS"]
        else:
            os.environ["TF_USE_LEGACY_KERAS"] = before
