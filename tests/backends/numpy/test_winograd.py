"""Windows of three steps in pairs give what windows one by one give, whatever the sizes."""

from typing import Any

import numpy as np
import pytest

from lamina.backends import get_backend
from lamina.backends.generic.windows import Windows
from lamina.backends.numpy import winograd

# (time, windows): odd and even numbers, padded on one side, on both, on none and beyond a window; steps left over.
SIZES = [
    (9, Windows(3, 9, before=1)),
    (8, Windows(3, 8, before=1)),
    (8, Windows(3, 8, before=2)),
    (8, Windows(3, 6)),
    (7, Windows(3, 5)),
    (4, Windows(3, 12, before=5)),
    (1, Windows(3, 1, before=1)),
    (9, Windows(3, 4)),
]


@pytest.fixture(params=[1, 300, 10**6])
def pairs(request: Any, monkeypatch: Any) -> None:
    """Take all windows of three steps in pairs, in blocks of one row, of some and of all."""
    monkeypatch.setattr(winograd, "_LEAST", 0)
    monkeypatch.setattr(winograd, "_FEWEST", 0)
    monkeypatch.setattr(winograd, "_BLOCK", request.param)


def drawn(dtype: str, *shapes: tuple[int, ...]) -> list[Any]:
    rng = np.random.default_rng(0)
    arrays = [rng.standard_normal(shape).astype(dtype) for shape in shapes]
    for array in arrays:
        array.flags.writeable = False
    return arrays


def results(name: str, x: Any, w: Any, b: Any, dy: Any, lengths: Any, windows: Windows) -> list[Any]:
    outputs = None if lengths is None else np.minimum(lengths, windows.number)
    backend = get_backend(name)
    y, saved = backend.conv1d_forward(x, w, b, lengths, outputs, windows)
    alone = backend.conv1d_backward(dy, saved, w, input_gradient=False)
    both = backend.conv1d_backward(dy, saved, w)
    assert alone[0] is None
    for one, other in zip(alone[1:], both[1:], strict=True):
        np.testing.assert_array_equal(one, other)
    return [y, *both]


@pytest.mark.usefixtures("pairs")
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("ragged", [False, True])
@pytest.mark.parametrize(("time", "windows"), SIZES)
def test_pairs_give_what_the_generic_kernel_gives(time: int, windows: Windows, ragged: bool, bias: bool) -> None:
    x, w, b, dy = drawn("float64", (5, time, 2), (3, 2, 4), (4,), (5, windows.number, 4))
    assert winograd.pairs_pay(windows, 5, 2, 4)
    lengths = np.array([time, 0, time // 2, 1, time - 1]) if ragged else None
    if lengths is not None:
        x = x.copy()
        for row, length in enumerate(lengths):
            x[row, length:] = np.nan
    given = x, w, b if bias else None, dy, lengths, windows
    for own, generic in zip(results("numpy", *given), results("reference", *given), strict=True):
        np.testing.assert_allclose(own, generic, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("order", [(0, 1, 2), (1, 0, 2)], ids=["batch first", "time first"])
def test_where_pairs_pay_float32_keeps_its_digits(order: tuple[int, ...]) -> None:
    windows = Windows(3, 40, before=1)
    arrays = drawn("float32", (8, 40, 64), (3, 64, 48), (48,), (8, 40, 48))
    assert winograd.pairs_pay(windows, 8, 64, 48)
    x, w, b, dy = arrays
    lying = np.ascontiguousarray(x.transpose(order)).transpose(order)
    own = results("numpy", lying, w, b, dy, None, windows)
    exact = results("reference", *(each.astype("float64") for each in arrays), None, windows)
    for one, other in zip(own, exact, strict=True):
        assert one.dtype == "float32"
        np.testing.assert_allclose(one, other, rtol=0, atol=2e-6 * np.abs(other).max())


@pytest.mark.parametrize(
    ("windows", "batch", "features", "units"),
    [
        (Windows(4, 100), 9, 128, 128),
        (Windows(3, 100, stride=2), 9, 128, 128),
        (Windows(3, 100, dilation=2), 9, 128, 128),
        (Windows(3, 100), 9, 16, 128),
        (Windows(3, 100), 1, 128, 128),
    ],
)
def test_what_does_not_fit_or_pay_goes_one_by_one(windows: Windows, batch: int, features: int, units: int) -> None:
    assert winograd.pairs_pay(Windows(3, 100), 9, 128, 128)
    assert not winograd.pairs_pay(windows, batch, features, units)


def test_only_x_is_saved() -> None:
    x, w = np.ones((4, 100, 64), "f"), np.ones((3, 64, 64), "f")
    _, saved = get_backend("numpy").conv1d_forward(x, w, None, None, None, Windows(3, 100, before=1))
    (kept,) = (part for part in saved if isinstance(part, np.ndarray))
    assert kept is x
