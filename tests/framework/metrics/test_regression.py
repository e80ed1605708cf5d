"""The errors and R squared against formulas in NumPy over all counted rows at once."""

import math
from typing import Any

import numpy as np
import pytest

import lamina
from lamina.errors import ShapeError
from lamina.metrics import (
    MeanAbsoluteError,
    MeanAbsolutePercentageError,
    MeanSquaredError,
    Metric,
    RootMeanSquaredError,
    RSquared,
)
from lamina.testing import register_strict_backend

ALL = (MeanAbsoluteError, MeanSquaredError, RootMeanSquaredError, RSquared)


@pytest.fixture(params=["numpy", "reference", "array-api-strict"])
def backend(request: pytest.FixtureRequest) -> lamina.Backend:
    return register_strict_backend() if "strict" in request.param else lamina.get_backend(request.param)


def streamed(metric: Metric, backend: lamina.Backend, *batches: tuple[Any, ...]) -> float:
    metric.reset()
    for prediction, target, lengths in batches:
        x, y = backend.asarray(np.asarray(prediction)), backend.asarray(np.asarray(target))
        metric.update(x, y, None if lengths is None else np.asarray(lengths), backend)
    return metric.result()


RNG = np.random.default_rng(2)
LENGTHS = np.array([3, 0, 6, 1])
VALID = np.arange(6) < LENGTHS[:, None]


def formula(cls: type[Metric], prediction: np.ndarray, target: np.ndarray) -> float:
    if cls is MeanAbsoluteError:
        return float(np.abs(prediction - target).mean())
    if cls is MeanSquaredError:
        return float(((prediction - target) ** 2).mean())
    if cls is RootMeanSquaredError:
        return math.sqrt(((prediction - target) ** 2).mean())
    errors, spread = ((prediction - target) ** 2).sum(axis=0), ((target - target.mean(axis=0)) ** 2).sum(axis=0)
    return float((1 - errors / spread).mean())


@pytest.mark.parametrize("cls", ALL)
@pytest.mark.parametrize("offset", [0.0, 1e6])
def test_they_equal_the_formula_over_all_rows_that_count(backend: lamina.Backend, cls: Any, offset: float) -> None:
    target = offset + RNG.standard_normal((2, 4, 6, 3))
    prediction = target + 0.5 * RNG.standard_normal(target.shape)
    rows = np.concatenate([prediction[0][VALID], prediction[1][VALID], prediction[0, 2]])
    wanted = np.concatenate([target[0][VALID], target[1][VALID], target[0, 2]])
    expected = formula(cls, rows, wanted)
    prediction[:, ~VALID], target[:, ~VALID] = np.nan, np.inf
    batches = [(prediction[n], target[n], LENGTHS) for n in range(2)] + [(prediction[0, 2], target[0, 2], None)]
    batches.insert(1, (prediction[0], target[0], np.zeros(4, int)))
    assert streamed(cls(), backend, *batches) == pytest.approx(expected, rel=1e-9 if offset else 1e-13)


@pytest.mark.parametrize("cls", ALL)
def test_one_number_for_each_row_or_step(backend: lamina.Backend, cls: Any) -> None:
    prediction, target = RNG.standard_normal((4, 6)), RNG.standard_normal((4, 6))
    expected = formula(cls, prediction[VALID][:, None], target[VALID][:, None])
    assert streamed(cls(), backend, (prediction, target, LENGTHS)) == pytest.approx(expected, rel=1e-13)
    expected = formula(cls, prediction[0][:, None], target[0][:, None])
    assert streamed(cls(), backend, (prediction[0], target[0], None)) == pytest.approx(expected, rel=1e-13)


def test_r_squared_by_hand(backend: lamina.Backend) -> None:
    target = [[1.0], [2.0], [3.0]]
    assert streamed(RSquared(), backend, (target, target, None)) == 1
    assert streamed(RSquared(), backend, ([[2.0]] * 3, target, None)) == 0
    assert streamed(RSquared(), backend, ([[3.0], [2.0], [1.0]], [[1], [2], [3]], None)) == -3
    # Batches of one row each say no more and no less than all at once.
    single = [([[4.0]], [[1.0]], None), ([[2.0]], [[2.0]], None), ([[3.0]], [[3.0]], None)]
    assert streamed(RSquared(), backend, *single) == pytest.approx(1 - 9 / 2, rel=1e-15)


def test_r_squared_of_what_does_not_vary_is_nan(backend: lamina.Backend) -> None:
    assert math.isnan(RSquared().result())
    assert math.isnan(streamed(RSquared(), backend, ([[1.0], [2.0]], [[5.0], [5.0]], None)))
    assert math.isnan(streamed(RSquared(), backend, (np.zeros((1, 2, 1)), np.zeros((1, 2, 1)), [0])))


@pytest.mark.parametrize("cls", ALL)
def test_float32_is_summed_in_float64(backend: lamina.Backend, cls: Any) -> None:
    target = RNG.standard_normal((100, 3)).astype("float32")
    prediction = target + np.float32(0.1)
    batches = [(prediction, target, None)] * 50
    expected = formula(cls, prediction.astype(float), target.astype(float))
    assert streamed(cls(), backend, *batches) == pytest.approx(expected, rel=1e-7)


