"""Where NaN or infinity stands first."""

import numpy as np

from lamina.backends import get_backend
from lamina.core.finite import first_non_finite


def test_the_first_in_time_is_found() -> None:
    backend = get_backend("numpy")
    x = np.zeros((3, 4, 2))
    assert first_non_finite(backend, (x, None, np.zeros(2, int))) is None
    x[0, 3, 0], x[2, 1, 1] = np.nan, np.inf
    assert first_non_finite(backend, x) == ("infinity", (2, 1, 1))
    assert first_non_finite(backend, (np.zeros(2), x[0])) == ("NaN", (3, 0))
