"""What `torch.nn.AdaptiveLogSoftmaxWithLoss` computes, kept in a file.

    python tests/layers/torch_adaptive_softmax.py

makes the file anew, with torch. Tests read it, as torch is large.
"""

import pathlib

import numpy as np

FILE = pathlib.Path(__file__).with_suffix(".npz")
LABELS, CUTOFFS, DIM, ROWS, SHRINK = 60, [10, 30], 16, 24, 2.0


def computed():
    """Weights, by our names and shapes, and what torch makes of them.

    Returns:
        `{name: array}`: inputs `x [n, d]`, `labels [n]`, `losses [n]`,
        `log_probs [n, L]`, and of each weight, and of x, `gradient_<name>` of
        the sum of the losses; float32.
    """
    import torch

    torch.manual_seed(0)
    layer = torch.nn.AdaptiveLogSoftmaxWithLoss(
        DIM, LABELS, CUTOFFS, div_value=SHRINK, head_bias=True
    )
    x = (3 * torch.randn(ROWS, DIM)).requires_grad_()
    labels = torch.randint(LABELS, (ROWS,))
    losses = -layer(x, labels).output
    losses.sum().backward()
    weights = {"head": layer.head.weight, "bias": layer.head.bias}
    for tail, (projection, table) in enumerate(layer.tail, start=1):
        weights[f"projection_{tail}"] = projection.weight
        weights[f"table_{tail}"] = table.weight
    found = {
        "x": x,
        "labels": labels,
        "losses": losses,
        "log_probs": layer.log_prob(x),
        "gradient_x": x.grad,
    }
    for name, weight in weights.items():
        found[name] = weight.T if weight.ndim == 2 else weight
        slope = weight.grad
        found[f"gradient_{name}"] = slope.T if slope.ndim == 2 else slope
    return {name: tensor.detach().numpy() for name, tensor in found.items()}


if __name__ == "__main__":
    np.savez_compressed(FILE, **computed())