@pytest.mark.parametrize("cls", ALL)
def test_targets_of_another_shape_are_refused(cls: Any) -> None:
    with pytest.raises(ShapeError) as caught:
        cls()(np.zeros((2, 3)), np.zeros(2))
    assert str(caught.value) == f"{cls.__name__}: expected targets of shape (2, 3), got (2,)"


def test_names() -> None:
    names = ["mean_absolute_error", "mean_squared_error", "root_mean_squared_error", "r_squared"]
    assert [cls.name for cls in ALL] == names
    assert [cls.higher_is_better for cls in ALL] == [False, False, False, True]


@pytest.mark.parametrize("value", [0.1, 1 / 3, 1e6 + 0.1, -7.7, 1e-30])
@pytest.mark.parametrize("count", [1, 3, 7, 1000])
def test_what_is_equal_does_not_vary_whatever_its_rounding(backend: lamina.Backend, value: float, count: int) -> None:
    """Its mean may be another number by a rounding, and 1 - errors / 1e-33 a figure that says nothing."""
    target = np.full((count, 1), value)
    batches = [(target + 1.0, target, None), (target[:2] - 1.0, target[:2], None)]
    assert math.isnan(streamed(RSquared(), backend, *batches))
    steps = np.full((2, count + 1, 1), value)
    steps[:, count:] = 5.0
    assert math.isnan(streamed(RSquared(), backend, (steps + 1.0, steps, [0, count])))


@pytest.mark.parametrize("cls", ALL)
def test_targets_keep_their_digits_beside_predictions_of_float32(backend: lamina.Backend, cls: Any) -> None:
    prediction = np.array([[16777216.0], [16777218.0], [16777224.0]], "float32")
    target = np.array([[16777217], [16777219], [16777223]])  # float32 would have the first as 16777216
    expected = formula(cls, prediction.astype(float), target.astype(float))
    assert streamed(cls(), backend, (prediction, target, None)) == pytest.approx(expected, rel=1e-15)


@pytest.mark.parametrize("cls", ALL)
@pytest.mark.parametrize("size", [1, 2, 5])
def test_they_equal_scikit_learns_in_any_batches(backend: lamina.Backend, cls: Any, size: int) -> None:
    sklearn = pytest.importorskip("sklearn.metrics")
    score = {
        MeanAbsoluteError: sklearn.mean_absolute_error,
        MeanSquaredError: sklearn.mean_squared_error,
        RootMeanSquaredError: lambda y, p: math.sqrt(sklearn.mean_squared_error(y, p)),
        RSquared: sklearn.r2_score,
    }[cls]
    prediction, target = RNG.standard_normal((5, 3)), RNG.standard_normal((5, 3))
    batches = [(prediction[n : n + size], target[n : n + size], None) for n in range(0, 5, size)]
    assert streamed(cls(), backend, *batches) == pytest.approx(score(target, prediction), rel=1e-12)


@pytest.mark.parametrize("cls", [*ALL, MeanAbsolutePercentageError])
@pytest.mark.parametrize("size", [1, 3, 12])
def test_they_equal_scikit_learns_with_weights(backend: lamina.Backend, cls: Any, size: int) -> None:
    sklearn = pytest.importorskip("sklearn.metrics")
    score = {
        MeanAbsoluteError: sklearn.mean_absolute_error,
        MeanAbsolutePercentageError: sklearn.mean_absolute_percentage_error,
        MeanSquaredError: sklearn.mean_squared_error,
        RootMeanSquaredError: lambda y, p, sample_weight: math.sqrt(
            sklearn.mean_squared_error(y, p, sample_weight=sample_weight)
        ),
        RSquared: sklearn.r2_score,
    }[cls]
    rng = np.random.default_rng(size)
    prediction, target = rng.standard_normal((12, 3)), rng.standard_normal((12, 3)) + 1e6 * (cls is RSquared)
    for weight in (np.ones(12), rng.random(12), rng.random(12) * rng.integers(0, 2, 12), np.eye(12)[3] + np.eye(12)[9]):
        metric = cls()
        for n in range(0, 12, size):
            arrays = (backend.asarray(one[n : n + size]) for one in (prediction, target))
            metric.update(*arrays, None, backend, backend.asarray(weight[n : n + size]))
        assert metric.result() == pytest.approx(score(target, prediction, sample_weight=weight), rel=1e-9)


def test_a_percentage_of_nothing_is_huge_as_scikit_learns(backend: lamina.Backend) -> None:
    sklearn = pytest.importorskip("sklearn.metrics")
    prediction, target = np.array([[1.0], [2.0], [0.0]]), np.array([[0.0], [4.0], [0.0]])
    expected = sklearn.mean_absolute_percentage_error(target, prediction)
    assert streamed(MeanAbsolutePercentageError(), backend, (prediction, target, None)) == pytest.approx(expected)
    assert MeanAbsolutePercentageError()(prediction, target, sample_weight=[0, 1, 0]) == 0.5


def test_r_squared_with_weights_of_what_does_not_vary_is_nan(backend: lamina.Backend) -> None:
    target = np.array([[5.0], [1 / 3], [1 / 3], [1 / 3]])
    for weight in ([0.0, 1, 2, 0.3], [0.0, 0, 0, 1]):
        metric = RSquared()
        for n in range(4):
            arrays = (backend.asarray(one[n : n + 1]) for one in (target + 1, target))
            metric.update(*arrays, None, backend, backend.asarray(np.array(weight[n : n + 1])))
        assert math.isnan(metric.result())
