"""Groups of labels that a tree of clusters might have instead."""

import time


def partitions(queries, labels, labels_half_way, beta):
    """Other groups than the sampler's, of which as many labels are opened.

    Groups of an SG tree have any size, which a sampler of static shapes cannot
    open; so this counts labels, not groups, and computes the rest in full. A
    tree of labels as they were at half of the training puts in again those that
    have drifted.
    """
    from tfxc.negatives import balanced_partition, sg_tree

    groups = max(len(labels) // 48, 2)
    makers = {
        "balanced two-means": lambda: balanced_partition(labels),
        **{
            f"an SG tree, base {base}": lambda base=base: sg_tree(
                labels, base
            ).partition([groups])
            for base in (1.15, 1.3)
        },
    }
    rows = {}
    for name, make in makers.items():
        begun = time.perf_counter()
        tree = make()
        made = time.perf_counter() - begun
        distance = of_groups(tree, queries, labels, beta)
        rows[name] = {
            "groups": len(tree.levels[-1]) - 1,
            "largest": int(max(tree.levels[-1][1:] - tree.levels[-1][:-1])),
            "median_total_variation": distance,
            "seconds_to_build": made,
        }
    for base in (1.15, 1.3):
        old = sg_tree(labels_half_way, base)
        begun = time.perf_counter()
        drifted = old.drifted(labels)
        tree = old.moved(labels, drifted).partition([groups])
        rows[f"an SG tree, base {base}"] |= {
            "drifted": len(drifted) / len(labels),
            "seconds_to_refresh": time.perf_counter() - begun,
            "refreshed_total_variation": of_groups(tree, queries, labels, beta),
        }
    print(rows, flush=True)
    return rows


def of_groups(tree, queries, labels, beta):
    """The median distance by groups of which 96 x 49 labels are opened."""
    import numpy as np
    from scipy.special import softmax

    from tfxc.negatives.tree_arrays import main_directions

    splits = tree.levels[-1]
    sizes = np.diff(splits)
    means, _ = tree.summaries(labels)[-1]
    directions = main_directions(labels, tree, means, 32)
    owner = np.empty(len(labels), int)
    owner[tree.order] = np.repeat(np.arange(len(sizes)), sizes)
    of_means = beta * queries @ means.T
    nearest = np.argsort(-of_means - np.log(sizes), axis=1)
    opened = np.zeros(of_means.shape, bool)
    within = np.cumsum(sizes[nearest], axis=1) <= 96 * 49
    within[:, 0] = True
    np.put_along_axis(opened, nearest, within, axis=1)
    gaps = (labels - means[owner]) @ directions
    seen = of_means[:, owner] + beta * (queries @ directions) @ gaps.T
    scores = np.where(opened[:, owner], seen, of_means[:, owner])
    exact = beta * queries @ labels.T
    best = np.where(opened[:, owner], seen, -np.inf)
    best = np.argsort(-best, axis=1)[:, :384]
    np.put_along_axis(
        *(scores, best, np.take_along_axis(exact, best, axis=1)), axis=1
    )
    gap = softmax(scores, axis=1) - softmax(exact, axis=1)
    return float(np.median(np.abs(gap).sum(axis=1) / 2))
