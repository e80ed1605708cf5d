"""Where NaN or infinity stands first."""

import numpy as np
import pytest

from lamina import Sequential
from lamina.backends import get_backend
from lamina.core.finite import (
    all_finite,
    first_non_finite,
    non_finite_parameters,
    non_finite_text,
    warn_non_finite,
)
from lamina.errors import NonFiniteWarning
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


def test_parameters_that_hold_none_are_named_with_what_they_hold(recwarn: pytest.WarningsRecorder) -> None:
    model = Sequential(Dense(2), Dense(3), Dense(1))
    model.build((None, 4), seed=0)
    assert (non_finite_parameters(model.parameters()), non_finite_text(model.parameters())) == ([], "")
    warn_non_finite(model.parameters(), "a file")
    assert not recwarn.list
    model[1].w.data[0] = [1, np.nan, np.inf]  # type: ignore[attr-defined]
    assert non_finite_text(model.parameters()) == "its parameter '1.w' holds NaN"
    model[2].b.data[0] = -np.inf  # type: ignore[attr-defined]
    assert non_finite_parameters(model.parameters()) == [("1.w", "NaN"), ("2.b", "infinity")]
    with pytest.warns(NonFiniteWarning) as caught:
        warn_non_finite(model.parameters(), "a file")
    assert str(caught[0].message) == "a file: its parameter '1.w' holds NaN, and 1 more hold NaN or infinity"
