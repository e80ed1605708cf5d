"""What a layer's backward adds to gradients: each to its own, on one backend or another."""

import numpy as np
import pytest

from lamina import Parameter, Sequential
from lamina.core.gradients import add_to_gradients
from lamina.layers import Dense


@pytest.fixture(params=["numpy", "reference"])
def parameters(request: pytest.FixtureRequest) -> list[Parameter]:
    model = Sequential(Dense(2))
    model.build((None, 3), seed=0, backend=request.param, dtype="float64")
    return list(model.parameters())


def test_each_gets_its_own(parameters: list[Parameter]) -> None:
    w, b = parameters
    for _ in range(2):
        add_to_gradients((w, None, b), (np.ones((3, 2)), None, np.array([1.0, 2.0])))
    assert w.read_grad().tolist() == [[2, 2]] * 3
    assert b.read_grad().tolist() == [2, 4]


def test_a_gradient_too_few_is_an_error(parameters: list[Parameter]) -> None:
    with pytest.raises(ValueError, match="shorter"):
        add_to_gradients(parameters, (np.ones((3, 2)),))
