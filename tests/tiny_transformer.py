"""Tiny transformers in the format of Hugging Face, with random weights.

And what they compute, text by text, in numpy.
"""

import json

import numpy as np
import safetensors.numpy
from scipy.special import erf

KINDS = ("bert", "distilbert", "roberta")
DIM, HEADS, LAYERS, HIDDEN, POSITIONS = 12, 2, 2, 20, 40
LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789.,!?"
WORDS = ["red", "white", "wine", "tea", "bread", "with", "##ed", "##ine"]
TEXTS = [
    "red wine",
    "Bread, with tea?",
    "white bread with red wine and a lot of tea",
    "x",
    "Crème brûlée!",
    "",
]


def write_folder(folder, kind, seed=0, layers=LAYERS, **config):
    """Writes a model; returns its arrays as float64."""
    folder.mkdir(parents=True)
    size = write_vocabulary(folder, kind)
    rng = np.random.default_rng(seed)
    arrays = {
        name: rng.normal(1.0 if is_scale(name) else 0.0, 0.4, shape)
        for name, shape in shapes(kind, size, layers).items()
    }
    if kind == "roberta":  # as in RoBERTa, which knows no segments
        arrays["roberta.embeddings.token_type_embeddings.weight"] *= 0
    stored = {name: a.astype(np.float32) for name, a in arrays.items()}
    safetensors.numpy.save_file(stored, folder / "model.safetensors")
    described = {**described_as(kind, size, layers), **config}
    (folder / "config.json").write_text(json.dumps(described))
    return {name: a.astype(float) for name, a in stored.items()}


def is_scale(name):
    """Whether an array is the scale of a layer normalisation."""
    return "norm" in name.lower() and name.endswith("weight")


def write_vocabulary(folder, kind):
    """Writes the files of the tokenizer; returns the number of tokens."""
    if kind == "roberta":
        merges = ["Ġ w", "i n", "in e", "Ġw ine", "r e", "re d", "Ġ t"]
        words = ["<s>", "<pad>", "</s>", "<unk>", *byte_letters()]
        words += ["".join(merge.split()) for merge in merges] + ["<mask>"]
        numbers = {word: number for number, word in enumerate(words)}
        (folder / "vocab.json").write_text(json.dumps(numbers))
        lines = ["#version: 0.2", *merges]
        (folder / "merges.txt").write_text("\n".join(lines) + "\n")
        return len(words)
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *LETTERS, *WORDS]
    words += [f"##{letter}" for letter in LETTERS]
    (folder / "vocab.txt").write_text("\n".join(words) + "\n")
    settings = json.dumps({"do_lower_case": True, "strip_accents": None})
    (folder / "tokenizer_config.json").write_text(settings)
    return len(words)


