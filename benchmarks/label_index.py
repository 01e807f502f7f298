"""An index that follows its labels, beside one that is built anew.

    python benchmarks/label_index.py

50,000 labels in planted clusters, 128 dimensions. In each of 50 epochs a tenth
of them moves; the index takes them over, and another is built of all, in turns.
Recall is of the exact 100 nearest, of 1,000 queries. Ratios are medians over
epochs.
"""

import argparse
import statistics
import time

import numpy as np
from record import write_results

from tfxc.negatives import LabelIndex

K = 100


def main():
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--labels", type=int, default=50_000)
    parser.add_argument("--dim", type=int, default=128)
    parser.add_argument("--epochs", type=int, default=50)
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    centres = unit(rng.normal(size=(options.labels // 50, options.dim)))
    vectors = near(rng, centres[rng.integers(0, len(centres), options.labels)])
    queries = near(rng, vectors[rng.integers(0, options.labels, 1000)])
    index, rows = LabelIndex(vectors), []
    for _ in range(options.epochs):
        vectors = vectors.copy()
        chosen = rng.choice(options.labels, options.labels // 10, replace=False)
        vectors[chosen] = near(rng, vectors[chosen])
        begun = time.perf_counter()
        index.move(vectors)
        moved = time.perf_counter() - begun
        begun = time.perf_counter()
        fresh = LabelIndex(vectors)
        built = time.perf_counter() - begun
        rows.append(
            {
                "move_seconds": moved,
                "build_seconds": built,
                "rebalanced": index.report["rebalanced"],
                "recall": recall(index, queries),
                "recall_built": recall(fresh, queries),
            }
        )
        print(rows[-1], flush=True)
    lacking = [row["recall_built"] - row["recall"] for row in rows]
    summary = {
        "share_of_a_build": statistics.median(
            row["move_seconds"] / row["build_seconds"] for row in rows
        ),
        "share_of_a_build_with_rebalancing": sum(
            row["move_seconds"] for row in rows
        )
        / sum(row["build_seconds"] for row in rows),
        "recall_lost_most": max(lacking),
        "recall_lost_last": lacking[-1],
        "recall_last": rows[-1]["recall"],
    }
    write_results(
        "label_index",
        "python benchmarks/label_index.py",
        {"summary": summary, "epochs": rows},
    )


def unit(array):
    """Rows of length 1, float32."""
    array = array / np.linalg.norm(array, axis=1, keepdims=True)
    return array.astype(np.float32)


def near(rng, vectors):
    """Unit vectors at about half a unit from others."""
    noise = rng.normal(size=vectors.shape) / vectors.shape[1] ** 0.5
    return unit(vectors + 0.5 * noise)


def recall(index, queries):
    """The share of the exact nearest that an index finds, in percent."""
    exact = np.argpartition(-(queries @ index.vectors.T), K, axis=1)[:, :K]
    found = index.top_k(queries, K)
    return 100 * float(
        np.mean(
            [np.isin(a, b).mean() for a, b in zip(found, exact, strict=True)]
        )
    )


if __name__ == "__main__":
    main()
