"""Rows that are read when they are asked for are those of the arrays that they stand for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lamina
from lamina.data.checks import read_data
from lamina.data.rows import Columns, Items, Rows, is_stored, without_stored
from lamina.errors import ArgumentError, DataError, LaminaError, ShapeError
from lamina.layers import GRU, Dense

RNG = np.random.default_rng(0)
X = RNG.normal(size=(9, 4, 2))
Y = RNG.integers(0, 3, (9, 4))
W = RNG.uniform(size=(9, 4))
LENGTHS = np.array([4, 2, 3, 1, 4, 2, 3, 1, 4])
MODEL = lamina.Sequential(GRU(2, return_sequences=True), Dense(3))
PICKED = [np.arange(9), np.array([3]), np.array([8, 0, 5]), np.array([2, 1, 0])]


def stored(folder: Path, array: Any, name: str = "x") -> Any:
    np.save(folder / f"{name}.npy", array)
    return np.load(folder / f"{name}.npy", mmap_mode="r")


class Chunked:
    """As h5py's arrays are: read by an index that goes up, and asked for no more than that."""

    chunks = (2,)

    def __init__(self, array: Any) -> None:
        self.array, self.shape, self.read = array, array.shape, []

    def __len__(self) -> int:
        return len(self.array)

    def __getitem__(self, rows: Any) -> Any:
        assert (np.diff(rows) > 0).all(), "indices must be in increasing order"
        self.read.append(np.asarray(rows).tolist())
        return self.array[rows]


def same(found: Any, wanted: Any) -> None:
    for name in ("inputs", "target", "lengths", "target_lengths", "weights"):
        one, other = getattr(found, name), getattr(wanted, name)
        if isinstance(other, tuple):
            assert len(one) == len(other)
            for a, b in zip(one, other, strict=True):
                np.testing.assert_array_equal(a, b)
        elif other is None:
            assert one is None, name
        else:
            np.testing.assert_array_equal(one, other)


def test_what_lies_on_a_disk(tmp_path: Path) -> None:
    there = stored(tmp_path, X)
    assert is_stored(there)
    assert is_stored(there[2:5])  # a part of it is not read either
    assert is_stored(Chunked(X))
    assert not any(map(is_stored, (X, X.tolist(), np.asarray(there[[1, 2]]), None, 3, "x", [there])))


@pytest.mark.parametrize("rows", PICKED, ids=str)
@pytest.mark.parametrize("kind", ["memmap", "chunked", "chunked targets", "lists", "tuple", "dict"])
def test_columns_give_the_rows_of_their_arrays(kind: str, rows: Any, tmp_path: Path) -> None:
    x: Any = stored(tmp_path, X)
    y: Any = Y
    outputs: tuple[str, ...] = ()
    wanted_x, wanted_y = X[rows], Y[rows]
    plain: Any = None
    if kind == "chunked":
        x = Chunked(X)
    elif kind == "chunked targets":
        y = Chunked(Y)
    elif kind == "lists":
        y = [row[:end] for row, end in zip(Y, LENGTHS, strict=True)]
        plain = [y[row] for row in rows]
    elif kind in ("tuple", "dict"):
        x, wanted_x = (x, X[:, :, :1]), (X[rows], X[rows][:, :, :1])
        outputs = ("a", "b")
        y = (Y, Chunked(X[:, 0])) if kind == "tuple" else {"b": Chunked(X[:, 0]), "a": Y}
        plain = (Y[rows], X[rows, 0])
    source = Columns(MODEL, x, y, LENGTHS, W, mask=W > 0.2, outputs=outputs)
    assert source.rows == 9
    wanted = read_data(
        MODEL,
        wanted_x,
        wanted_y if plain is None else plain,
        LENGTHS[rows],
        W[rows],
        mask=(W > 0.2)[rows],
        outputs=outputs,
    )
    same(source.take(rows), wanted)
    np.testing.assert_array_equal(source.lengths(), LENGTHS)
    assert source.targets() is y


def test_columns_without_targets_read_inputs_alone() -> None:
    x = Chunked(X)
    source = Columns(MODEL, x, has_target=False)
    same(source.take(np.array([4, 1])), read_data(MODEL, X[[4, 1]], has_target=False))
    assert x.read == [[1, 4]]  # those alone, in the order in which they lie there
    assert source.lengths() is None
    assert source.targets() is None


def test_only_what_is_asked_for_is_read() -> None:
    x, y = Chunked(X), Chunked(Y)
    source = Columns(MODEL, x, y)
    assert (x.read, y.read) == ([], [])
    source.take(np.array([7, 2]))
    assert (x.read, y.read) == ([[2, 7]], [[2, 7]])


def test_targets_on_a_disk_are_encoded_when_they_are_read() -> None:
    names = np.array(["a", "b", "c"])[Y[:, 0]]
    source = Columns(MODEL, X, Chunked(names), encode=lambda y: np.searchsorted(["a", "b", "c"], y))
    np.testing.assert_array_equal(source.take(np.array([5, 3])).target, Y[[5, 3], 0])


