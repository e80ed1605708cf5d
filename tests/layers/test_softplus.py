"""Softplus; its kernel is proven in backends/generic."""

from typing import Any

import numpy as np
import pytest

from lamina.errors import ArgumentError
from lamina.layers import Softplus


def test_values_and_slopes_by_hand() -> None:
    layer = Softplus(2.0)
    layer.build((None, 3), dtype="float64")
    y, saved = layer.forward(np.array([[-np.inf, 0.0, np.log(3) / 2]]))
    np.testing.assert_allclose(y, [[0, np.log(2) / 2, np.log(4) / 2]], rtol=1e-14)
    np.testing.assert_allclose(layer.backward(np.full((1, 3), 4.0), saved), [[0, 2, 3]], rtol=1e-14)


@pytest.mark.parametrize("beta", [0, -1.0, "1", float("nan")])
def test_beta_must_be_above_zero(beta: Any) -> None:
    with pytest.raises(ArgumentError) as caught:
        Softplus(beta)
    assert str(caught.value) == f"Softplus: expected beta to be a number above 0, got {beta!r}"


def test_defaults_are_as_written_out(defaults: Any) -> None:
    # PyTorch's.
    assert defaults(Softplus) == {"beta": 1.0}
