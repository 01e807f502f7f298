"""How well codes follow an encoder that trains, without encoding all labels.

    python benchmarks/moving_codes.py --data ../shared/data

The encoder of yso-finna-en trains in batches of 256; every 100 steps a
hundredth of the labels, landmarks, and 1,024 others are encoded, and the codes
of all are moved. Median total variation, over 256 held-out queries, from the
softmax over the exact vectors to that over

    moved       codes moved by `tfxc.negatives.Nystrom`, refresh upon refresh
    published   by the regression as published, refresh upon refresh
    untouched   the codes of the first refresh
    encoded     codes of vectors as they are now: what any move can reach
    stale       exact vectors of the refresh before, which takes all of them
"""

import argparse
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))

from prepared_job import prepared_job
from record import write_results

INTERVAL, REFRESHES, BATCH, SAMPLE, QUERIES = 100, 10, 256, 1024, 256
WARM_UP = 3  # refreshes in which labels move too far to be followed
RIDGE = 1e-3  # of the published regression, as a share of the mean diagonal


def main():
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--data", type=pathlib.Path, required=True)
    options = parser.parse_args()
    rows = measured(options.data / "yso-finna-en")
    command = f"python benchmarks/moving_codes.py --data {options.data}"
    write_results("moving_codes", command, rows)


def measured(data):
    """The distances at each refresh after the warm-up."""
    import numpy as np

    from tfxc.negatives import Nystrom

    rng, rows = np.random.default_rng(0), []
    for refresh, (vectors, queries) in enumerate(versions(data)):
        if refresh < WARM_UP:
            continue
        if refresh == WARM_UP:
            size = len(vectors)
            landmarks = np.sort(rng.permutation(size)[: size // 100])
            others = np.setdiff1d(np.arange(size), landmarks)
            first = Nystrom(vectors[landmarks])
            begun = first.codes(vectors)
            moved = (first, begun)
            published = (first, vectors @ first.basis)
            before = vectors
            continue
        ids = np.r_[landmarks, rng.choice(others, SAMPLE, replace=False)]
        moved = follow(moved, ids, vectors[ids])
        published = follow_as_published(published, ids, vectors[ids])
        fresh = Nystrom(vectors[landmarks])
        row = {"steps": (refresh + 1) * INTERVAL}
        for name, labels, seen in (
            ("moved", moved[1], queries @ moved[0].basis),
            ("published", published[1], queries @ published[0].basis),
            ("untouched", begun, queries @ first.basis),
            ("encoded", fresh.codes(vectors), queries @ fresh.basis),
            ("stale", before, queries),
        ):
            row[name] = distance(queries, vectors, seen, labels)
        rows.append(row)
        print(row, flush=True)
        before = vectors
    return rows


def versions(data):
    """Label and query vectors while an encoder trains: yields pairs."""
    import dataclasses

    import numpy as np

    import tfxc
    from models import ngame

    recipe = dataclasses.replace(
        ngame.Recipe.yso_finna_en(), batch_size=BATCH, num_candidates=BATCH
    )
    with prepared_job(recipe, data) as job:
        total = len(job.rows) // BATCH
        model = ngame.encoder_model(recipe, job, total)
        rows = np.random.default_rng(0).permutation(job.rows)
        batches = []  # of the interval under way
        data = tfxc.data.training_batches(
            lambda: (0, batches),
            *(job.prepared.train, job.prepared.labels, job.relevant),
            *(BATCH, BATCH, recipe.seed),
        )
        for refresh in range(REFRESHES):
            start = refresh * INTERVAL * BATCH
            chosen = rows[start : start + INTERVAL * BATCH]
            batches[:] = np.split(chosen, INTERVAL)
            model.fit(
                data,
                initial_epoch=refresh,
                epochs=refresh + 1,
                steps_per_epoch=INTERVAL,
                shuffle=False,
                verbose=0,
            )
            yield job.label_vectors(), job.query_vectors(job.held_out[:QUERIES])


def follow(state, ids, vectors):
    """`(Nystrom, codes)` after a move, as `MovingCodes` does it."""
    nystrom, codes = state
    move = nystrom.fitted(codes[ids], vectors)
    codes = codes.copy()
    move.apply(codes)
    codes[ids] = move.there.codes(vectors)
    return move.there, codes


def follow_as_published(state, ids, vectors):
    """The same by a regression that shrinks to 0, to vectors of length 1.

    Codes, there, are projections of any length.
    """
    import dataclasses

    import numpy as np

    nystrom, codes = state
    old = codes[ids].astype(float)
    gram = old.T @ old
    gram += RIDGE * gram.trace() / len(gram) * np.eye(len(gram))
    found = codes @ np.linalg.solve(gram, old.T @ vectors)
    found /= np.linalg.norm(found, axis=1, keepdims=True)
    count = len(nystrom.landmarks)
    there = dataclasses.replace(nystrom, landmarks=vectors[:count])
    return there, found @ there.basis


def distance(queries, vectors, seen, labels):
    """The median total variation between two softmaxes over all labels."""
    import numpy as np
    from scipy.special import softmax

    beta = 1 / 0.07  # as in training
    exact = softmax(beta * queries @ vectors.T, axis=1)
    other = softmax(beta * seen @ labels.T, axis=1)
    return float(np.median(np.abs(exact - other).sum(axis=1) / 2))


if __name__ == "__main__":
    main()
