"""Transposed convolution by loops, on both backends over NumPy."""

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
    ("windows", "time"),
    [
        (Windows(3, 4), 6),
        (Windows(3, 4, stride=2, before=1), 8),
        (Windows(2, 4, stride=3), 12),
        (Windows(3, 4, stride=2, dilation=3, before=4), 5),
        (Windows(3, 4), 1),
    ],
)
@pytest.mark.parametrize("ragged", [False, True], ids=["full", "ragged"])
@pytest.mark.parametrize(("groups", "own"), [(1, 3), (2, 3), (4, 1)])
def test_by_loops(backend: Backend, windows: Windows, time: int, ragged: bool, groups: int, own: int) -> None:
    lengths = np.array([4, 0, 2]) if ragged else None
    outputs = np.array([time, 0, time // 2]) if ragged else None
    units, part = groups * own, 4 // groups
    x, w, b = whole_numbers(3, 4, 4), whole_numbers(windows.size, 4, own), whole_numbers(units)
    dy = whole_numbers(3, time, units)
    y_expected, dx_expected = np.zeros(dy.shape), np.zeros(x.shape)
    dw_expected, db_expected = np.zeros(w.shape), np.zeros(units)
    for row in range(3):
        end = time if outputs is None else int(outputs[row])
        y_expected[row, :end] = b
        db_expected += dy[row, :end].sum(0)
        for j in range(4 if lengths is None else int(lengths[row])):
            for i in range(windows.size):
                t = j * windows.stride - windows.before + i * windows.dilation
                for feature in range(4 if 0 <= t < end else 0):
                    for place in range(own):
                        unit = feature // part * own + place
                        y_expected[row, t, unit] += x[row, j, feature] * w[i, feature, place]
                        dx_expected[row, j, feature] += w[i, feature, place] * dy[row, t, unit]
                        dw_expected[i, feature, place] += x[row, j, feature] * dy[row, t, unit]
    kernel = backend.select("conv1d_transpose")
    y, saved = kernel.forward(x, w, b, lengths, outputs, windows, time, groups)
    dx, dw, db = kernel.backward(dy, saved, w)
    for got, expected in ((y, y_expected), (dx, dx_expected), (dw, dw_expected), (db, db_expected)):
        assert got.shape == expected.shape
        assert (got == expected).all()
    y, saved = kernel.forward(x, w, None, lengths, outputs, windows, time, groups)
    if outputs is None:
        assert (y + b == y_expected).all()
    assert kernel.backward(dy, saved, w, input_gradient=False)[0] is None


@pytest.mark.parametrize(("batch", "number"), [(0, 3), (2, 0)])
def test_no_step_at_all(backend: Backend, batch: int, number: int) -> None:
    kernel = backend.select("conv1d_transpose")
    x, w, time = np.zeros((batch, number, 2)), np.ones((3, 2, 4)), 2 * number
    y, saved = kernel.forward(x, w, None, None, None, Windows(3, number, 2, before=1), time, 1)
    dx, dw, db = kernel.backward(y, saved, w)
    assert (y.shape, dx.shape, dw.any(), db.any()) == ((batch, time, 4), x.shape, False, False)
