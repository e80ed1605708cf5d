"""Convolution by loops, on both backends over NumPy."""

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
    [
        Windows(3, 6, before=1),
        Windows(3, 6, before=2),
        Windows(2, 2, stride=3),
        Windows(3, 3, stride=2, dilation=2, before=2),
        Windows(1, 6),
        Windows(9, 0),
    ],
)
@pytest.mark.parametrize("ragged", [False, True], ids=["full", "ragged"])
@pytest.mark.parametrize("bias", [True, False], ids=["bias", "no-bias"])
def test_by_loops(backend: Backend, windows: Windows, ragged: bool, bias: bool) -> None:
    lengths = np.array([6, 0, 3]) if ragged else None
    outputs = np.array([windows.number, 0, min(2, windows.number)]) if ragged else None
    x, w, b = whole_numbers(3, 6, 2), whole_numbers(windows.size, 2, 4), whole_numbers(4)
    dy = whole_numbers(3, windows.number, 4)
    y_expected, dx_expected = np.zeros((3, windows.number, 4)), np.zeros(x.shape)
    dw_expected, db_expected = np.zeros(w.shape), np.zeros(4)
    for row in range(3):
        length = 6 if lengths is None else int(lengths[row])
        for j in range(windows.number if outputs is None else int(outputs[row])):
            y_expected[row, j] = b if bias else 0
            db_expected += dy[row, j]
            for i in range(windows.size):
                t = j * windows.stride - windows.before + i * windows.dilation
                if 0 <= t < length:
                    y_expected[row, j] += x[row, t] @ w[i]
                    dx_expected[row, t] += w[i] @ dy[row, j]
                    dw_expected[i] += np.outer(x[row, t], dy[row, j])
    kernel = backend.select("conv1d")
    y, saved = kernel.forward(x, w, b if bias else None, lengths, outputs, windows)
    dx, dw, db = kernel.backward(dy, saved, w)
    for got, expected in ((y, y_expected), (dx, dx_expected), (dw, dw_expected), (db, db_expected)):
        assert got.shape == expected.shape
        assert (got == expected).all()


def test_an_empty_batch(backend: Backend) -> None:
    kernel = backend.select("conv1d")
    y, saved = kernel.forward(np.zeros((0, 4, 2)), np.ones((3, 2, 5)), None, None, None, Windows(3, 4, before=1))
    dx, dw, db = kernel.backward(y, saved, np.ones((3, 2, 5)))
    assert (y.shape, dx.shape, dw.any(), db.any()) == ((0, 4, 5), (0, 4, 2), False, False)
