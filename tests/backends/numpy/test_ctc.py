"""NumPy's CTC equals the generic kernel, which the paper's recursion has proven, also where probabilities vanish."""

import math
from typing import Any

import numpy as np
import pytest

from lamina.backends import get_backend

NUMPY, GENERIC = get_backend("numpy").select("ctc"), get_backend("reference").select("ctc")


def drawn(batch: int, time: int, width: int, classes: int, scale: float, dtype: str, blank: int = 0) -> list[Any]:
    """Return what a kernel takes: counts from 0 on, lengths from 0 on, into some of which no labels fit."""
    rng = np.random.default_rng((batch, time, width))
    logits = (scale * rng.standard_normal((batch, time, classes))).astype(dtype)
    counts = rng.integers(0, width + 1, batch)
    lengths = rng.integers(0, time + 1, batch)
    labels = rng.integers(0, classes - 1, (batch, width + 1))
    labels += labels >= blank
    labels[np.arange(width + 1) >= counts[:, None]] = 10**6
    logits[np.arange(time) >= lengths[:, None]] = np.nan  # nobody's to read
    weights = rng.random(batch).astype(dtype)
    weights[lengths == 0] = 0
    for array in (logits, labels, counts, lengths, weights):
        array.flags.writeable = False
    return [logits, labels, counts, lengths, weights]


def hold_equal(given: list[Any], tolerance: float, **options: Any) -> Any:
    """Compare losses by row, their sum and the gradient; return which rows went to the generic kernel."""
    dtype = given[0].dtype
    wide = [one.astype("float64") if one is not None and one.dtype.kind == "f" else one for one in given]
    for each in (False, True):
        value, saved = NUMPY.forward(*given, **options, each=each)
        expected, generic = GENERIC.forward(*wide, **options, each=each)
        rest = saved[1]
        slopes, gradient = GENERIC.backward(generic), NUMPY.backward(saved)
        assert value.dtype == gradient.dtype == dtype
        assert value.shape == expected.shape
        np.testing.assert_allclose(value, expected, rtol=tolerance, atol=tolerance)
        np.testing.assert_allclose(gradient, slopes, rtol=0, atol=10 * tolerance)
    return rest


# One row, one step, one label; more than a block of steps, and one step more or less than one is scaled after.
SIZES = [(1, 1, 1, 2), (5, 9, 3, 4), (40, 17, 6, 5), (7, 8, 2, 3), (6, 70, 20, 12)]


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("scale", [0.0, 1.0, 30.0, 1e4])
@pytest.mark.parametrize("options", [{}, {"zero_infinity": True}, {"blank": 1}], ids=str)
def test_equals_the_generic_kernel(size: tuple[int, ...], dtype: str, scale: float, options: dict[str, Any]) -> None:
    given = drawn(*size, scale, dtype, options.get("blank", 0))
    tolerance = 1e-11 if dtype == "float64" else 3e-6
    hold_equal(given, tolerance, **options)
    logits, labels, counts, _, weights = given
    filled = np.where(np.isnan(logits), np.asarray(0, dtype), logits)
    hold_equal([filled, labels, counts, None, weights], tolerance, **options)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(("least", "most"), [(0, 138), (25, 50)])
def test_labels_that_are_ever_less_probable(dtype: str, least: float, most: float) -> None:
    """From likely to 1e-1200 beside all blanks: in between lies what float64 holds only just, and no longer."""
    batch, time, width = 250, 61, 20
    logits = np.random.default_rng(0).standard_normal((batch, time, 9))
    logits[:, :, 0] += np.linspace(least, most, batch)[:, None]
    labels = np.random.default_rng(1).integers(1, 9, (batch, width))
    given = [logits.astype(dtype), labels, np.full(batch, width), None, np.ones(batch, dtype)]
    rest = hold_equal(given, 1e-11 if dtype == "float64" else 3e-5)  # float32's logarithms are no better
    assert batch / 6 < len(rest) < batch * 5 / 6
    assert rest[-1] == batch - 1  # the least probable


