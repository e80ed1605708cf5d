"""Parameters: views of one storage, with assignment that copies."""

import copy
import pickle
from typing import Any

import numpy as np
import pytest

from lamina import Parameter, get_backend
from lamina.core.storage import Storage
from lamina.errors import ArgumentError, MissingAttributeError, NotBuiltError, ShapeError, UnknownNameError
from lamina.initializers import Initializer, Normal, Zeros


@pytest.fixture
def storage() -> Storage:
    return Storage(get_backend("numpy"), "float32", 8)


@pytest.fixture
def parameter(storage: Storage) -> Parameter:
    parameter = Parameter((2, 3))
    parameter.name = "0.w"
    parameter.place(storage, 1)
    return parameter


def test_a_new_parameter_has_a_shape_and_no_values() -> None:
    parameter = Parameter([2, np.int64(3)], Normal(0.5))
    assert (parameter.shape, parameter.size, parameter.trainable, parameter.name) == ((2, 3), 6, True, "")
    assert isinstance(Parameter((2,)).initializer, Zeros)
    assert repr(parameter) == "Parameter('', shape (2, 3), not built)"
    parameter.name = "0.w"
    for use in ("data", "grad", "backend", "dtype"):
        with pytest.raises(NotBuiltError) as caught:
            getattr(parameter, use)
        assert str(caught.value) == "Parameter '0.w' has no values yet: build the model first"


@pytest.mark.parametrize("shape", [3, (None, 3), (2.5, 3), "ab", np.array([2, 3])])
def test_a_shape_is_a_sequence_of_whole_numbers(shape: Any) -> None:
    with pytest.raises(ShapeError) as caught:
        Parameter(shape)
    assert str(caught.value) == f"Parameter: expected a shape such as (12, 64), got {shape!r}"


def test_the_initializer_may_be_a_name_a_number_or_an_object() -> None:
    assert repr(Parameter((1,), "glorot_uniform").initializer) == "GlorotUniform()"
    assert repr(Parameter((1,), 2).initializer) == "Constant(2.0)"
    with pytest.raises(UnknownNameError, match=r"^unknown initializer 'orthogonol': did you mean 'Orthogonal'\?"):
        Parameter((1,), "orthogonol")
    with pytest.raises(ArgumentError, match=r"^initializer: expected a name, a number or an Initializer, got None$"):
        Parameter((1,), None)  # type: ignore[arg-type]


def test_data_and_grad_are_views_of_the_storage(parameter: Parameter, storage: Storage) -> None:
    storage.data[:] = np.arange(8)
    storage.grad[:] = -np.arange(8)
    assert parameter.data.tolist() == [[1, 2, 3], [4, 5, 6]]
    assert parameter.grad.tolist() == [[-1, -2, -3], [-4, -5, -6]]
    parameter.data[0, 0] = 9
    assert storage.data.tolist() == [0, 9, 2, 3, 4, 5, 6, 7]
    assert parameter.data is parameter.data
    assert repr(parameter) == "Parameter('0.w', shape (2, 3), float32, numpy)"
    parameter.trainable = False
    assert repr(parameter) == "Parameter('0.w', shape (2, 3), float32, numpy, not trainable)"


@pytest.mark.parametrize("which", ["data", "grad"])
def test_assigning_copies_into_the_storage(parameter: Parameter, storage: Storage, which: str) -> None:
    values = np.arange(6.0).reshape(2, 3)
    setattr(parameter, which, values)
    values[...] = 7
    assert getattr(storage, which).tolist() == [0, 0, 1, 2, 3, 4, 5, 0]
    assert getattr(parameter, which).dtype == np.float32
    setattr(parameter, which, [[1, 2, 3], [4, 5, 6]])
    assert getattr(storage, which).tolist() == [0, 1, 2, 3, 4, 5, 6, 0]


@pytest.mark.parametrize("which", ["data", "grad"])
def test_adding_in_place_adds_once_and_stays_in_the_storage(parameter: Parameter, storage: Storage, which: str) -> None:
    view = getattr(parameter, which)
    if which == "data":
        parameter.data += np.ones((2, 3))
        parameter.data += 1
    else:
        parameter.grad += np.ones((2, 3))
        parameter.grad += 1
    assert getattr(parameter, which) is view
    assert getattr(storage, which).tolist() == [0, 2, 2, 2, 2, 2, 2, 0]


def test_the_first_use_of_a_gradient_may_be_an_assignment(parameter: Parameter, storage: Storage) -> None:
    parameter.grad = np.ones((2, 3))
    assert storage.grad.tolist() == [0, 1, 1, 1, 1, 1, 1, 0]


def test_a_parameter_may_be_assigned_a_view_of_itself() -> None:
    parameter = Parameter((2, 2))
    parameter.place(Storage(get_backend("numpy"), "float64", 4), 0)
    parameter.data = [[1, 2], [3, 4]]
    parameter.data = parameter.data.T
    assert parameter.data.tolist() == [[1, 3], [2, 4]]


