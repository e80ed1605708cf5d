"""Convolution in groups by loops, on both backends over NumPy."""

from typing import Any

import numpy as np
import pytest

from lamina.backends import Backend, get_backend
from lamina.backends.generic.windows import Windows


@pytest.fixture(params=["numpy", "reference"])
def backend(request: pytest.FixtureRequest) -> Backend:
    return get_backend(request.param)


def whole_numbers(*shape: int) -> Any:
    array = np.random.default_rng(shape).integers(-4, 5, shape).astype(float)
    array.flags.writeable = False
    return array


@pytest.mark.parametrize(
    "windows",
    [Windows(3, 6, before=1), Windows(2, 2, stride=3), Windows(3, 3, stride=2, dilation=2, before=2), Windows(9, 0)],
)
@pytest.mark.parametrize("ragged", [False, True], ids=["full", "ragged"])
@pytest.mark.parametrize(("groups", "units"), [(2, 6), (4, 4), (4, 12)])
def test_by_loops(backend: Backend, windows: Windows, ragged: bool, groups: int, units: int) -> None:
    lengths = np.array([6, 0, 3]) if ragged else None
    outputs = np.array([windows.number, 0, min(2, windows.number)]) if ragged else None
    own, more = 4 // groups, units // groups
    x, w, b = whole_numbers(3, 6, 4), whole_numbers(windows.size, own, units), whole_numbers(units)
    dy = whole_numbers(3, windows.number, units)
    y_expected, dx_expected = np.zeros(dy.shape), np.zeros(x.shape)
    dw_expected, db_expected = np.zeros(w.shape), np.zeros(units)
    for row in range(3):
        length = 6 if lengths is None else int(lengths[row])
        for j in range(windows.number if outputs is None else int(outputs[row])):
            y_expected[row, j] = b
            db_expected += dy[row, j]
            for i in range(windows.size):
                t = j * windows.stride - windows.before + i * windows.dilation
                for unit in range(units if 0 <= t < length else 0):
                    for place in range(own):
                        feature = unit // more * own + place
                        y_expected[row, j, unit] += x[row, t, feature] * w[i, place, unit]
                        dx_expected[row, t, feature] += w[i, place, unit] * dy[row, j, unit]
                        dw_expected[i, place, unit] += x[row, t, feature] * dy[row, j, unit]
    kernel = backend.select("grouped_conv1d")
    y, saved = kernel.forward(x, w, b, lengths, outputs, windows)
    dx, dw, db = kernel.backward(dy, saved, w)
    for got, expected in ((y, y_expected), (dx, dx_expected), (dw, dw_expected), (db, db_expected)):
        assert got.shape == expected.shape
        assert (got == expected).all()
    y, saved = kernel.forward(x, w, None, lengths, outputs, windows)
    if outputs is None:
        assert (y + b == y_expected).all()
    assert kernel.backward(dy, saved, w, input_gradient=False)[0] is None


def test_an_empty_batch(backend: Backend) -> None:
    kernel = backend.select("grouped_conv1d")
    x, w = np.zeros((0, 4, 2)), np.ones((3, 1, 4))
    y, saved = kernel.forward(x, w, None, None, None, Windows(3, 4, before=1))
    dx, dw, db = kernel.backward(y, saved, w)
    assert (y.shape, dx.shape, dw.any(), db.any()) == ((0, 4, 4), (0, 4, 2), False, False)
