"""GELU and mish in blocks: the generic kernel's bits, whatever the size and the layout."""

from typing import Any

import numpy as np
import pytest

from lamina.backends import get_backend
from lamina.backends.numpy.activations import BLOCK

LAYOUTS = {
    "C": lambda array: array,
    "Fortran": np.asfortranarray,
    "time-major": lambda array: np.ascontiguousarray(array.swapaxes(0, 1)).swapaxes(0, 1),
    "reversed": lambda array: array[::-1],
}


@pytest.mark.parametrize(
    ("name", "options"), [("gelu", {"approximate": "none"}), ("gelu", {"approximate": "tanh"}), ("mish", {})]
)
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("shape", [(0, 3), (5, 2), (3, 4, 5), (BLOCK,), (5, BLOCK // 2 + 1)], ids=str)
def test_blocks_give_what_the_whole_gives(shape: tuple[int, ...], layout: str, name: str, options: Any) -> None:
    array = np.random.default_rng(0).normal(size=shape)
    x = LAYOUTS[layout](array) if array.ndim > 1 else array
    kernel = get_backend("numpy").select(name, **options)
    generic = get_backend("reference").select(name, **options)
    assert (kernel.source, generic.source) == ("numpy", "generic")
    y, saved = kernel.forward(x, **options)
    expected, slope = generic.forward(x, **options)
    np.testing.assert_allclose(y, expected, rtol=1e-15, atol=1e-16)
    np.testing.assert_allclose(kernel.backward(np.ones(shape), saved), slope, rtol=1e-14, atol=1e-16)
    if layout == "time-major" and array.size and array.ndim > 1:
        assert y.strides == x.strides
