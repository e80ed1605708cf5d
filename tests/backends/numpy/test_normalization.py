"""NumPy's normalization over the last axis against the formulas in float64: blocks, orders in memory, large numbers."""

from typing import Any

import numpy as np
import pytest

from lamina.backends import get_backend
from lamina.backends.numpy import normalization as numpy_normalization

EPSILON = 1e-5


def formulas(x: Any, dy: Any, scale: Any, shift: Any, centre: bool) -> tuple[Any, ...]:
    """Return y, dx, dscale and dshift, in float64 and another form than the kernel's: by the Jacobian of each row."""
    x, dy, scale, shift = (np.asarray(each, "float64") for each in (x, dy, scale, shift))
    size = x.shape[-1]
    project = np.eye(size) - centre / size
    centred = x @ project
    deviation = np.sqrt((centred**2).mean(-1) + EPSILON)[..., None, None]
    n = centred / deviation[..., 0]
    jacobian = (project - n[..., :, None] * n[..., None, :] / size) / deviation
    dx = np.einsum("...i,...ij->...j", dy * scale, jacobian)
    axes = tuple(range(x.ndim - 1))
    return n * scale + shift, dx, (dy * n).sum(axes), dy.sum(axes)


def kernels(x: Any, dy: Any, scale: Any, shift: Any, centre: bool) -> tuple[Any, ...]:
    """Return the same from NumPy's kernels; zeros in place of dshift where there is none."""
    backend = get_backend("numpy")
    if centre:
        y, saved = backend.layer_norm_forward(x, scale, shift, epsilon=EPSILON)
        return y, *backend.layer_norm_backward(dy, saved, scale)
    y, saved = backend.rms_norm_forward(x, scale, epsilon=EPSILON)
    return y, *backend.rms_norm_backward(dy, saved, scale)


def drawn(*shapes: tuple[int, ...], dtype: str = "float64") -> list[Any]:
    rng = np.random.default_rng(0)
    arrays = [rng.standard_normal(shape).astype(dtype) for shape in shapes]
    for array in arrays:
        array.flags.writeable = False
    return arrays


@pytest.mark.parametrize("kernel", ["layer_norm", "rms_norm"])
def test_the_kernel_is_numpys_own(kernel: str) -> None:
    assert get_backend("numpy").select(kernel).source == "numpy"


@pytest.mark.parametrize("block", [1, 100, 1 << 20])
@pytest.mark.parametrize("centre", [True, False], ids=["layer_norm", "rms_norm"])
@pytest.mark.parametrize("shape", [(7, 5), (5, 6, 4), (2, 3, 2, 5), (1, 1, 9)], ids=str)
def test_blocks_of_any_size_agree_with_the_formulas(
    monkeypatch: Any, block: int, centre: bool, shape: tuple[int, ...]
) -> None:
    monkeypatch.setattr(numpy_normalization, "_BLOCK", block)
    x, dy, scale, shift = drawn(shape, shape, shape[-1:], shape[-1:])
    if not centre:
        shift = np.zeros_like(shift)
    own = kernels(x, dy, scale, shift, centre)
    for one, other in zip(own, formulas(x, dy, scale, shift, centre), strict=False):
        np.testing.assert_allclose(one, other, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("centre", [True, False], ids=["layer_norm", "rms_norm"])
def test_without_scale_and_shift(centre: bool) -> None:
    x, dy = drawn((4, 6), (4, 6))
    own = kernels(x, dy, None, None, centre)
    for one, other in zip(own, formulas(x, dy, np.ones(6), np.zeros(6), centre), strict=False):
        np.testing.assert_allclose(one, other, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("order", [(1, 0, 2), (0, 2, 1), (2, 1, 0)], ids=str)
@pytest.mark.parametrize("order_of_dy", [(0, 1, 2), (1, 0, 2), (2, 0, 1)], ids=str)
def test_any_order_in_memory_gives_the_same(order: tuple[int, ...], order_of_dy: tuple[int, ...]) -> None:
    x, dy, scale, shift = drawn((4, 5, 6), (4, 5, 6), (6,), (6,))
    lying = [
        np.ascontiguousarray(each.transpose(axes)).transpose(np.argsort(axes))
        for each, axes in ((x, order), (dy, order_of_dy))
    ]
    for one, other in zip(kernels(*lying, scale, shift, True), kernels(x, dy, scale, shift, True), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-14)


def test_what_lies_time_first_stays_so() -> None:
    # A recurrent layer before it leaves its outputs so, and one behind it takes them so without a copy.
    x = np.ones((5, 4, 6)).transpose(1, 0, 2)
    y, saved = get_backend("numpy").layer_norm_forward(x, None, None, epsilon=EPSILON)
    dx = get_backend("numpy").layer_norm_backward(x, saved, None)[0]
    assert all(each.transpose(1, 0, 2).flags.c_contiguous for each in (y, dx))


@pytest.mark.parametrize("offset", [1e3, 1e5])
@pytest.mark.parametrize("features", [6, 128, 1000, 5000])
def test_a_large_offset_costs_no_more_digits_than_x_has(offset: float, features: int) -> None:
    x, dy, scale, shift = drawn((8, features), (8, features), (features,), (features,), dtype="float32")
    x = x + np.float32(offset)
    own = kernels(x, dy, scale, shift, True)
    for one, other in zip(own, formulas(x, dy, scale, shift, True), strict=True):
        np.testing.assert_allclose(one, other, atol=3e-7 * offset * np.abs(other).max())


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("centre", [True, False], ids=["layer_norm", "rms_norm"])
@pytest.mark.parametrize("factor", [1e-30, 1e-12, 1e12, 1e30])
def test_squares_that_overflow_or_vanish(centre: bool, factor: float) -> None:
    x, dy, scale = drawn((4, 6), (4, 6), (6,), dtype="float32")
    x = x * np.float32(factor)
    expected = formulas(x, dy, scale, np.zeros(6), centre)
    for one, other in zip(kernels(x, dy, scale, None, centre), expected, strict=False):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5 * np.abs(other).max())


def test_a_vanishing_epsilon_is_the_generic_kernels() -> None:
    (x,) = drawn((4, 6), dtype="float32")
    small = x * np.float32(1e-25)
    y, _ = get_backend("numpy").layer_norm_forward(small, None, None, epsilon=1e-60)
    expected, _ = get_backend("numpy").layer_norm_forward(x, None, None, epsilon=1e-12)
    np.testing.assert_allclose(y, expected, rtol=1e-5)


@pytest.mark.parametrize("shape", [(0, 4), (2, 0, 4)], ids=str)
def test_of_no_rows(shape: tuple[int, ...]) -> None:
    y, dx, dscale, dshift = kernels(np.zeros(shape), np.zeros(shape), None, None, True)
    assert (y.shape, dx.shape) == (shape, shape)
    assert (dscale.tolist(), dshift.tolist()) == ([0] * 4, [0] * 4)


def test_nothing_as_large_as_x_is_kept_but_x() -> None:
    x = np.ones((50, 8, 16), "float32")
    for _, saved in (
        get_backend("numpy").layer_norm_forward(x, None, None, epsilon=EPSILON),
        get_backend("numpy").rms_norm_forward(x, None, epsilon=EPSILON),
    ):
        own = [each for each in saved if isinstance(each, np.ndarray) and not np.shares_memory(each, x)]
        assert own
        assert sum(each.nbytes for each in own) < x.nbytes / 4
