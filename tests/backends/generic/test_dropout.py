"""The dropout kernel."""

import numpy as np
import pytest

from lamina.backends import get_backend


@pytest.mark.parametrize("name", ["numpy", "reference"])
def test_what_is_kept_is_scaled_and_the_rest_is_zero(name: str) -> None:
    kernel = get_backend(name).select("dropout")
    x = np.array([[[1.0, 2.0], [3.0, 4.0]]])
    keep = np.array([[[True, False]]])
    y, saved = kernel.forward(x, keep, rate=0.75)
    assert y.tolist() == [[[4, 0], [12, 0]]]
    assert kernel.backward(np.array([[[1.0, 2.0], [3.0, 5.0]]]), saved).tolist() == [[[4, 0], [12, 0]]]