@pytest.mark.parametrize("steps", [1, 7, 8, 9, 1000])
def test_steps_that_each_make_all_improbable(steps: int) -> None:
    """At every step but the labels' own, one label that is not its turn yet has all."""
    logits = np.zeros((1, steps + 2, 4))
    logits[:, :steps, 2] = 60.0
    for labels in ([1, 2], [2, 1], [1, 3]):
        hold_equal([logits, np.array([labels]), np.array([2]), None, np.ones(1)], 1e-12)


@pytest.mark.parametrize("wrong", [math.inf, -math.inf, math.nan])
@pytest.mark.parametrize("place", [0, 1, 3])
def test_one_number_that_is_not_finite_stays_in_its_row(wrong: float, place: int) -> None:
    """Of the blank, of a label, and of a class that is no label here."""
    logits = np.random.default_rng(0).standard_normal((3, 6, 4))
    sound = logits.copy()
    logits[1, 2, place] = wrong
    others = np.array([[1, 2], [1, 1], [2, 9]]), np.array([2, 2, 1]), None, np.array([0.5, 0.25, 1.0])
    value, saved = NUMPY.forward(logits, *others, each=True)
    expected, generic = GENERIC.forward(logits, *others, each=True)
    gradient, slopes = NUMPY.backward(saved), GENERIC.backward(generic)
    np.testing.assert_allclose(value, expected, rtol=1e-13)
    np.testing.assert_allclose(gradient, slopes, rtol=1e-12, atol=1e-15)
    alone, before = NUMPY.forward(sound, *others, each=True)
    np.testing.assert_array_equal(value[[0, 2]], alone[[0, 2]])
    np.testing.assert_allclose(gradient[[0, 2]], NUMPY.backward(before)[[0, 2]], rtol=1e-14)


@pytest.mark.parametrize("blank", [0.0, 6.0])
def test_usual_rows_do_not_take_the_generic_kernel(blank: float) -> None:
    """Short ones, and some of few labels beside one of many, with a blank that is more probable than all others."""
    rng = np.random.default_rng(0)
    for scale in (0.1, 1.0, 3.0):
        logits = scale * rng.standard_normal((8, 500, 40))
        logits[:, :, 0] += blank
        given = logits, np.tile(np.arange(200) % 39 + 1, (8, 1)), np.array([200, 3, 0, 30, 20, 1, 60, 2])
        lengths = np.array([500, 40, 9, 500, 200, 1, 100, 450])
        for own in (None, lengths):
            _, (_, rest, _) = NUMPY.forward(*given, own, np.ones(8))
            assert set(rest) <= ({0} if blank else set())


def test_a_row_of_few_labels_beside_one_of_many() -> None:
    """Past its count there is no label: else the ways through what is none would be all that float64 holds."""
    logits = np.zeros((2, 3000, 3))
    logits[:, :, 0] = 6
    labels = np.tile(np.arange(1200) % 2 + 1, (2, 1))
    _, (_, rest, _) = NUMPY.forward(logits, labels, np.array([1, 1200]), None, np.ones(2))
    assert rest.tolist() == [1]


@pytest.mark.parametrize("shape", [(0, 4, 3), (2, 0, 3)])
@pytest.mark.parametrize("zero_infinity", [False, True])
def test_no_rows_or_no_steps(shape: tuple[int, ...], zero_infinity: bool) -> None:
    labels, counts = np.full((shape[0], 2), 1), np.arange(shape[0])
    given = np.zeros(shape), labels, counts, None, np.ones(shape[0])
    results = [kernel.forward(*given, zero_infinity=zero_infinity) for kernel in (NUMPY, GENERIC)]
    assert float(results[0][0]) == float(results[1][0]) == (0.0 if zero_infinity or not shape[0] else math.inf)
    assert NUMPY.backward(results[0][1]).shape == shape
