"""What the tests of optimizers have in common."""

from __future__ import annotations

import pytest

from lamina.layers import Dense


@pytest.fixture(params=["numpy", "reference"])
def layer(request: pytest.FixtureRequest) -> Dense:
    layer = Dense(3, use_bias=False)
    layer.build((None, 2), backend=request.param, dtype="float64", seed=0)
    return layer
