"""The softmax over any axis, with lengths: by hand, and row by row."""

from typing import Any

import numpy as np
import pytest

from lamina.backends import Backend, get_backend


@pytest.fixture(params=["numpy", "reference"])
def backend(request: pytest.FixtureRequest) -> Backend:
    return get_backend(request.param)


def frozen(values: Any, dtype: str = "float64") -> np.ndarray:
    array = np.array(values, dtype)
    array.flags.writeable = False
    return array


X = np.random.default_rng(0).standard_normal((3, 4, 2)) * 5
DY = np.random.default_rng(1).standard_normal((3, 4, 2))
LENGTHS = np.array([4, 0, 2])


def softmax(x: np.ndarray, axis: int) -> np.ndarray:
    powers = np.exp(x)
    return powers / powers.sum(axis=axis, keepdims=True)


@pytest.mark.parametrize("axis", [1, 2])
def test_all_steps(backend: Backend, axis: int) -> None:
    y, saved = backend.select("axis_softmax").forward(frozen(X), None, axis=axis)
    right = softmax(X, axis)
    np.testing.assert_allclose(y, right, rtol=1e-13)
    dx = backend.select("axis_softmax").backward(frozen(DY), saved)
    np.testing.assert_allclose(dx, right * (DY - (DY * right).sum(axis=axis, keepdims=True)), rtol=1e-12, atol=1e-15)
    log, saved = backend.select("axis_log_softmax").forward(frozen(X), None, axis=axis)
    np.testing.assert_allclose(log, np.log(right), rtol=1e-12, atol=1e-15)
    dx = backend.select("axis_log_softmax").backward(frozen(DY), saved)
    np.testing.assert_allclose(dx, DY - right * DY.sum(axis=axis, keepdims=True), rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("axis", [1, 2])
@pytest.mark.parametrize("name", ["axis_softmax", "axis_log_softmax"])
def test_each_row_is_what_it_is_alone_whatever_stands_past_its_end(backend: Backend, name: str, axis: int) -> None:
    kernel = backend.select(name)
    past = np.arange(4) >= LENGTHS[:, None]
    for rubbish in (np.nan, np.inf, 1e300, -1e300):
        x, dy = (frozen(np.where(past[..., None], rubbish, array)) for array in (X, DY))
        y, saved = kernel.forward(x, LENGTHS, axis=axis)
        dx = kernel.backward(dy, saved)
        assert not y[past].any()
        assert not dx[past].any()
        for row in (0, 2):
            own = slice(row, row + 1), slice(0, LENGTHS[row])
            alone, saved = kernel.forward(frozen(X[own]), None, axis=axis)
            np.testing.assert_allclose(y[own], alone, rtol=1e-13)
            np.testing.assert_allclose(dx[own], kernel.backward(frozen(DY[own]), saved), rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("lengths", [None, [2]])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_large_numbers_do_not_overflow(backend: Backend, dtype: str, lengths: Any) -> None:
    x = frozen([[[1e38], [-1e38], [1e38]]], dtype)[:, : 3 if lengths is None else 2]
    x = np.concatenate([x, x], axis=1) if lengths else x
    y, _ = backend.select("axis_softmax").forward(x, None if lengths is None else np.array(lengths), axis=1)
    assert y[0, :, 0].tolist() == ([0.5, 0, 0.5] if lengths is None else [1, 0, 0, 0])
    log, _ = backend.select("axis_log_softmax").forward(frozen([[[0.0], [-1000.0]]], dtype), None, axis=1)
    assert log[0, :, 0].tolist() == [0, -1000]


def test_no_steps_at_all_give_none(backend: Backend) -> None:
    for name in ("axis_softmax", "axis_log_softmax"):
        y, saved = backend.select(name).forward(np.zeros((2, 0, 3)), np.array([0, 0]), axis=1)
        assert backend.select(name).backward(np.zeros((2, 0, 3)), saved).shape == y.shape == (2, 0, 3)
