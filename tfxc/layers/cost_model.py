"""What products of matrices cost on the machine at hand."""

import itertools
import time
from typing import NamedTuple

import keras
import numpy as np
from keras import ops
from scipy.optimize import nnls


class CostModel(NamedTuple):
    """Seconds of a product of matrices `[rows, inner] x [inner, outer]`.

    ```
    seconds = fixed + per_product max(rows inner outer, least)
    ```

    Attributes:
        fixed: Seconds of the call.
        per_product: Seconds of one multiplication and addition.
        least: Products that cost no more than fewer: a device is not busy yet.

    Reference:
        [Grave et al., 2017](https://arxiv.org/abs/1609.04309), 4.1
    """

    fixed: float
    per_product: float
    least: float = 0.0

    def seconds(self, rows, inner, outer):
        """Of arrays or numbers, which may be fractions."""
        products = np.maximum(np.multiply(rows, inner) * outer, self.least)
        return self.fixed + self.per_product * products


def measure_cost(
    rows=(32, 128, 512, 2048), outer=(64, 512, 4096, 16384), inner=64, repeats=5
):
    """Times products of matrices on this machine: `CostModel`.

    The median times of all products are fitted by the two numbers not below
    zero that make the least relative error, for the least number of products
    that does so best.
    """
    times, products = [], []
    for count, width in itertools.product(rows, outer):
        one = keras.random.normal((count, inner))
        other = keras.random.normal((inner, width))
        taken = []
        for _ in range(repeats + 1):
            begun = time.perf_counter()
            ops.convert_to_numpy(ops.matmul(one, other)[0, 0])
            taken.append(time.perf_counter() - begun)
        times.append(np.median(taken[1:]))
        products.append(count * inner * width)
    return fitted_cost(np.array(products, float), np.array(times))


def fitted_cost(products, times):
    """The `CostModel` nearest to some times, see `measure_cost`."""
    best = None
    for least in [0.0, *np.sort(products)[: len(products) // 2]]:
        terms = np.stack([np.ones(len(times)), np.maximum(products, least)], 1)
        found, error = nnls(terms / times[:, None], np.ones(len(times)))
        if best is None or error < best[0] - 1e-12:
            best = error, CostModel(float(found[0]), float(found[1]), least)
    return best[1]
