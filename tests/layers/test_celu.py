"""CELU; its kernel is proven in backends/generic."""

from typing import Any

import numpy as np
import pytest

from lamina.errors import ArgumentError
from lamina.layers import CELU


def test_values_and_slopes_by_hand() -> None:
    layer = CELU(2.0)
    layer.build((None, 4), dtype="float64")
    y, saved = layer.forward(np.array([[-np.inf, -2 * np.log(4), 0.0, 3.0]]))
    np.testing.assert_allclose(y, [[-2, -1.5, 0, 3]], rtol=1e-14)
    np.testing.assert_allclose(layer.backward(np.full((1, 4), 2.0), saved), [[0, 0.5, 2, 2]], rtol=1e-14)


@pytest.mark.parametrize("alpha", [0, -1.0, "1", float("nan")])
def test_alpha_must_be_above_zero(alpha: Any) -> None:
    with pytest.raises(ArgumentError) as caught:
        CELU(alpha)
    assert str(caught.value) == f"CELU: expected alpha to be a number above 0, got {alpha!r}"


def test_defaults_are_as_written_out(defaults: Any) -> None:
    # The paper's, as in PyTorch.
    assert defaults(CELU) == {"alpha": 1.0}