REFUSED: list[tuple[dict[str, Any], type[LaminaError], str]] = [
    ({"y": None}, ArgumentError, "y: expected targets, got none"),
    ({"x": X[:0]}, DataError, "x: expected at least one row, got none"),
    ({"x": np.zeros(())}, ShapeError, "x: expected one for each row, got a ndarray without rows"),
    ({"y": 3}, ShapeError, "y: expected one for each row, got a int without rows"),
    ({"y": iter(Y)}, ShapeError, "y: expected one for each row, got a generator without rows"),
    ({"y": Y[:3]}, ShapeError, "expected as many rows in x and y, got 9 in x, 3 in y"),
    ({"y": (Y, Y[:3])}, ShapeError, "expected as many rows in x and y, got 9 in x, 3 in y"),
    ({"y": {"a": Y[:3]}}, ShapeError, "expected as many rows in x and y, got 9 in x, 3 in y"),
    ({"x": (X, X[:3])}, ShapeError, "expected as many rows in x and x, got 9 in x, 3 in x"),
    ({"lengths": 4}, ShapeError, "lengths: expected one for each row, got a int without rows"),
    ({"lengths": LENGTHS[:2]}, ShapeError, "expected as many rows in x and lengths, got 9 in x, 2 in lengths"),
    ({"sample_weight": W[:2]}, ShapeError, "expected as many rows in x and sample_weight, got 9 in x, 2 in sample_w"),
    ({"mask": True}, ShapeError, "mask: expected one for each row, got a bool without rows"),
]


@pytest.mark.parametrize(("given", "error", "message"), REFUSED, ids=range(len(REFUSED)))
def test_columns_that_do_not_fit_are_named(given: dict[str, Any], error: type[LaminaError], message: str) -> None:
    if message.startswith("y: expected one for each row, got a generator"):
        given = {"y": (row for row in Y)}
    with pytest.raises(error) as caught:
        Columns(MODEL, **{"x": X, "y": Y, **given})
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_targets_without_those_on_a_disk(tmp_path: Path) -> None:
    there = stored(tmp_path, Y)
    assert without_stored(Y) is Y
    assert without_stored(None) is None
    assert without_stored(there) is None
    assert without_stored((Y, there))[1] is None
    assert without_stored((Y, there))[0] is Y
    found = without_stored({"a": there, "b": Y})
    assert found["a"] is None
    assert found["b"] is Y
    pair = (Y, Y)
    assert without_stored(pair) is pair


# --- objects with an index -------------------------------------------------------------------------------------------


class Pairs:
    """Rows of what a function of their number gives."""

    def __init__(self, give: Any, rows: int = 9) -> None:
        self.give, self.rows, self.asked = give, rows, []

    def __len__(self) -> int:
        return self.rows

    def __getitem__(self, row: int) -> Any:
        self.asked.append(row)
        return self.give(row)


def cut(array: Any) -> Any:
    return lambda row: array[row, : LENGTHS[row]]


@pytest.mark.parametrize("rows", PICKED, ids=str)
def test_items_give_the_rows_that_they_hold(rows: Any) -> None:
    pairs = Pairs(lambda row: (X[row], Y[row]))
    same(Items(MODEL, pairs).take(rows), read_data(MODEL, list(X[rows]), list(Y[rows])))
    assert pairs.asked == rows.tolist()
    assert all(type(row) is int for row in pairs.asked)  # some know no other

    x, y, w = cut(X), cut(Y), cut(W)
    found = Items(MODEL, Pairs(lambda row: (x(row), y(row), w(row)))).take(rows)
    wanted = read_data(MODEL, [x(row) for row in rows], [y(row) for row in rows], None, [w(row) for row in rows])
    same(found, wanted)

    found = Items(MODEL, Pairs(lambda row: [X[row], 1, 0.5])).take(rows)  # a list is as good as a tuple
    same(found, read_data(MODEL, X[rows], [1] * len(rows), None, [0.5] * len(rows)))


@pytest.mark.parametrize("named", [False, True])
def test_items_of_several_inputs_outputs_and_weights(named: bool) -> None:
    def both(one: Any, other: Any) -> Any:
        return {"a": one, "b": other} if named else (one, other)

    pairs = Pairs(lambda row: ((X[row], X[row, :, :1]), both(1, X[row, 0]), both(0.5, row + 1.0)))
    rows = np.array([4, 2, 7])
    found = Items(MODEL, pairs, ("a", "b")).take(rows)
    wanted = read_data(
        MODEL,
        (X[rows], X[rows][:, :, :1]),
        ([1, 1, 1], list(X[rows, 0])),
        None,
        ([0.5] * 3, rows + 1.0),
        outputs=("a", "b"),
    )
    same(found, wanted)


