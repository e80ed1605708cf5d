"""Values as JSON and arrays, and back: the same values, of the same types."""

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of

import lamina
from lamina.core.packed import kept_by, pack, unpack
from lamina.errors import CheckpointError, LaminaError

DTYPES = [
    "bool",
    "float16",
    "float32",
    "float64",
    *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)),
]
PLAIN = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
ARRAYS = st.sampled_from(DTYPES).flatmap(
    lambda dtype: arrays_of.arrays(dtype, arrays_of.array_shapes(min_dims=0, min_side=0, max_dims=3))
)
NESTED = st.recursive(
    PLAIN | ARRAYS,
    lambda inner: (
        st.lists(inner)
        | st.lists(inner).map(tuple)
        | st.dictionaries(st.text() | st.integers() | st.tuples(st.text()), inner)
    ),
    max_leaves=12,
)


def same(one: Any, other: Any) -> bool:
    """Tell whether two values are of one type and, bit for bit, the same."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return list(one) == list(other) and all(same(one[key], other[key]) for key in one)
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, (np.ndarray, np.generic)):
        return one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes()
    if isinstance(one, float):
        return np.float64(one).tobytes() == np.float64(other).tobytes() or (one != one and other != other)
    return bool(one == other)


def returned(value: Any, backend: Any = None) -> Any:
    arrays: dict[str, Any] = {}
    text = json.dumps(pack(value, arrays), allow_nan=False)
    return unpack(json.loads(text), arrays, backend)


@given(NESTED)
def test_what_is_packed_comes_back_the_same(value: Any) -> None:
    assert same(returned(value), value)


@pytest.mark.parametrize("dtype", DTYPES)
def test_numbers_of_numpy_keep_their_types(dtype: str) -> None:
    assert same(returned(np.ones((), dtype)[()]), np.ones((), dtype)[()])


def test_arrays_in_any_order_of_bytes_and_axes() -> None:
    value = np.arange(12, dtype=">f4").reshape(3, 4).T[::2]
    assert same(returned(value), np.ascontiguousarray(value.astype("<f4")))


@pytest.mark.parametrize("texts", [np.array(["a", "", "ß"]), np.zeros((0, 2), "U3"), np.array([["x"], ["yz"]])])
def test_texts(texts: Any) -> None:
    found = returned(texts)
    assert found.tolist() == texts.tolist() and found.shape == texts.shape


def test_keys_that_print_alike_keep_their_arrays_apart() -> None:
    value = {"1": np.zeros(2), 1: np.ones(2), "1#2": np.full(2, 3.0)}
    assert same(returned(value), value)


@pytest.mark.parametrize("kind", ["PCG64", "PCG64DXSM", "MT19937", "Philox", "SFC64"])
def test_generators_go_on_with_the_same_numbers(kind: str) -> None:
    generator = np.random.Generator(getattr(np.random, kind)(3))
    generator.random(5)
    other = returned(generator)
    assert np.array_equal(other.random(7), generator.random(7))


@pytest.mark.parametrize("value", [object(), {1, 2}, lambda: 0, np.array([object()]), np.ones(2, complex), b"x", 1j])
def test_what_no_file_can_hold_is_refused_by_its_place(value: Any) -> None:
    with pytest.raises(CheckpointError, match="mine/1/a: a checkpoint cannot hold"):
        pack([0, {"a": value}], {}, "mine")


def test_subclasses_are_refused_as_they_would_come_back_as_something_else() -> None:
    class Count(int):
        pass

    for value in (Count(3), type("Words", (str,), {})("a"), type("Some", (dict,), {})()):
        with pytest.raises(CheckpointError):
            pack(value, {})


def test_arrays_of_a_backend_go_to_the_one_that_is_named() -> None:
    backend = lamina.get_backend("numpy")
    assert same(returned({"where": backend, "sum": np.ones(2)}, backend), {"where": backend, "sum": np.ones(2)})


HOSTILE = [
    {"array": "missing"}, {"array": 3}, {"array": ["x"]}, {"dict": [1]}, {"dict": {"a": 1}}, {"tuple": 3},
    {"number": "x"},
    {"number": None}, {}, {"generator": {"dict": []}}, {"generator": "PCG64"}, {"scalar": "x"}, {"other": 1},
    {"texts": ["a"], "shape": [2]}, {"texts": 3}, {"texts": ["a"], "shape": [-5, 10**30]}, {"device": "x"},
    {"generator": {"dict": [["bit_generator", "PCG64"], ["state", 3]]}},
    {"generator": {"dict": [["bit_generator", "os"], ["state", 3]]}}, {"dict": [[{"dict": []}, 1]]},
    {"dict": [[[1], 1]]},
]  # fmt: skip


@pytest.mark.parametrize("packed", HOSTILE, ids=str)
def test_what_is_no_packed_value_is_refused(packed: Any) -> None:
    with pytest.raises(LaminaError):
        unpack([packed], {})


def test_what_an_object_keeps_without_what_no_file_can_hold() -> None:
    class Counter:
        def __init__(self) -> None:
            self.limit, self.count, self.seen, self.owner = 3, 1, [np.ones(2)], object()

    kept = kept_by(Counter(), frozenset(["limit"]))
    assert set(kept) == {"count", "seen"}
