"""Invariants of what products of matrices cost:

- the cost model of made-up times is found again, also of noisy ones;
- that of this machine is one.
"""

import numpy as np
import pytest

from tfxc.layers import CostModel, measure_cost
from tfxc.layers.cost_model import fitted_cost


def test_a_cost_model_is_found_again(rng):
    products = 2.0 ** np.arange(10, 30)
    model = CostModel(3e-5, 2e-10, products[6])
    times = model.seconds(products, 1, 1)
    found = fitted_cost(products, times)
    np.testing.assert_allclose(found.seconds(products, 1, 1), times, rtol=1e-6)
    noisy = fitted_cost(products, times * rng.uniform(0.9, 1.1, len(times)))
    assert noisy.per_product == pytest.approx(2e-10, rel=0.1)


def test_this_machine():
    model = measure_cost(rows=(8, 64), outer=(64, 4096), repeats=3)
    assert min(model) >= 0 and 0 < model.seconds(64, 64, 4096) < 10
