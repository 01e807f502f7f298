"""Invariants of queries as strings:

- texts come as they are, in any slice;
- sparse features written as text and tokenised give the bags that the
  features give, so that a SavedModel sees what training saw;
- `QueryVectors` equals one call of the model, for any slice and block size.
"""

import numpy as np
import pytest
import tensorflow as tf
from small_model import LABELS, WordEncoder, WordTokenizer

from tfxc.data.sparse_features import SparseFeatures
from tfxc.data.texts import Texts
from tfxc.data.tokens.bags import bags_from_features
from tfxc.data.tokens.feature_tokenizer import FeatureTokenizer
from tfxc.serving import QueryVectors, query_texts, query_vectors

SLICES = [(0, None), (2, 5), (0, 0), (3, 3), (6, 99), (5, 6)]


@pytest.fixture
def features(rng):
    counts = np.array([3, 0, 12, 1, 0, 7, 2])
    ids = np.concatenate(
        [np.sort(rng.choice(20, n, replace=False)) for n in counts]
    )
    values = rng.normal(size=len(ids)) * 10 ** rng.uniform(-8, 8, len(ids))
    splits = np.concatenate([[0], np.cumsum(counts)])
    return SparseFeatures(
        ids.astype(np.int32), values.astype(np.float32), splits, 20
    )


@pytest.mark.parametrize(("start", "stop"), SLICES)
def test_slices(features, start, stop):
    strings = [f"text {i} é" for i in range(7)]
    texts = query_texts(Texts.from_strings(strings), start, stop)
    assert texts == [s.encode() for s in strings[start:stop]]
    everything = query_texts(features)
    assert len(everything) == 7 and everything[1] == b""
    assert query_texts(features, start, stop) == everything[start:stop]


def test_features_survive_as_text(features):
    for row, text in enumerate(query_texts(features)):
        ids, values = features[row]
        pairs = [pair.split(":") for pair in text.decode().split()]
        assert [int(i) for i, _ in pairs] == ids.tolist()
        read = np.array([v for _, v in pairs], np.float32)
        np.testing.assert_array_equal(read, values)


def test_tokenised_features_are_the_bags_of_training(features):
    bags = bags_from_features(features, length=5)
    tokens = FeatureTokenizer(20, length=5)(query_texts(features))
    weights = tokens["weights"].numpy()
    assert (bags.ids > 0).any(), "would compare padding"
    for row in range(len(bags)):
        expected = dict(zip(bags.ids[row], bags.weights[row], strict=True))
        found = dict(zip(tokens["ids"][row].numpy(), weights[row], strict=True))
        assert found == pytest.approx(expected, abs=1e-3)


class Model(tf.Module):
    """As much of a SavedModel as `QueryVectors` reads."""

    def __init__(self):
        super().__init__()
        self.encoder, self.tokenizer = WordEncoder(), WordTokenizer()
        self.label_vectors = tf.Variable(tf.zeros([3, 8]))

    def embed_query(self, text):
        return {"vectors": self.encoder(self.tokenizer(tf.constant(text)))}


@pytest.mark.parametrize("block", [1, 4, 1000])
def test_query_vectors(monkeypatch, block):
    monkeypatch.setattr(query_vectors, "BLOCK", block)
    model = Model()
    vectors = QueryVectors(model, Texts.from_strings(LABELS))
    expected = model.embed_query(LABELS)["vectors"]
    for start, stop in SLICES:
        found = vectors[start:stop]
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, expected[start:stop], atol=1e-6)
    assert vectors[0:0].shape == (0, 8)
