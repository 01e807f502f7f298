"""Serves a SavedModel in a process that cannot import the packages named.

python -I serve_alone.py MODEL TEXTS_AS_JSON K IMPORTED REFUSED...
"""

import importlib
import importlib.machinery
import json
import sys

folder, texts, k, imported, *refused = sys.argv[1:]


class Refuse:
    """Finds these packages before anyone else, and does not load them.

    TensorFlow asks where Keras is, without importing it.
    """

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in refused:
            return importlib.machinery.ModuleSpec(name, self)
        return None

    def create_module(self, spec):
        raise ModuleNotFoundError(f"refused: {spec.name}")

    def exec_module(self, module):
        raise AssertionError("never created")


sys.meta_path.insert(0, Refuse())
for package in refused:
    try:
        importlib.import_module(package)
    except ModuleNotFoundError as error:
        assert str(error) == f"refused: {package}"
    else:
        raise AssertionError(f"could import {package}")

import tensorflow as tf  # noqa: E402

importlib.import_module(imported)
model = tf.saved_model.load(folder)
texts = tf.constant(json.loads(texts), tf.string)


def plain(result):
    return {name: value.numpy().tolist() for name, value in result.items()}


def as_text(value):
    return value.decode() if isinstance(value, bytes) else str(value)


answers = {
    "search": plain(model.search(texts, int(k))),
    "signature": plain(
        model.signatures["search"](text=texts, k=tf.constant(int(k)))
    ),
    "default": plain(model.signatures["serving_default"](text=texts)),
    "empty": [
        list(value.shape)
        for value in model.search(tf.constant([], tf.string), 2).values()
    ],
    "query": plain(model.embed_query(texts))["vectors"],
    "label": plain(model.embed_label(texts))["vectors"],
    "refused": refused,
}
print(json.dumps(answers, default=as_text))