def byte_letters():
    """The letters by which byte-pair encoding writes the 256 bytes."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [chr(256 + n) for n in range(256 - len(plain))]
    return [chr(byte) for byte in plain] + others


def described_as(kind, size, layers):
    """`config.json`."""
    if kind == "distilbert":
        return {
            "model_type": kind,
            "activation": "gelu",
            "vocab_size": size,
            "n_layers": layers,
            "n_heads": HEADS,
            "dim": DIM,
            "hidden_dim": HIDDEN,
            "dropout": 0.1,
            "max_position_embeddings": POSITIONS,
        }
    return {
        "model_type": kind,
        "hidden_act": "gelu",
        "vocab_size": size,
        "num_hidden_layers": layers,
        "num_attention_heads": HEADS,
        "hidden_size": DIM,
        "intermediate_size": HIDDEN,
        "hidden_dropout_prob": 0.1,
        "max_position_embeddings": POSITIONS + 2 * (kind == "roberta"),
    }


def names(kind):
    """Names of parts: before all layers, and in layer {}."""
    if kind == "distilbert":
        start, layer = "distilbert.", "distilbert.transformer.layer.{}."
        parts = ["attention.q_lin", "attention.k_lin", "attention.v_lin"]
        parts += ["attention.out_lin", "sa_layer_norm"]
        parts += ["ffn.lin1", "ffn.lin2", "output_layer_norm"]
    else:
        start = "roberta." if kind == "roberta" else ""
        layer = start + "encoder.layer.{}."
        parts = [f"attention.self.{n}" for n in ("query", "key", "value")]
        parts += ["attention.output.dense", "attention.output.LayerNorm"]
        parts += ["intermediate.dense", "output.dense", "output.LayerNorm"]
    return start, [layer + part for part in parts]


def shapes(kind, size, layers):
    """Shapes of all arrays, matrices as PyTorch has them."""
    start, parts = names(kind)
    positions = POSITIONS + 2 * (kind == "roberta")
    found = {
        f"{start}embeddings.word_embeddings.weight": (size, DIM),
        f"{start}embeddings.position_embeddings.weight": (positions, DIM),
        f"{start}embeddings.LayerNorm.weight": (DIM,),
        f"{start}embeddings.LayerNorm.bias": (DIM,),
    }
    if kind != "distilbert":
        segments = 2 - (kind == "roberta")
        segment = f"{start}embeddings.token_type_embeddings.weight"
        found[segment] = (segments, DIM)
    if kind == "bert":
        found["pooler.dense.weight"] = (DIM, DIM)
        found["pooler.dense.bias"] = (DIM,)
    matrices = [(DIM, DIM)] * 4 + [(DIM,), (HIDDEN, DIM), (DIM, HIDDEN), (DIM,)]
    for number in range(layers):
        for part, shape in zip(parts, matrices, strict=True):
            found[part.format(number) + ".weight"] = shape
            found[part.format(number) + ".bias"] = shape[:1]
    return found


def forward(arrays, kind, token_ids, pooling="mean", gelu=None):
    """The unit vector of one text without padding, token by token.

    Args:
        arrays: From `write_folder`.
        kind: One of `KINDS`.
        token_ids: `[n]`, int.
        pooling: "mean" or "cls".
        gelu: Activation; the exact one if left out.
    """
    start, parts = names(kind)
    epsilon = 1e-5 if kind == "roberta" else 1e-12

    def dense(x, name):
        return arrays[f"{name}.weight"] @ x + arrays[f"{name}.bias"]

    def normalised(x, name):
        x = (x - x.mean()) / np.sqrt(x.var() + epsilon)
        return x * arrays[f"{name}.weight"] + arrays[f"{name}.bias"]

    tables = f"{start}embeddings."
    rows = []
    for place, token in enumerate(token_ids):
        x = arrays[f"{tables}word_embeddings.weight"][token]
        first = 2 if kind == "roberta" else 0
        x = x + arrays[f"{tables}position_embeddings.weight"][place + first]
        if kind == "bert":
            x = x + arrays[f"{tables}token_type_embeddings.weight"][0]
        rows.append(normalised(x, f"{tables}LayerNorm"))
    for number in range(LAYERS):
        here = [part.format(number) for part in parts]
        query, key, value, out, norm, wide, narrow, last = here
        mixed = [
            dense(
                attended(
                    dense(x, query),
                    [dense(y, key) for y in rows],
                    [dense(y, value) for y in rows],
                ),
                out,
            )
            for x in rows
        ]
        for place, change in enumerate(mixed):
            x = normalised(rows[place] + change, norm)
            change = dense((gelu or exact_gelu)(dense(x, wide)), narrow)
            rows[place] = normalised(x + change, last)
    pooled = rows[0] if pooling == "cls" else sum(rows)
    return pooled / np.linalg.norm(pooled)


def attended(query, keys, values):
    """What one token takes from all, head by head."""
    size = DIM // HEADS
    heads = []
    for head in range(HEADS):
        part = slice(head * size, (head + 1) * size)
        scores = [query[part] @ key[part] / size**0.5 for key in keys]
        weights = np.exp(scores) / np.exp(scores).sum()
        heads.append(
            sum(w * v[part] for w, v in zip(weights, values, strict=True))
        )
    return np.concatenate(heads)


def exact_gelu(x):
    """x times the normal distribution function."""
    return x * (1 + erf(x / np.sqrt(2))) / 2


def approximate_gelu(x):
    """What Google's BERT computes instead."""
    return x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))) / 2
