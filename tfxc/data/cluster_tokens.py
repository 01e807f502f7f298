"""Labels that share a token with the labels most like them."""

import numpy as np

from tfxc.data.tokens.bags import Bags


def with_cluster_tokens(bags, cluster_of_row, first_token):
    """Gives each row one more token: that of its cluster.

    A free vector per label cluster lets labels say what their texts do not,
    and rare ones learn from their neighbours.

    Args:
        bags: `Bags` of labels.
        cluster_of_row: `[rows]`, int.
        first_token: Token of cluster 0; the others follow.

    Returns:
        `Bags`, one token longer; the new one has weight 1.

    Reference:
        [Dahiya et al., 2023](https://doi.org/10.1145/3580305.3599301) (DEXA)
    """
    tokens = (first_token + np.asarray(cluster_of_row))[:, None]
    weights = np.ones((len(bags), 1), np.float16)
    return Bags(
        np.concatenate([bags.ids, tokens.astype(np.int32)], axis=1),
        np.concatenate([bags.weights, weights], axis=1),
    )
