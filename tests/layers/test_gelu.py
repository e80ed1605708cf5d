"""GELU; its kernel is proven in backends/test_activations."""

import math
from typing import Any

import numpy as np
import pytest

from lamina.errors import UnknownNameError
from lamina.layers import GELU


def test_forward_and_backward_by_hand() -> None:
    layer = GELU()
    layer.build((None, 3), dtype="float64")
    y, saved = layer.forward(np.array([[-1.0, 0.0, 2.0]]))
    # The normal distribution at -1 and 2 is 0.158655253931457 and 0.977249868051821.
    np.testing.assert_allclose(y, [[-0.158655253931457, 0, 1.954499736103642]], rtol=1e-14)
    density = [math.exp(-0.5) / math.sqrt(2 * math.pi), math.exp(-2) / math.sqrt(2 * math.pi)]
    expected = [[0.158655253931457 - density[0], 0.5, 0.977249868051821 + 2 * density[1]]]
    np.testing.assert_allclose(layer.backward(np.ones((1, 3)), saved), expected, rtol=1e-13)


def test_the_approximation_is_off_by_less_than_5e_4() -> None:
    x = np.linspace(-6, 6, 1001)[None]
    exact, near = GELU(), GELU(approximate="tanh")
    for layer in (exact, near):
        layer.build((None, 1001), dtype="float64")
    assert 1e-4 < np.abs(exact(x) - near(x)).max() < 5e-4
    assert repr(near) == "GELU(approximate='tanh')"
    assert near.kernel_options() == {"approximate": "tanh"}


def test_another_approximation_is_refused() -> None:
    with pytest.raises(UnknownNameError, match=r"^unknown approximate of GELU 'tan': did you mean 'tanh'\?"):
        GELU("tan")


def test_defaults_are_as_written_out(defaults: Any) -> None:
    # PyTorch's.
    assert defaults(GELU) == {"approximate": "none"}
