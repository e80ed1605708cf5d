"""What a caller passes becomes arrays of numbers on the host, finite where it counts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import lamina
from lamina.data import arrays
from lamina.data.arrays import converted, read_array
from lamina.errors import DataError, DTypeError, LaminaError, ShapeError
from lamina.layers import GRU, Dense

RNG = np.random.default_rng(0)
X = RNG.normal(size=(6, 4, 2))
LENGTHS = np.array([4, 2, 0, 1, 3, 4])
ROWS = [row[:end] for row, end in zip(X, LENGTHS, strict=True)]


def of(dtype: str) -> Any:
    model = lamina.Sequential(GRU(2), Dense(2))
    model.build((None, None, 2), seed=0, dtype=dtype)
    return model


def padded() -> Any:
    return X * (np.arange(4) < LENGTHS[:, None])[..., None]


FORMS: dict[str, tuple[Any, Any]] = {
    "an array": (X, X),
    "lists of lists": (X.tolist(), X),
    "a tuple of arrays": (tuple(X), X),
    "rows alike": (list(X), X),
    "integers": ([[1, 2], [3, 4]], np.array([[1, 2], [3, 4]])),
    "booleans": ([True, False], np.array([True, False])),
    "single numbers": ([1.5, 2.5], np.array([1.5, 2.5])),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_the_array_it_stands_for(form: str) -> None:
    given, wanted = FORMS[form]
    found, lengths = read_array("x", given)
    np.testing.assert_array_equal(found, wanted)
    assert lengths is None


def test_sequences_are_padded_and_have_their_lengths() -> None:
    for rows in (ROWS, [row.tolist() for row in ROWS if len(row)]):
        found, lengths = read_array("x", rows)
        wanted = [row for row in ROWS if len(row) or rows is ROWS]
        assert lengths is not None
        assert lengths.tolist() == [len(row) for row in wanted]
        for got, row in zip(found, wanted, strict=True):
            np.testing.assert_array_equal(got[: len(row)], row)
            assert not got[len(row) :].any()


def test_rows_that_are_alike_have_lengths_where_they_are_counted() -> None:
    assert read_array("y", list(X))[1] is None
    found = read_array("y", list(X), counted=True)[1]
    assert found is not None
    assert found.tolist() == [4] * 6
    assert read_array("y", X, counted=True)[1] is None  # an array is rectangular, and has none
    assert read_array("y", [1, 2, 3], counted=True)[1] is None


def test_nothing_is_copied_of_an_array() -> None:
    assert read_array("x", X)[0] is X
    assert converted(of("float64"), "x", X, None, False) is X


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        (np.array(["a", "b"]), DTypeError, "x: expected numbers, got an array of <U1"),
        (np.array([1j]), DTypeError, "x: expected numbers, got an array of complex128"),
        (np.array(["2020-01-01"], "M8[D]"), DTypeError, "x: expected numbers, got an array of datetime64[D]"),
        (
            np.array([[1], [1, 2]], object),
            DTypeError,
            "x: expected numbers, got an array of object: pass sequences of unequal length as a list",
        ),
        (None, DTypeError, "x: expected numbers, got an array of object"),
        (((1, 2), (3,)), ShapeError, "x: expected a rectangular array or a list of sequences"),
        (np.ma.array([1.0], mask=[True]), DataError, "x: expected a plain array, got a masked one"),
    ],
    ids=str,
)
def test_what_is_no_array_of_numbers_is_named(given: Any, error: type[LaminaError], message: str) -> None:
    with pytest.raises(error) as caught:
        read_array("x", given)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_tensors_are_read() -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install -e '.[parity]'")
    np.testing.assert_array_equal(read_array("x", torch.from_numpy(X).requires_grad_())[0], X)
    found, lengths = read_array("x", [torch.from_numpy(row) for row in ROWS])
    np.testing.assert_array_equal(found, padded())
    assert lengths is not None
    assert lengths.tolist() == LENGTHS.tolist()


# --- in the dtype of a model -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_numbers_take_the_dtype_of_the_model_and_integers_stay_where_meant(dtype: str) -> None:
    model = of(dtype)
    whole = np.arange(48, dtype="int16").reshape(6, 4, 2)
    assert converted(model, "x", X, None, False).dtype == dtype
    assert converted(model, "x", whole, None, False).dtype == dtype
    assert converted(model, "x", whole, None, True) is whole
    np.testing.assert_array_equal(converted(model, "x", whole, None, False), whole)
    assert converted(model, "x", whole > 3, None, True).dtype == dtype  # truth values are no labels


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("chunk", [1, 8, 17, 10**6])
def test_the_first_that_is_not_finite_is_named_by_its_place(
    bad: float, chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arrays, "_CHUNK", chunk)
    for row, step, feature in ((0, 0, 0), (3, 0, 1), (5, 3, 0)):
        x = X.copy()
        x[row, step, feature] = bad
        x[5, 3, 1] = np.nan  # a later one
        with pytest.raises(DataError) as caught:
            converted(of("float64"), "x", x, LENGTHS, False)
        place = f"row {row}, step {step}, feature {feature}"
        assert str(caught.value) == f"x: expected finite float64, got {bad} at {place}"


def test_the_axes_are_called_what_they_are() -> None:
    for shape, place in (((2,), "row 1"), ((2, 2), "row 1, feature 1"), ((2, 1, 3, 2), "row 1, step 0, axis 2 2, fea")):
        x = np.zeros(shape)
        x[(-1,) * len(shape)] = np.nan
        with pytest.raises(DataError, match=f"at {place}"):
            converted(of("float64"), "x", x, None, False)


def test_a_number_too_large_for_the_model_is_not_finite_there() -> None:
    x = X.copy()
    x[1, 1, 1] = 1e200
    assert converted(of("float64"), "x", x, None, False) is x
    with pytest.raises(DataError, match=r"expected finite float32, got 1e\+200 at row 1, step 1, feature 1"):
        converted(of("float32"), "x", x, None, False)


@pytest.mark.parametrize("filler", [np.nan, np.inf, 7.0])
@pytest.mark.parametrize("chunk", [8, 10**6])
def test_what_does_not_count_may_be_anything(filler: float, chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrays, "_CHUNK", chunk)
    inside = np.arange(4) < LENGTHS[:, None]
    x = np.where(inside[..., None], X, filler)
    kept = x.copy()
    found = converted(of("float64"), "x", x, LENGTHS, False)
    np.testing.assert_array_equal(found[inside], X[inside])
    assert np.isfinite(found).all()
    np.testing.assert_array_equal(found[~inside], 7.0 if filler == 7.0 else 0.0)
    np.testing.assert_array_equal(x, kept)  # the caller's is not written into

    by_step = converted(of("float64"), "y", x, None, False, inside.astype(float))
    np.testing.assert_array_equal(by_step, found)
    rows = X.copy()
    rows[2] = filler
    by_row = converted(of("float64"), "y", rows, None, False, (np.arange(6) != 2).astype(float))
    assert np.isfinite(by_row).all()
    np.testing.assert_array_equal(np.delete(by_row, 2, 0), np.delete(X, 2, 0))


def test_defaults_are_as_written_out(defaults: Any) -> None:
    assert defaults(read_array) == {"counted": False}
    assert defaults(converted) == {"weights": None}
