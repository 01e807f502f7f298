"""Whether the negatives that a recipe asks for can be drawn."""

from tfxc.errors import InputError


def check_negatives(recipe, num_labels):
    """Raises `InputError` if negatives cannot be drawn as a recipe asks.

    Args:
        recipe: `TextRecipe`.
        num_labels: Labels of the data set.
    """
    if recipe.negatives == "none":
        return
    num, rows = recipe.num_negatives, recipe.batch_size
    if recipe.num_candidates >= num_labels:
        raise InputError(
            f"--negatives: expected fewer --num-candidates than {num_labels:,} "
            "labels, for else all are candidates anyway. "
            f"Received: {recipe.num_candidates:,}"
        )
    if recipe.negatives == "in_batch":
        if recipe.estimator != "sampled_softmax":
            raise InputError(
                "--estimator: expected sampled_softmax, as --negatives "
                f"in_batch draws nothing. Received: {recipe.estimator}"
            )
        return
    if num > num_labels or (num > rows and num % rows):
        raise InputError(
            f"--num-negatives: expected at most the {num_labels:,} labels, and "
            f"at most the {rows:,} queries of a batch or a multiple of them. "
            f"Received: {num:,}"
        )
    # Some are drawn among all labels: one of so many.
    parts = {"cache": 4, "nearest": 2}.get(recipe.negatives)
    if parts and (num < 4 or (num > rows and num % (parts * rows))):
        raise InputError(
            f"--num-negatives: expected 4 to {rows:,}, the queries of a batch, "
            f"or a multiple of {parts * rows:,}, as one of {parts} is drawn "
            f"among all labels. Received: {num:,}"
        )
    if recipe.negatives == "cache" and num > recipe.cached_labels:
        raise InputError(
            f"--cached-labels: expected at least --num-negatives={num}, which "
            f"a step takes in. Received: {recipe.cached_labels}"
        )
    of_some = recipe.negatives == "cache" and recipe.cached_labels < num_labels
    follows = recipe.negatives in ("tree", "cache") and not of_some
    if recipe.estimator == "self_normalized" and not follows:
        raise InputError(
            "--estimator: expected sampled_softmax, as the law of --negatives "
            "is only near the softmax for tree, and for cache with "
            f"--cached-labels={num_labels}. Received: {recipe.estimator}"
        )
    if recipe.chunk_rows and num % recipe.chunk_rows:
        raise InputError(
            "--num-negatives: expected a multiple of --chunk-rows. "
            f"Received: {num}"
        )
