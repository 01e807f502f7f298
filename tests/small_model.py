"""A model that fits into the head, for tests of what is done with models.

Each word has a fixed random vector; a text is the unit sum of its words'.
"""

import json

import keras
import numpy as np
import tensorflow as tf

from tfxc.data.texts import Texts
from tfxc.search import FusedSearch
from tfxc.serving import export_saved_model

DIM = 8
LABELS = ["Käse ☃", "bread & butter", "meat", "red wine", "tea", "white wine"]
COUNTS = [2, 1, 1, 3, 0, 1]  # in `write_data`; none of tea: it is unseen
WORDS = ["red", "white", "wine", "meat", "bread", "butter", "käse", "tea"]
METADATA = {"num_train_rows": 7, "propensity_A": 0.55, "propensity_B": 1.5}


class WordTokenizer(tf.Module):
    """Numbers of the known words of each text."""

    def __init__(self, words=WORDS):
        super().__init__()
        self.words = tf.Variable(words, trainable=False)

    def __call__(self, texts):
        lower = tf.strings.lower(texts, "utf-8")
        words = tf.strings.split(lower).to_tensor("", shape=[None, 4])
        same = words[:, :, None] == self.words  # [b, 4, words]
        numbers = tf.range(1, tf.shape(self.words)[0] + 1)
        ids = tf.reduce_sum(tf.where(same, numbers, 0), axis=-1)
        return {"ids": ids, "weights": tf.cast(ids > 0, tf.float32)}


class WordEncoder(keras.layers.Layer):
    """Unit sum of the vectors of words."""

    def __init__(self):
        super().__init__()
        self.table = self.add_weight(
            shape=(len(WORDS) + 1, DIM),
            initializer=keras.initializers.RandomNormal(seed=0),
        )

    def call(self, inputs):
        vectors = keras.ops.take(self.table, inputs["ids"], axis=0)
        total = keras.ops.sum(vectors * inputs["weights"][..., None], axis=1)
        norm = keras.ops.norm(total, axis=-1, keepdims=True)
        return total / keras.ops.maximum(norm, 1e-6)


def export_small(folder, names=LABELS, counts=None, **options):
    """Exports a `WordEncoder`; returns its label vectors."""
    encoder, tokenizer = WordEncoder(), WordTokenizer()
    vectors = encoder(tokenizer(tf.constant(names))).numpy()
    counts = COUNTS if counts is None else counts
    texts, search = Texts.from_strings(names), FusedSearch(vectors)
    options = {"metadata": METADATA, **options}
    export_saved_model(
        folder, encoder, tokenizer, search, texts, counts, **options
    )
    return vectors


def write_run(folder, data=None, **options):
    """Writes what evaluation and prediction read of a run."""
    folder.mkdir(parents=True)
    recipe = {"options": {"name": "small", "data": data and str(data)}}
    recipe |= {"recipe": {}, "content": {}}
    (folder / "recipe.json").write_text(json.dumps(recipe))
    return export_small(folder / "saved_model", **options)


def write_data(folder, names=LABELS):
    """Writes a data set over `names`, with the counts above."""
    folder.mkdir(parents=True)
    lines = [f"a {names[i]}\t{names[i]}" for i in np.repeat(range(6), COUNTS)]
    lines = [*lines[1:-1], lines[-1] + "\t" + names[0]]  # two labels, one row
    (folder / "train.tsv").write_text("\n".join(lines) + "\n")
    tests = [f"some {name}\t{name}" for name in names]
    tests.append(f"{names[3]}\t{names[3]}\t{names[5]}")
    (folder / "test.tsv").write_text("\n".join(tests) + "\n")
    described = [f"{name}\t{name}" for name in names]
    (folder / "labels.tsv").write_text("\n".join(described) + "\n")
