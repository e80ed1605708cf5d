"""Mean and deviation from one block after another, against NumPy's of all of them at once."""

from typing import Any

import numpy as np
import pytest

from lamina.errors import DataError, DTypeError, ShapeError
from lamina.kinds import moments as module
from lamina.kinds.moments import Moments, steps_of

RNG = np.random.default_rng(0)
X = RNG.normal(size=(30, 3)) * [1.0, 100.0, 0.01] + [0.0, 1e6, -5.0]


@pytest.mark.parametrize("sizes", [[30], [1, 29], [10, 0, 20], [1] * 30])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_blocks_are_joined(sizes: list[int], dtype: str) -> None:
    x = X.astype(dtype)
    moments, start = Moments(3), 0
    for size in sizes:
        moments.add(x[start : start + size])
        start += size
    exact = x.astype("float64")
    assert (moments.steps, moments.mean.dtype) == (30, np.float64)
    np.testing.assert_allclose(moments.mean, exact.mean(axis=0), rtol=1e-13, atol=1e-15)
    np.testing.assert_allclose(moments.deviation, exact.std(axis=0), rtol=1e-9)


@pytest.mark.parametrize("scale", [1e-200, 1e200])
def test_squares_neither_overflow_nor_vanish(scale: float) -> None:
    moments = Moments(1)
    for value in (1.0, 3.0):
        moments.add(np.array([[value * scale]]))
    np.testing.assert_allclose(moments.deviation, [scale], rtol=1e-14)


def test_a_constant_does_not_vary() -> None:
    moments = Moments(1)
    moments.add(np.full((7, 1), 3.0))
    moments.add(np.full((5, 1), 3.0))
    assert (moments.mean.tolist(), moments.deviation.tolist()) == ([3], [0])
    assert Moments(2).deviation.tolist() == [0, 0]


def rows(x: Any, lengths: Any = None) -> list[list[float]]:
    return np.concatenate(list(steps_of("Part", x, lengths))).tolist()


def test_only_valid_steps_are_given() -> None:
    x = np.arange(12.0).reshape(2, 3, 2)
    assert rows(x) == x.reshape(6, 2).tolist()
    assert rows(x, [1, 2]) == [[0, 1], [6, 7], [8, 9]]
    assert rows(np.where(np.arange(3)[:, None] < 1, x, np.nan), [1, 1]) == [[0, 1], [6, 7]]
    assert rows(x[:, 0]) == [[0, 1], [6, 7]]
    assert rows([x[0], x[1, :1], []]) == [[0, 1], [2, 3], [4, 5], [6, 7]]
    assert rows([[1, 2], [3, 4]]) == [[1, 2], [3, 4]]
    assert rows(x.reshape(1, 2, 3, 2), [1]) == x[0].tolist()


def test_much_data_is_taken_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_CHUNK", 6)
    x = np.arange(12.0).reshape(2, 3, 2)
    assert [len(block) for block in steps_of("Part", x, [1, 2])] == [1, 2]


@pytest.mark.parametrize(
    ("x", "lengths", "error", "message"),
    [
        (
            [1.0, 2.0],
            None,
            ShapeError,
            r"^Part: expected \(batch, features\) or \(batch, time, features\), got \(2,\)$",
        ),
        ([[1.0], [2.0, 3.0]], None, ShapeError, r"^Part: expected a rectangular array or a list of sequences"),
        (np.array([["a"]]), None, DTypeError, r"^Part: expected numbers, got an array of <U1$"),
        ([[1.0], [np.nan]], None, DataError, r"^Part: expected finite numbers, got nan$"),
        ([[[1.0], [np.inf]]], [2], DataError, r"^Part: expected finite numbers, got inf$"),
        ([[1.0]], [1], ShapeError, r"^Part: lengths need a time axis, got \(1, 1\)$"),
        ([[[1.0]]], [2], ShapeError, r"^Part: expected lengths from 0 to 1, got 2 at row 0$"),
    ],
)
def test_what_is_no_data_is_refused(x: Any, lengths: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        rows(x, lengths)
