"""Array primitives, on both backends over NumPy."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamina.backends import Backend, get_backend
from lamina.backends.arrays import ArrayOperations
from lamina.errors import BackendError

BACKENDS = ("numpy", "reference")
lengths_and_time = st.integers(1, 5).flatmap(
    lambda time: st.tuples(st.lists(st.integers(0, time), min_size=1, max_size=5), st.just(time))
)


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> Backend:
    return get_backend(request.param)


@pytest.mark.parametrize(
    ("dtype", "is_float", "is_integer"),
    [
        ("float32", True, False),
        ("float64", True, False),
        ("int64", False, True),
        ("uint8", False, True),
        ("bool", False, False),
        ("complex128", False, False),
    ],
)
def test_kinds_of_dtype(backend: Backend, dtype: str, is_float: bool, is_integer: bool) -> None:
    array = np.zeros(2, dtype)
    assert (backend.is_float(array), backend.is_integer(array)) == (is_float, is_integer)


def test_dtype_is_found_by_name(backend: Backend) -> None:
    assert backend.zeros((2, 3), backend.dtype("float32")).dtype == np.float32
    assert np.dtype("float64") == backend.dtype("float64")


def test_is_array_knows_arrays_from_what_merely_looks_like_one(backend: Backend) -> None:
    assert backend.is_array(np.zeros(2))
    assert not backend.is_array([0.0])
    assert not backend.is_array(np.float64(1))


def test_asarray_copies_only_where_it_must(backend: Backend) -> None:
    array = np.arange(3.0)
    assert backend.asarray(array) is array
    assert backend.asarray(array, "float64") is array
    converted = backend.asarray(array, "float32")
    assert (converted.dtype, converted.tolist()) == (np.float32, [0, 1, 2])
    assert backend.asarray([1, 2]).dtype == np.int64


def test_new_arrays_have_shape_value_and_dtype(backend: Backend) -> None:
    dtype = backend.dtype("float32")
    assert backend.empty([2, 3], dtype).shape == (2, 3)
    assert backend.zeros([2], dtype).tolist() == [0, 0]
    full = backend.full((2,), 0.5, dtype)
    assert (full.dtype, full.tolist()) == (np.float32, [0.5, 0.5])


def test_copy_shares_nothing(backend: Backend) -> None:
    array = np.arange(4.0)
    copy = backend.copy(array)
    assert copy.tolist() == array.tolist()
    assert not np.shares_memory(copy, array)


def test_reshape_astype_and_concatenate(backend: Backend) -> None:
    array = np.arange(6.0)
    assert backend.reshape(array, (2, -1)).tolist() == [[0, 1, 2], [3, 4, 5]]
    assert backend.astype(array, backend.dtype("int64")).dtype == np.int64
    assert backend.concatenate((np.ones((2, 1)), np.zeros((2, 2))), -1).tolist() == [[1, 0, 0]] * 2


@pytest.mark.parametrize("axis", [1, -2])
def test_split_gives_views_of_the_sizes_in_turn(backend: Backend, axis: int) -> None:
    array = np.arange(24).reshape(2, 4, 3)
    pieces = backend.split(array, [1, 3, 0], axis)
    assert [piece.shape for piece in pieces] == [(2, 1, 3), (2, 3, 3), (2, 0, 3)]
    assert np.concatenate(pieces, axis=1).tolist() == array.tolist()
    assert np.shares_memory(pieces[1], array)


def test_sum_to_by_hand(backend: Backend) -> None:
    array = np.arange(12).reshape(2, 2, 3)
    assert backend.sum_to(array, (3,)).tolist() == [18, 22, 26]
    assert backend.sum_to(array, (2, 1, 3)).tolist() == [[[3, 5, 7]], [[15, 17, 19]]]
    assert backend.sum_to(array, (1, 3)).tolist() == [[18, 22, 26]]
    assert backend.sum_to(array, ()).tolist() == 66
    assert backend.sum_to(array, (2, 2, 3)).tolist() == array.tolist()


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 3), max_size=3), st.lists(st.booleans(), min_size=3, max_size=3), st.integers(0, 2))
def test_sum_to_is_the_adjoint_of_broadcasting(full: list[int], ones: list[bool], dropped: int) -> None:
    small = tuple(1 if one else size for size, one in zip(full, ones, strict=False))[dropped:]
    rng = np.random.default_rng(len(full))
    x, gradient = rng.integers(-9, 9, small), rng.integers(-9, 9, full)
    for name in BACKENDS:
        summed = get_backend(name).sum_to(gradient, small)
        assert summed.shape == small
        assert (np.broadcast_to(x, full) * gradient).sum() == (x * summed).sum()


def test_permute_puts_axes_in_another_order(backend: Backend) -> None:
    array = np.arange(24.0).reshape(2, 3, 4)
    got = backend.permute(backend.asarray(array), [2, 0, 1])
    assert backend.to_numpy(got).tolist() == array.transpose(2, 0, 1).tolist()


def test_item_and_all_finite(backend: Backend) -> None:
    item = backend.item(np.asarray(1.5, np.float32))
    assert (type(item), item) == (float, 1.5)
    assert backend.all_finite(np.zeros((2, 2)))
    assert not backend.all_finite(np.array([0.0, np.nan]))
    assert not backend.all_finite(np.array([np.inf, 0.0]))


def test_several_arrays_are_finite_where_each_is(backend: Backend) -> None:
    large = np.full(4, 1e308)  # whose sum is not
    assert backend.every_finite([])
    assert backend.every_finite([np.array(1.0), np.zeros((2, 0)), large])
    for value in (np.nan, np.inf, -np.inf):
        assert not backend.every_finite([large, np.array(value)])
        assert not backend.every_finite([np.array([[0.0, value]]), np.zeros(3)])
    assert not backend.every_finite([np.array([np.inf]), np.array([-np.inf])])


def test_steps_past_a_rows_end_become_zero(backend: Backend) -> None:
    assert backend.valid_steps([2, 0, 3], 3).tolist() == [[True, True, False], [False] * 3, [True] * 3]
    array = np.full((2, 2, 2), np.nan)
    array[0, 0] = [1, 2]
    assert backend.zero_past(array, np.array([1, 0])).tolist() == [[[1, 2], [0, 0]], [[0, 0], [0, 0]]]
    assert backend.zero_past(array[:, :, 0], np.array([1, 0])).tolist() == [[1, 0], [0, 0]]
    assert backend.zero_past(array, None) is array


@settings(max_examples=60, deadline=None)
@given(lengths_and_time)
def test_last_step_and_its_gradient_by_loops(case: tuple[list[int], int]) -> None:
    lengths, time = case
    batch = len(lengths)
    rng = np.random.default_rng(time)
    array, values = rng.integers(-9, 9, (batch, time, 2)), rng.integers(-9, 9, (batch, 2))
    expected_last, expected_scattered = np.zeros((batch, 2)), np.zeros((batch, time, 2))
    for row, length in enumerate(lengths):
        if length:
            expected_last[row] = array[row, length - 1]
            expected_scattered[row, length - 1] = values[row]
    for name in BACKENDS:
        backend = get_backend(name)
        last = backend.last_step(array, np.array(lengths))
        scattered = backend.scatter_last_step(values, np.array(lengths), time)
        assert last.tolist() == expected_last.tolist()
        assert scattered.tolist() == expected_scattered.tolist()
        assert (last * values).sum() == (array * scattered).sum()


def test_last_step_of_full_rows(backend: Backend) -> None:
    array = np.arange(12.0).reshape(2, 3, 2)
    assert backend.last_step(array, None).tolist() == [[4, 5], [10, 11]]
    scattered = backend.scatter_last_step(np.ones((2, 2), np.float32), None, 3)
    assert scattered.dtype == np.float32
    assert scattered.tolist() == [[[0, 0], [0, 0], [1, 1]]] * 2


def test_moved_keeps_values_and_dtype() -> None:
    numpy, reference = get_backend("numpy"), get_backend("reference")
    array = np.arange(3, dtype=np.float32)
    assert numpy.moved(array, numpy) is array
    moved = reference.moved(array, numpy)
    assert (moved.dtype, moved.tolist()) == (np.float32, [0, 1, 2])


def test_a_host_backend_needs_nothing_and_waits_for_nothing(backend: Backend) -> None:
    backend.require_available()
    backend.synchronize()
    assert backend.devices() == ["CPU"]
    assert backend.on_host


def test_a_backend_without_an_array_module_says_so() -> None:
    class Empty(ArrayOperations):
        name = "empty"

    with pytest.raises(BackendError, match=r"^backend 'empty' has no array module$"):
        Empty().require_available()
