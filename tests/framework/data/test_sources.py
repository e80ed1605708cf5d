"""What is a source, and of which kind; batches as an iterable gives them."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lamina
from lamina.data.checks import read_data
from lamina.data.rows import Columns, Items
from lamina.data.sources import Batches, is_source, source_of
from lamina.errors import ArgumentError, LaminaError
from lamina.layers import GRU, Dense

RNG = np.random.default_rng(0)
X = RNG.normal(size=(6, 4, 2))
Y = RNG.integers(0, 3, 6)
MODEL = lamina.Sequential(GRU(2), Dense(3))


def generator() -> Iterator[Any]:
    yield X[:2], Y[:2]
    yield X[2:], Y[2:]


class Rows:
    def __len__(self) -> int:
        return 6

    def __getitem__(self, row: int) -> Any:
        return X[row], Y[row]


class Iterable:
    def __iter__(self) -> Iterator[Any]:
        return generator()


class Once(Iterable):
    """An iterator that is no generator."""

    def __init__(self) -> None:
        self.items = generator()

    def __iter__(self) -> Once:
        return self

    def __next__(self) -> Any:
        return next(self.items)


class Function(Iterable):
    """What can be called and gone through is gone through."""

    def __call__(self) -> Any:
        raise AssertionError("called")


class NoLength(Iterable):
    """As torch's loader of an iterable data set: it has the method and does not know."""

    def __len__(self) -> int:
        raise TypeError("no length")


def memmap(folder: Path) -> Any:
    np.save(folder / "x.npy", X)
    return np.load(folder / "x.npy", mmap_mode="r")


SOURCES: dict[str, tuple[Any, type, bool | None]] = {
    "an object with an index": (Rows(), Items, None),
    "a deque": (deque((x, y) for x, y in zip(X, Y, strict=True)), Items, None),
    "an iterable": (Iterable(), Batches, True),
    "a function": (generator, Batches, True),
    "a function of a list": (lambda: [(X, Y)], Batches, True),
    "a generator": (generator(), Batches, False),
    "an iterator": (Once(), Batches, False),
    "iter of a list": (iter([(X, Y)]), Batches, False),
    "zip": (zip([X], [Y], strict=True), Batches, False),
    "an iterable that can be called": (Function(), Batches, True),
    "an iterable without a length": (NoLength(), Batches, True),
}


@pytest.mark.parametrize("case", SOURCES)
def test_what_is_a_source_and_of_which_kind(case: str) -> None:
    x, kind, begins_anew = SOURCES[case]
    assert is_source(x)
    source = source_of(MODEL, x, None, lengths=None)
    assert type(source) is kind
    if isinstance(source, Batches):
        assert source.begins_anew is begins_anew
        assert source.count is None
    else:
        assert source.rows == 6


def test_arrays_on_a_disk_are_read_by_rows(tmp_path: Path) -> None:
    there = memmap(tmp_path)
    for x in (there, there[:3], (there, X), (X, there)):
        assert is_source(x)
        rows = 3 if x is not there and not isinstance(x, tuple) else 6
        source = source_of(MODEL, x, Y[:rows], lengths=None)
        assert isinstance(source, Columns)
        assert source.rows == rows


IN_MEMORY: dict[str, Any] = {
    "an array": X,
    "a list": list(X),
    "a list of pairs": [(X, Y)],
    "a tuple of arrays": (X, X),
    "text": "abc",
    "bytes": b"abc",
    "a dict": {"a": X},
    "a set": {1, 2},
    "a class": Rows,
    "a number": 3,
    "None": None,
}


@pytest.mark.parametrize("case", IN_MEMORY)
def test_what_is_none(case: str) -> None:
    assert not is_source(IN_MEMORY[case])


def test_tensors_and_columns_are_in_memory() -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install -e '.[parity]'")
    assert not is_source(torch.zeros(3))
    assert is_source(torch.utils.data.TensorDataset(torch.zeros(3)))
    assert is_source(torch.utils.data.DataLoader(torch.utils.data.TensorDataset(torch.zeros(3))))


def test_tables_are_in_memory() -> None:
    pandas = pytest.importorskip("pandas", reason="pandas is not installed: pip install -e '.[data]'")
    assert not is_source(pandas.DataFrame({"a": [1, 2]}))
    assert not is_source(pandas.Series([1, 2]))
    polars = pytest.importorskip("polars", reason="polars is not installed: pip install -e '.[data]'")
    assert not is_source(polars.DataFrame({"a": [1, 2]}))
    assert not is_source(polars.Series([1, 2]))


@pytest.mark.parametrize("name", ["y", "lengths", "sample_weight", "mask"])
@pytest.mark.parametrize("x", [Rows(), Iterable(), generator], ids=["rows", "iterable", "function"])
def test_what_a_source_has_itself_is_not_given_beside_it(x: Any, name: str) -> None:
    given = {"y": None, name: Y}
    got = type(x).__name__
    with pytest.raises(ArgumentError, match=f"^{name}: expected none beside a {got}, which gives its own$"):
        source_of(MODEL, x, **given)


