"""Clipping by hand, on both backends over NumPy."""

import math

import numpy as np
import pytest

from lamina.backends import Backend, get_backend


@pytest.fixture(params=["numpy", "reference"])
def backend(request: pytest.FixtureRequest) -> Backend:
    return get_backend(request.param)


def frozen(*values: float, dtype: str = "float64") -> np.ndarray:
    array = np.array(values, dtype)
    array.flags.writeable = False
    return array


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("scale", [1.0, 1e30, 1e-30])
def test_the_global_norm_neither_overflows_nor_vanishes(backend: Backend, dtype: str, scale: float) -> None:
    arrays = [frozen(3 * scale, 0.0, dtype=dtype), np.array([[-4 * scale]], dtype)]
    norm = backend.global_norm(arrays)
    assert (norm.shape, norm.dtype) == ((), dtype)
    assert float(norm) == pytest.approx(5 * scale, rel=1e-6)


def test_the_global_norm_of_zeros_is_zero(backend: Backend) -> None:
    assert float(backend.global_norm([frozen(0.0, 0.0)])) == 0


def test_clipping_by_norm_scales_all_arrays_to_the_limit(backend: Backend) -> None:
    arrays = [np.array([3.0, 0.0]), np.array([[4.0]])]
    assert float(backend.clip_global_norm(arrays, 2.5)) == 5
    assert arrays[0].tolist() == [1.5, 0]
    assert arrays[1].tolist() == [[2]]


@pytest.mark.parametrize("limit", [5.0, 6.0, 1e9])
def test_clipping_by_norm_changes_no_bit_within_the_limit(backend: Backend, limit: float) -> None:
    arrays = [np.array([3.0, 4.0], "float32")]
    assert float(backend.clip_global_norm(arrays, limit)) == 5
    assert arrays[0].tolist() == [3, 4]


def test_clipping_by_norm_leaves_zeros_alone(backend: Backend) -> None:
    arrays = [np.zeros(2)]
    assert float(backend.clip_global_norm(arrays, 1.0)) == 0
    assert arrays[0].tolist() == [0, 0]


def test_clipping_by_value_bounds_each_element_in_place(backend: Backend) -> None:
    array = np.array([-3.0, -0.5, 0.0, 0.5, math.inf])
    backend.clip_value(array, 0.5)
    assert array.tolist() == [-0.5, -0.5, 0, 0.5, 0.5]


def test_several_arrays_are_clipped_and_added_to(backend: Backend) -> None:
    arrays = [np.array([-3.0, 0.5]), np.array([[4.0]])]
    backend.clip_values(arrays, 1.0)
    backend.add_each(arrays, [frozen(1.0, 2.0), np.array([[3.0]])])
    assert [array.tolist() for array in arrays] == [[0, 2.5], [[4]]]
