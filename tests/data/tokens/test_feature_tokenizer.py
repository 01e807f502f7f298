"""Invariants of the tokenizer of sparse features:

- strings give the bags of the same features, up to float16;
- `3` means `3:1`; blanks do not matter; unknown features are dropped and take
  no place; what is too long loses its smallest values;
- a graph and eager calls agree, with static shapes.
"""

import numpy as np
import pytest
import tensorflow as tf

from tfxc.data import FeatureTokenizer, SparseFeatures, bags_from_features


def random_features(rng, rows=200, columns=50, most=12):
    counts = rng.integers(0, most + 1, rows)
    ids = [np.sort(rng.choice(columns, n, replace=False)) for n in counts]
    values = rng.choice([-3, -0.125, 0.1, 1.0, 1e-3, 2.5e4], counts.sum())
    return SparseFeatures(
        np.concatenate(ids).astype(np.int32),
        values.astype(np.float32),
        np.concatenate([[0], np.cumsum(counts)]),
        columns,
    )


def as_text(features, row):
    ids, values = features[row]
    return " ".join(f"{i}:{v}" for i, v in zip(ids, values, strict=True))


@pytest.mark.parametrize("length", [1, 5, 20])
def test_equals_bags_from_features(rng, length):
    features = random_features(rng)
    texts = [as_text(features, row) for row in range(len(features))]
    assert "" in texts and ":0.1" in " ".join(texts)
    bags = bags_from_features(features, length)
    read = FeatureTokenizer(features.num_columns, length)(texts)
    np.testing.assert_array_equal(read["ids"], bags.ids)
    np.testing.assert_allclose(read["weights"], bags.weights, atol=1e-3)


@pytest.mark.parametrize(
    ("text", "ids", "weights"),
    [
        ("", [0, 0, 0], [0, 0, 0]),
        ("3", [4, 0, 0], [1, 0, 0]),
        ("3 0", [4, 1, 0], [0.5**0.5, 0.5**0.5, 0]),
        ("  3:3\t 1:-4  ", [2, 4, 0], [-0.8, 0.6, 0]),
        ("0:1 1:2 2:4 3:3", [3, 4, 2], np.array([4, 3, 2]) / 29**0.5),
        ("9:100 3:2", [4, 0, 0], [1, 0, 0]),
        ("5 -1 123456789012:1", [0, 0, 0], [0, 0, 0]),
        ("9:7 8:7 7:7 6:7 3:0.1", [4, 0, 0], [1, 0, 0]),
        ("4:1e-2", [5, 0, 0], [1, 0, 0]),
    ],
)
def test_examples(text, ids, weights):
    bag = FeatureTokenizer(num_features=5, length=3)([text])
    assert bag["ids"].numpy().tolist() == [ids]
    np.testing.assert_allclose(bag["weights"], [weights], rtol=1e-3)


def test_graph_equals_eager(rng):
    features = random_features(rng, rows=20)
    texts = [as_text(features, row) for row in range(20)]
    tokenizer = FeatureTokenizer(features.num_columns, 7)
    graph = tf.function(
        tokenizer, input_signature=[tf.TensorSpec([None], tf.string)]
    )
    for some in (texts, texts[:1], []):
        inside = graph(tf.constant(some, tf.string))
        outside = tokenizer(tf.constant(some, tf.string))
        for name in ("ids", "weights"):
            np.testing.assert_array_equal(inside[name], outside[name])
    shapes = graph.get_concrete_function().output_shapes
    assert {name: s.as_list() for name, s in shapes.items()} == {
        "ids": [None, 7],
        "weights": [None, 7],
    }


def test_sizes():
    tokenizer = FeatureTokenizer(num_features=5, length=3)
    assert len(tokenizer) == 6
    longer = tokenizer.with_length(9)
    assert longer(["1"])["ids"].shape == (1, 9) and len(longer) == 6


@pytest.mark.parametrize("text", ["wine", "1:red", "1:"])
def test_what_is_no_number(text):
    with pytest.raises(tf.errors.InvalidArgumentError, match="StringToNumber"):
        FeatureTokenizer(5, 3)([text])