@pytest.mark.parametrize("which", ["data", "grad"])
@pytest.mark.parametrize(
    ("value", "shape"), [(np.zeros((3, 2)), "(3, 2)"), (np.zeros(6), "(6,)"), (0, "()"), ([1, 2, 3], "(3,)")]
)
def test_assigning_another_shape_is_refused(parameter: Parameter, which: str, value: Any, shape: str) -> None:
    with pytest.raises(ShapeError) as caught:
        setattr(parameter, which, value)
    assert str(caught.value) == f"Parameter '0.w': expected shape (2, 3), got {shape}"


def test_zero_grad_and_numpy(parameter: Parameter) -> None:
    parameter.grad += 1
    parameter.data += 1
    parameter.zero_grad()
    assert not parameter.grad.any()
    host = parameter.numpy()
    host[...] = 5
    assert parameter.data.tolist() == [[1, 1, 1], [1, 1, 1]]
    assert host.flags.c_contiguous


def test_a_scalar_parameter_works(storage: Storage) -> None:
    parameter = Parameter((), "ones")
    parameter.place(storage, 3)
    parameter.initialize(np.random.default_rng(0))
    parameter.grad += 2.0
    assert (parameter.size, parameter.data.shape, float(parameter.data)) == (1, (), 1)
    assert storage.data.tolist() == [0, 0, 0, 1, 0, 0, 0, 0]
    assert storage.grad.tolist() == [0, 0, 0, 2, 0, 0, 0, 0]


def test_an_initializer_that_draws_another_shape_is_named(parameter: Parameter) -> None:
    class Wrong(Initializer):
        def __call__(self, shape: Any, rng: Any) -> Any:
            return np.zeros(5)

    parameter.initializer = Wrong()
    with pytest.raises(ShapeError, match=r"^Wrong\(\): expected to draw \(2, 3\), got \(5,\)$"):
        parameter.initialize(np.random.default_rng(0))


def test_placing_elsewhere_moves_the_views(parameter: Parameter, storage: Storage) -> None:
    assert parameter.data.base is not None
    other = Storage(get_backend("reference"), "float64", 6)
    other.data[:] = 2
    parameter.place(other, 0)
    assert (parameter.dtype, parameter.backend.name) == ("float64", "reference")
    parameter.data += 1
    assert other.data.tolist() == [3] * 6
    assert not storage.data.any()


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda pair: pickle.loads(pickle.dumps(pair))])
def test_copies_are_views_of_a_storage_of_their_own(storage: Storage, duplicate: Any) -> None:
    first, second = Parameter((2,)), Parameter((3,))
    first.place(storage, 0)
    second.place(storage, 2)
    first.data, second.data = [1, 2], [3, 4, 5]
    first.grad += 1
    one, two = duplicate((first, second))
    assert one.storage is two.storage
    assert one.storage is not storage
    assert one.storage.backend is storage.backend
    one.data += 1
    one.grad += 1
    assert one.storage.data.tolist() == [2, 3, 3, 4, 5]  # of the storage's other places nothing came along
    assert one.storage.grad.tolist() == [2, 2, 0, 0, 0]
    assert storage.data.tolist() == [1, 2, 3, 4, 5, 0, 0, 0]
    assert storage.grad.tolist() == [1, 1, 0, 0, 0, 0, 0, 0]


@pytest.mark.parametrize("make", [copy.copy, copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one))])
@pytest.mark.parametrize("placed", [False, True])
@pytest.mark.parametrize("looked_at", [False, True])
def test_what_is_missing_is_named_as_anywhere_in_python(
    parameter: Parameter, make: Any, placed: bool, looked_at: bool
) -> None:
    """Values are found when they are first asked for, and nothing else is."""
    one = make(parameter if placed else Parameter((2, 3)))
    if placed and looked_at:
        assert one.data is one.data
        assert one.data.shape == (2, 3)
    if not placed:
        with pytest.raises(NotBuiltError, match="has no values yet: build the model first"):
            _ = one.data
    for name in ("dta", "_datum", "detach"):
        assert not hasattr(one, name)
        with pytest.raises(AttributeError, match=f"'Parameter' object has no attribute '{name}'"):
            getattr(one, name)
    with pytest.raises(MissingAttributeError, match="set trainable to True or False"):
        _ = one.requires_grad


def test_values_are_those_of_the_place_where_a_parameter_is_now(parameter: Parameter) -> None:
    first = parameter.data
    other = Storage(get_backend("numpy"), "float64", 6)
    parameter.place(other, 0)
    assert parameter.data is not first and np.shares_memory(parameter.data, other.data)
    parameter.data = np.ones((2, 3))
    assert other.data.tolist() == [1.0] * 6 and not first.any()
    parameter.place(None, 0)
    with pytest.raises(NotBuiltError):
        _ = parameter.data


def test_defaults_are_as_written_out(defaults: Any) -> None:
    assert defaults(Parameter) == {"initializer": "zeros", "trainable": True, "row_wise": False}
