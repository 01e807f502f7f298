"""Output layers with inputs, to hold to one contract on any backend.

    KERAS_BACKEND=jax python contract.py FILE

writes what each of them computes to FILE.
"""

import sys

import keras
import numpy as np

import tfxc

LABELS, DIM, ROWS = 30, 8, 6
CASES = {
    "adaptive": lambda **dtype: tfxc.layers.AdaptiveSoftmax(
        LABELS, [6, 15], shrink=2.0, frequencies=np.arange(30, 0, -1), **dtype
    ),
    "adaptive, head bias": lambda **dtype: tfxc.layers.AdaptiveSoftmax(
        LABELS, [6], head_bias=True, **dtype
    ),
    "margin": lambda **dtype: tfxc.layers.MarginSoftmax(LABELS, 3, **dtype),
    "margin, scores": lambda **dtype: tfxc.layers.LargeMarginDense(
        LABELS, 2, 0.1, 0.1, scale=5.0, **dtype
    ),
    "corrected": lambda **dtype: tfxc.layers.CorrectedClassifier(
        tfxc.layers.LabelClassifier(LABELS, DIM, cosine=False, bias=True),
        tfxc.negatives.LabelTreeSampler(LABELS, DIM),
        **dtype,
    ),
}
SHAPES = {name: (ROWS,) for name in CASES}
SHAPES |= dict.fromkeys(("margin, scores", "corrected"), (ROWS, LABELS))


def case(name, **dtype):
    """A layer whose weights are a function of the name, and its arguments."""
    layer = CASES[name](**dtype)
    layer.build((ROWS, DIM))
    rng = np.random.default_rng(len(name))
    for weight in layer.weights:
        if str(weight.dtype).startswith("float"):
            scale = 0.02 if weight.name == "matrix" else 0.5
            weight.assign(scale * rng.normal(size=weight.shape))
    x = rng.normal(size=(ROWS, DIM)).astype(np.float32)
    labels = rng.integers(0, LABELS, (ROWS, 2))
    labels[1, 1] = labels[2, 0] = labels[2, 1] = -1
    if name == "corrected":
        return layer, (x,), {}
    training = {"training": True} if name.startswith("margin") else {}
    return layer, (x, labels), training


def computed():
    """What all layers compute: `{name: array}`."""
    found = {}
    for name in CASES:
        layer, arguments, training = case(name)
        found[name] = layer(*arguments, **training)
        if name != "margin, scores":
            found[f"{name}: log p"] = layer.log_probs(arguments[0])
            found[f"{name}: top 3"] = layer.top_k(arguments[0], 3)[0]
    return {
        name: keras.ops.convert_to_numpy(part) for name, part in found.items()
    }


if __name__ == "__main__":
    np.savez(sys.argv[1], **computed())
    assert "tensorflow" not in sys.modules
