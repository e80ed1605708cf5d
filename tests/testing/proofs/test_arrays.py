import functools

import numpy as np
import pytest

from lamina.backends import get_backend
from lamina.testing.proofs.arrays import Watch, arrays_in, differences, expect_close, expect_same_bits, freeze
from lamina.testing.report import CheckError

NUMPY = get_backend("numpy")


@pytest.mark.parametrize(
    ("got", "expected", "error"),
    [
        ([1.0, 2.0], [1.0, 2.0], 0.0),
        ([1.0, 200.0], [1.0, 100.0], 1.0),
        ([0.0], [1e-3], 0.1),  # absolute below 0.01
        ([np.nan], [np.nan], 0.0),
        ([np.nan], [1.0], np.inf),
        ([1.0], [np.inf], np.inf),
        ([1.0, 2.0], [1.0], np.inf),
        ([], [], 0.0),
    ],
)
def test_differences(got, expected, error):
    assert differences(np.array(got), np.array(expected)) == pytest.approx(error)


def test_expectations():
    ones = np.ones(3)
    assert expect_close("x", ones, ones, 0.0) == 0
    with pytest.raises(CheckError, match=r"x: expected a difference of at most 1e-03, got 1\.0e"):
        expect_close("x", ones + 1, ones, 1e-3)
    with pytest.raises(CheckError, match="x: expected a difference of at most 1e-03, got inf"):
        expect_close("x", ones * np.nan, ones, 1e-3)
    with pytest.raises(CheckError, match=r"x: expected shape \(3,\), got \(2,\)"):
        expect_close("x", ones[:2], ones, 1e-3)
    for by, scale, expected in ((0.5, 0.01, 0.5), (0.5, 8.0, 0.5), (np.nan, 1.0, np.inf)):
        with pytest.raises(CheckError) as caught:
            expect_close("x", 4 * ones + by, 4 * ones, 1e-3, scale)
        assert caught.value.difference == expected
    expect_same_bits("x", ones * np.nan, ones * np.nan)
    with pytest.raises(CheckError, match="x: expected the same bits, got 1 other values of 3"):
        expect_same_bits("x", np.array([1, 1, 1 + 1e-16 + 2.3e-16]), ones)
    with pytest.raises(CheckError, match="expected float64"):
        expect_same_bits("x", ones.astype(np.float32), ones)


def test_freeze():
    array = freeze(np.ones(3))
    with pytest.raises(ValueError, match="read-only"):
        array += 1


class Slots:
    __slots__ = ("empty", "inside")

    def __init__(self, inside):
        self.inside = inside


class Plain:
    def __init__(self, inside):
        self.inside = inside

    def method(self):
        return self.inside


def closure(array):
    return lambda: array


@pytest.mark.parametrize(
    "hide",
    [
        lambda a: a,
        lambda a: [{"x": (a,)}],
        Slots,
        Plain,
        closure,
        lambda a: Plain(a).method,
        lambda a: functools.partial(print, a),
        lambda a: a[1:],
        lambda a: {frozenset([1]): [Slots(Plain(a))]},
    ],
)
def test_arrays_are_found(hide):
    array = np.ones(3)
    assert any(found is array for found in arrays_in(hide(array), NUMPY))


def test_cycles_and_limits():
    array, holder = np.ones(3), []
    holder += [holder, array, np, NUMPY, np.ndarray, "text", None, 1.5, len]
    assert arrays_in(holder, NUMPY) == [array]
    plain = Plain(array)
    assert arrays_in([plain], NUMPY, stop=[plain]) == []


def test_watch():
    kept, given, counted = np.ones(3), np.ones(4), np.arange(5)
    watch = Watch(NUMPY, [kept, given, counted], known=[given])
    assert watch.alive() == 1
    del given, counted
    assert watch.alive() == 1
    del kept
    assert watch.alive() == 0


def test_watch_sees_through_cycles():
    plain = Plain(np.ones(3))
    plain.itself = plain
    watch = Watch(NUMPY, [plain.inside])
    del plain
    assert watch.alive() == 0
