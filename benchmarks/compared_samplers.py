"""The samplers of negatives that are compared with the exact softmax."""

from trained_vectors import QUERIES

DRAWS = 64
NEAREST = 32  # labels of the list that each query draws from


def samplers_of(labels, counts, frequency, beta, lists):
    """`{name: (what it knows of labels, function of it that makes it)}`.

    Args:
        labels: `[L, d]`, float32.
        counts: `[L]`, int; training rows of each label.
        frequency: `[L]`, float; of each label in batches.
        beta: The inverse temperature.
        lists: Function of `NearestNegatives` and labels that finds its lists.
    """
    import numpy as np

    from tfxc import negatives

    size = len(labels)
    some = np.random.default_rng(0).permutation(size)[: max(size // 16, 32)]

    def cache(labels):
        return negatives.NegativeCache(some, labels[some], size, beta)

    def midx(words):
        return lambda labels: negatives.Midx(labels, beta, words=words)

    def nearest(labels):
        sampler = negatives.NearestNegatives(QUERIES, size, NEAREST)
        lists(sampler, labels)
        return sampler

    def mixed(labels):
        parts = [negatives.Uniform(size), nearest(labels)]
        return negatives.MixedNegatives(parts, [1, 1])

    def tree(opened, exact, **options):
        return lambda labels: negatives.ClusterTreeSampler(
            labels, beta, opened=opened, exact=exact, **options
        )

    def tree_of_codes(codes, basis):
        return negatives.ClusterTreeSampler(codes, beta, projection=basis)

    def coded(landmarks):
        rows = np.random.default_rng(1).permutation(size)[:landmarks]
        nystrom = negatives.Nystrom(labels[rows])
        return nystrom.codes(labels), nystrom.basis

    of_labels = {
        "uniform": lambda labels: negatives.Uniform(size),
        "unigram": lambda labels: negatives.Unigram(counts),
        "in-batch, log q": lambda labels: negatives.InBatch(frequency),
        f"nearest {NEAREST}": nearest,
        f"nearest {NEAREST} and uniform": mixed,
        "cache of a sixteenth": cache,
        **{f"midx, {n} words": midx(n) for n in (64, 256)},
        **{f"tree, {n} opened, no sketches": tree(n, size) for n in (2, 4, 8)},
        "tree, 8 opened, chain of 4": tree(8, size, steps=4),
        **{
            f"tree, {n} opened, {k} exact": tree(n, k)
            for n, k in ((24, 96), (48, 192), (96, 384), (192, 768))
        },
    }
    return {
        **{name: ((labels,), make) for name, make in of_labels.items()},
        **{
            f"tree, {n} landmarks": (coded(n), tree_of_codes)
            for n in (128, 256)
        },
    }


def find_lists(queries, positives, sampler, labels):
    """Gives `NearestNegatives` the nearest wrong labels of each query."""
    import numpy as np

    from tfxc.data import LabelLists
    from tfxc.negatives import LabelIndex

    index = LabelIndex()
    index.build(labels)
    rows = np.arange(len(queries))
    relevant = LabelLists.from_pairs(rows, positives, len(rows), len(labels))
    sampler.start(index, queries, relevant)
    sampler.finish()


def renew(sampler, now, lists):
    """Lets a sampler follow the labels: `now`, see `samplers_of`."""
    from tfxc.negatives import NearestNegatives

    for part, _ in sampler.components(DRAWS):
        if isinstance(part, NearestNegatives):
            lists(part, *now)
        else:
            part.refresh(*now)