def test_items_without_targets_may_be_inputs_alone() -> None:
    rows = np.array([4, 2])
    wanted = read_data(MODEL, X[rows], has_target=False)
    same(Items(MODEL, Pairs(lambda row: X[row]), has_target=False).take(rows), wanted)
    same(Items(MODEL, Pairs(lambda row: (X[row], "unread")), has_target=False).take(rows), wanted)


def test_items_know_no_lengths_and_no_targets_beforehand() -> None:
    source = Items(MODEL, Pairs(lambda row: (X[row], Y[row])))
    assert (source.rows, source.lengths(), source.targets()) == (9, None, None)


def test_targets_of_items_are_encoded_a_batch_at_a_time() -> None:
    given: list[Any] = []

    def encode(y: Any) -> Any:
        given.append(list(y))
        return np.arange(len(y))

    found = Items(MODEL, Pairs(lambda row: (X[row], "abc"[row % 3])), encode=encode).take(np.array([0, 2]))
    assert given == [["a", "c"]]
    np.testing.assert_array_equal(found.target, [0, 1])


def at(row: int, bad: Any, good: Any) -> Any:
    return lambda one: bad if one == row else good


BAD: list[tuple[Any, tuple[str, ...], type[LaminaError], str]] = [
    ((X[0],), (), DataError, "x: expected (x, y) or (x, y, sample_weight) as row 3, got 1 values"),
    ((X[0],) * 4, (), DataError, "x: expected (x, y) or (x, y, sample_weight) as row 3, got 4 values"),
    (X[0], (), DataError, "x: expected (x, y) or (x, y, sample_weight) as row 3, got ndarray"),
    (None, (), DataError, "x: expected (x, y) or (x, y, sample_weight) as row 3, got NoneType"),
    (((X[0], X[0]), 1), (), ShapeError, "x: expected one value in row 3, as in row 1, got a tuple of 2"),
]
BAD_OUTPUTS: list[tuple[Any, Any, str]] = [
    ((1, 2, 3), (1, 2), "y: expected a tuple of 2 in row 3, as in row 1, got a tuple of 3"),
    (1, (1, 2), "y: expected a tuple of 2 in row 3, as in row 1, got one value"),
    ({"a": 1}, {"a": 1, "b": 2}, "y: expected a dict of a, b in row 3, as in row 1, got a dict of a"),
    ((1, 2), {"a": 1, "b": 2}, "y: expected a dict of a, b in row 3, as in row 1, got a tuple of 2"),
]


@pytest.mark.parametrize(("bad", "outputs", "error", "message"), BAD, ids=range(len(BAD)))
def test_a_row_that_is_none_is_named(bad: Any, outputs: Any, error: type[LaminaError], message: str) -> None:
    with pytest.raises(error) as caught:
        Items(MODEL, Pairs(at(3, bad, (X[0], 1))), outputs).take(np.array([1, 3, 5]))
    assert str(caught.value) == message


@pytest.mark.parametrize(("bad", "good", "message"), BAD_OUTPUTS, ids=range(len(BAD_OUTPUTS)))
@pytest.mark.parametrize("part", ["y", "sample_weight"])
def test_a_row_of_other_parts_is_named(part: str, bad: Any, good: Any, message: str) -> None:
    fine = (1, 2)
    rows = at(3, (X[0], bad), (X[0], good))
    if part == "sample_weight":
        rows = at(3, (X[0], fine, bad), (X[0], fine, good))
    with pytest.raises(ShapeError) as caught:
        Items(MODEL, Pairs(rows), ("a", "b")).take(np.array([1, 3, 5]))
    assert str(caught.value) == message.replace("y:", f"{part}:")


def test_weights_are_there_for_all_rows_or_for_none() -> None:
    with pytest.raises(DataError, match=r"^x: expected a sample_weight in each row, got none in row 3$"):
        Items(MODEL, Pairs(at(3, (X[0], 1), (X[0], 1, 1.0)))).take(np.array([1, 3]))


def test_an_error_of_the_rows_own_keeps_its_type_and_says_which_row() -> None:
    class Mine(Exception):
        pass

    def give(row: int) -> Any:
        if row == 3:
            raise Mine("gone")
        return X[0], 1

    with pytest.raises(Mine, match="gone") as caught:
        Items(MODEL, Pairs(give)).take(np.array([1, 3]))
    assert caught.value.__notes__ == ["while row 3 of Pairs was read"]


def test_without_rows_there_is_nothing_to_read() -> None:
    with pytest.raises(DataError, match=r"^x: expected at least one row, got none$"):
        Items(MODEL, Pairs(lambda row: None, rows=0))


def test_rows_of_ones_own_define_take() -> None:
    with pytest.raises(NotImplementedError, match="Rows does not define take"):
        Rows().take(np.array([0]))


def test_defaults_are_as_written_out(defaults: Any) -> None:
    assert defaults(Items) == {"outputs": (), "has_target": True, "encode": None}
    assert defaults(Columns) == {
        "y": None,
        "lengths": None,
        "sample_weight": None,
        "mask": None,
        "outputs": (),
        "has_target": True,
        "encode": None,
    }