def test_targets_beside_arrays_on_a_disk_are_encoded_once(tmp_path: Path) -> None:
    calls: list[Any] = []

    def encode(y: Any) -> Any:
        calls.append(y)
        return None if y is None else np.asarray(y) + 1

    there = memmap(tmp_path)
    source = source_of(MODEL, there, Y, encode=encode)
    assert isinstance(source, Columns)
    np.testing.assert_array_equal(source.take(np.array([4, 1])).target, Y[[4, 1]] + 1)
    assert len(calls) == 1
    np.save(tmp_path / "y.npy", Y)
    source = source_of(MODEL, there, np.load(tmp_path / "y.npy", mmap_mode="r"), encode=encode)
    assert isinstance(source, Columns)
    np.testing.assert_array_equal(source.take(np.array([4, 1])).target, Y[[4, 1]] + 1)


# --- batches ---------------------------------------------------------------------------------------------------------


def same(found: Any, wanted: Any) -> None:
    np.testing.assert_array_equal(found.inputs[0], wanted.inputs[0])
    for name in ("target", "lengths", "weights"):
        one, other = getattr(found, name), getattr(wanted, name)
        assert (one is None) == (other is None)
        if other is not None:
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("count", [2, 3, 4])
@pytest.mark.parametrize("kind", [tuple, list])
def test_a_batch_is_read_as_the_arrays_it_holds(kind: type, count: int) -> None:
    item = (X, Y, np.array([4, 3, 2, 1, 4, 3]), np.arange(6.0))[:count]
    batches = Batches(MODEL, iter([kind(item)]))
    (found,) = [batches.read(one, 1) for one in batches]
    same(found, read_data(MODEL, *item))


def test_without_targets_a_batch_may_be_inputs_alone() -> None:
    wanted = read_data(MODEL, X, has_target=False)
    for item in (X, (X, "unread"), [X, "unread", None]):
        same(Batches(MODEL, iter([item]), has_target=False).read(item, 1), wanted)
    lengths = np.array([4, 3, 2, 1, 4, 3])
    found = Batches(MODEL, iter([]), has_target=False).read((X, Y, lengths), 1)
    same(found, read_data(MODEL, X, lengths=lengths, has_target=False))


def test_targets_are_encoded() -> None:
    batches = Batches(MODEL, generator, encode=lambda y: y + 1)
    assert [batches.read(one, 1).target.tolist() for one in batches] == [(Y[:2] + 1).tolist(), (Y[2:] + 1).tolist()]


def test_what_begins_anew_does_and_what_does_not_goes_on() -> None:
    for source in (Iterable(), generator, lambda: Iterable()):
        batches = Batches(MODEL, source)
        assert [len(list(batches)) for _ in range(3)] == [2, 2, 2]
    batches = Batches(MODEL, generator())
    assert [len(list(batches)) for _ in range(3)] == [2, 0, 0]
    batches = Batches(MODEL, generator())
    for _ in range(2):
        next(iter(batches))
    assert list(batches) == []  # it goes on from where it is


def test_how_many_batches_a_source_says_it_has() -> None:
    class Says(Iterable):
        def __len__(self) -> int:
            return 2

    assert Batches(MODEL, Says()).count == 2
    assert Batches(MODEL, generator).count is None
    assert Batches(MODEL, NoLength()).count is None


@pytest.mark.parametrize("number", [1, 7])
@pytest.mark.parametrize(
    ("item", "message"),
    [
        ((X,), "expected (x, y), (x, y, lengths) or (x, y, lengths, sample_weight), got 1 values"),
        (X, "expected (x, y), (x, y, lengths) or (x, y, lengths, sample_weight), got ndarray"),
        ((X, Y[:2]), "expected as many rows in x and y, got 6 in x, 2 in y"),
        ((X.astype(str), Y), "x: expected numbers, got an array of <U32"),
    ],
    ids=range(4),
)
def test_a_bad_batch_is_called_by_its_number(item: Any, message: str, number: int) -> None:
    with pytest.raises(LaminaError) as caught:
        Batches(MODEL, generator).read(item, number)
    assert str(caught.value) == f"batch {number}: {message}"


@pytest.mark.parametrize("kind", ["generator", "function", "iterable"])
def test_an_error_of_its_own_keeps_its_type_and_says_which_batch(kind: str) -> None:
    class Mine(Exception):
        pass

    def failing() -> Iterator[Any]:
        yield X, Y
        raise Mine("gone")

    class Failing:
        def __iter__(self) -> Iterator[Any]:
            return failing()

    following = iter(Batches(MODEL, {"generator": failing(), "function": failing, "iterable": Failing()}[kind]))
    next(following)
    with pytest.raises(Mine, match="gone") as caught:
        next(following)
    got = "Failing" if kind == "iterable" else "generator"
    assert caught.value.__notes__ == [f"while batch 2 of {got} was read"]


def test_a_function_that_returns_no_iterable_is_named() -> None:
    for value, got in ((None, "NoneType"), (3, "int")):
        with pytest.raises(ArgumentError) as caught:
            iter(Batches(MODEL, lambda value=value: value))
        assert str(caught.value) == f"x: expected a function that returns an iterable of batches, got a {got}"

    def wrong() -> Any:
        raise TypeError("mine")

    with pytest.raises(TypeError, match="mine"):
        iter(Batches(MODEL, wrong))


def test_what_has_an_index_alone_is_gone_through_too() -> None:
    class Old:
        def __getitem__(self, index: int) -> Any:
            if index == 2:
                raise IndexError
            return X, Y

    assert len(list(Batches(MODEL, Old))) == 2


def test_defaults_are_as_written_out(defaults: Any) -> None:
    assert defaults(Batches) == {"outputs": (), "has_target": True, "encode": None}
    assert defaults(source_of) == {"has_target": True}
