"""Where NaN or infinity stands first."""

import numpy as np

from lamina import Sequential
from lamina.backends import get_backend
from lamina.core.finite import all_finite, first_non_finite
from lamina.layers import Dense


def test_the_first_in_time_is_found() -> None:
    backend = get_backend("numpy")
    x = np.zeros((3, 4, 2))
    assert first_non_finite(backend, (x, None, np.zeros(2, int))) is None
    x[0, 3, 0], x[2, 1, 1] = np.nan, np.inf
    assert first_non_finite(backend, x) == ("infinity", (2, 1, 1))
    assert first_non_finite(backend, (np.zeros(2), x[0])) == ("NaN", (3, 0))


def test_all_parameters_are_looked_at_on_every_backend() -> None:
    model = Sequential(Dense(2), Dense(3))
    model.build((None, 4), seed=0, backend="numpy")
    model[1].to("reference")
    assert all_finite(model.parameters())
    for parameter in model.parameters():
        before = parameter.numpy()
        parameter.data[..., -1] = np.inf
        assert not all_finite(model.parameters())
        parameter.data = before
