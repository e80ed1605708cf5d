"""Normalization over several axes, and by the root mean square: by hand, and row by row."""

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


RNG = np.random.default_rng(0)
X, DY = RNG.standard_normal((3, 4, 2, 3)) * 2 + 1, RNG.standard_normal((3, 4, 2, 3))
LENGTHS = np.array([4, 0, 2])
PAST = np.arange(4) >= LENGTHS[:, None]


def test_rms_norm_by_hand(backend: Backend) -> None:
    # The mean square of 1 and 7 is 25, with epsilon 11 it is 36: divided by 6.
    kernel, scale = backend.select("rms_norm"), frozen([6.0, 12.0])
    y, saved = kernel.forward(frozen([[1.0, 7.0]]), scale, epsilon=11.0)
    np.testing.assert_allclose(y, [[1, 14]], rtol=1e-14)
    dx, dscale = kernel.backward(frozen([[1.0, 0.0]]), saved, scale)
    np.testing.assert_allclose(dx, [[71 / 72, -7 / 72]], rtol=1e-14)
    np.testing.assert_allclose(dscale, [1 / 6, 0], rtol=1e-14)


def test_rms_norm_of_zeros_is_0(backend: Backend) -> None:
    kernel = backend.select("rms_norm")
    y, saved = kernel.forward(frozen([[0.0, 0.0]]), None, epsilon=0.25)
    assert y.tolist() == [[0, 0]]
    assert kernel.backward(frozen([[1.0, 2.0]]), saved, None)[0].tolist() == [[2, 4]]


def test_over_two_axes_by_hand(backend: Backend) -> None:
    # All four: mean 5, variance 16 + 9: divided by 5.
    kernel = backend.select("axis_norm")
    scale, shift = frozen([[[5.0, 10.0], [5.0, 10.0]]]), frozen([[[1.0, 2.0], [3.0, 4.0]]])
    y, saved = kernel.forward(frozen([[[1.0, 9.0], [9.0, 1.0]]]), scale, shift, None, axes=(1, 2), epsilon=9.0)
    np.testing.assert_allclose(y, [[[-4 + 1, 8 + 2], [4 + 3, -8 + 4]]], rtol=1e-14)
    dx, dscale, dshift = kernel.backward(frozen([[[1.0, 0.0], [0.0, 0.0]]]), saved, scale, shift)
    np.testing.assert_allclose(dscale, [[[-0.8, 0], [0, 0]]], rtol=1e-14)
    assert dshift.tolist() == [[[1, 0], [0, 0]]]
    # dn = (5, 0, 0, 0), its mean 1.25, mean(dn n) = -1, n = (-0.8, 0.8, 0.8, -0.8).
    np.testing.assert_allclose(dx, [[[0.59, -0.09], [-0.09, -0.41]]], rtol=1e-13)


@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("axes", [(1,), (2,), (3,), (1, 2), (2, 3), (1, 3), (1, 2, 3)])
def test_each_row_is_what_it_is_alone_whatever_stands_past_its_end(
    backend: Backend, axes: tuple[int, ...], affine: bool
) -> None:
    kernel, sizes = backend.select("axis_norm"), [X.shape[axis] if axis in axes else 1 for axis in range(4)]
    sizes[1] = 1  # so that rows of any length have their parameters
    scale, shift = (frozen(RNG.standard_normal(sizes)) if affine else None for _ in range(2))
    for rubbish in (np.nan, np.inf, 1e300):
        x, dy = (frozen(np.where(PAST[:, :, None, None], rubbish, array)) for array in (X, DY))
        y, saved = kernel.forward(x, scale, shift, LENGTHS, axes=axes, epsilon=1e-3)
        dx, dscale, dshift = kernel.backward(dy, saved, scale, shift)
        assert not y[PAST].any()
        assert not dx[PAST].any()
        total = [0.0, 0.0]
        for row in (0, 2):
            own = slice(row, row + 1), slice(0, LENGTHS[row])
            alone, saved = kernel.forward(frozen(X[own]), scale, shift, None, axes=axes, epsilon=1e-3)
            np.testing.assert_allclose(y[own], alone, rtol=1e-12, atol=1e-14)
            dx_alone, *parts = kernel.backward(frozen(DY[own]), saved, scale, shift)
            np.testing.assert_allclose(dx[own], dx_alone, rtol=1e-11, atol=1e-13)
            total = [a + b for a, b in zip(total, parts, strict=True)] if affine else total
        if affine:
            np.testing.assert_allclose(dscale, total[0], rtol=1e-11, atol=1e-13)
            np.testing.assert_allclose(dshift, total[1], rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("axes", [(1, 2, 3), (2, 3)])
def test_mean_and_deviation_are_0_and_1(backend: Backend, axes: tuple[int, ...]) -> None:
    y, _ = backend.select("axis_norm").forward(frozen(X), None, None, None, axes=axes, epsilon=1e-20)
    np.testing.assert_allclose(y.mean(axis=axes), 0, atol=1e-14)
    np.testing.assert_allclose(y.std(axis=axes), 1, rtol=1e-14)
