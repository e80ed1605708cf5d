"""Optimizer updates by hand, on both backends over NumPy."""

import math
from typing import Any

import numpy as np
import pytest

from lamina.backends import Backend, get_backend
from lamina.backends.generic.updates import UpdateCall


@pytest.fixture(params=["numpy", "reference"])
def backend(request: pytest.FixtureRequest) -> Backend:
    return get_backend(request.param)


def frozen(*values: float, dtype: str = "float64") -> np.ndarray:
    array = np.array(values, dtype)
    array.flags.writeable = False
    return array


# Rates and values are sums of powers of two, so that every expected number is exact.
@pytest.mark.parametrize(
    ("settings", "parameter", "velocity"),
    [
        ({}, 0.5, None),  # 1 - 0.25 * 2
        ({"weight_decay": 0.5}, 0.375, None),  # g = 2 + 0.5 * 1
        ({"momentum": 0.5}, 0.25, 3.0),  # v = 0.5 * 2 + 2
        ({"momentum": 0.5, "nesterov": True}, 0.125, 3.0),  # g + 0.5 v = 3.5
        ({"momentum": 0.5, "weight_decay": 0.5}, 0.125, 3.5),  # v = 1 + 2.5
        ({"momentum": 0.5, "nesterov": True, "weight_decay": 0.5}, -0.0625, 3.5),  # 2.5 + 1.75
    ],
)
def test_sgd_by_hand(backend: Backend, settings: dict[str, Any], parameter: float, velocity: float | None) -> None:
    data = np.array([1.0])
    state = None if velocity is None else np.array([2.0])
    backend.sgd_update(data, frozen(2.0), state, lr=0.25, **settings)
    assert data.tolist() == [parameter]
    assert (None if state is None else state[0]) == velocity


def test_adagrad_by_hand(backend: Backend) -> None:
    data, accumulator = np.array([1.0, 1.0]), np.array([0.0, 7.0])
    backend.adagrad_update(data, frozen(4.0, 3.0), accumulator, lr=0.5, epsilon=0.25)
    assert accumulator.tolist() == [16, 16]
    assert data.tolist() == [1 - 0.5 * 4 / 4.25, 1 - 0.5 * 3 / 4.25]
    backend.adagrad_update(data, frozen(0.0, 0.0), accumulator, lr=0.5, epsilon=0.25)
    assert accumulator.tolist() == [16, 16]
    assert data.tolist() == [1 - 0.5 * 4 / 4.25, 1 - 0.5 * 3 / 4.25]


def test_adagrad_adds_the_decay_to_the_gradient_first(backend: Backend) -> None:
    data, accumulator = np.array([2.0]), np.array([0.0])
    backend.adagrad_update(data, frozen(3.0), accumulator, lr=1.0, epsilon=1.0, weight_decay=0.5)
    assert accumulator.tolist() == [16]  # (3 + 0.5 * 2)^2
    assert data.tolist() == [2 - 4 / 5]


def test_rmsprop_by_hand(backend: Backend) -> None:
    data, square = np.array([1.0]), np.array([2.0])
    backend.rmsprop_update(data, frozen(4.0), square, None, None, lr=0.5, decay=0.5, epsilon=1.0)
    assert square.tolist() == [9]  # (2 + 16) / 2
    assert data.tolist() == [0.5]  # 1 - 0.5 * 4 / (3 + 1)


def test_rmsprop_centered_with_momentum_and_decay_by_hand(backend: Backend) -> None:
    data, square, mean, velocity = np.array([2.0]), np.array([34.0]), np.array([2.0]), np.array([4.0])
    settings = {"lr": 0.5, "decay": 0.5, "epsilon": 1.0, "momentum": 0.5, "weight_decay": 1.0}
    backend.rmsprop_update(data, frozen(4.0), square, mean, velocity, **settings)
    # g = 4 + 2; a = (34 + 36) / 2; m = (2 + 6) / 2; root = sqrt(35 - 16)
    assert (square.tolist(), mean.tolist()) == ([35], [4])
    assert velocity[0] == pytest.approx(2 + 6 / (math.sqrt(19) + 1), rel=1e-15)
    assert data[0] == pytest.approx(2 - velocity[0] / 2, rel=1e-15)


@pytest.mark.parametrize(
    ("square", "mean", "step"),
    [
        (1.0, 1.0, 2 / (0.5 + 1)),  # a = (1 + 4) / 2, m = (1 + 2) / 2; root = sqrt(2.5 - 2.25)
        (0.0, 2.0, 2.0),  # a = 4 / 2, m = (2 + 2) / 2: a - m^2 below 0, as rounding may leave it, counts as 0
    ],
)
def test_rmsprop_centered_has_no_variance_below_0(backend: Backend, square: float, mean: float, step: float) -> None:
    data, squares, means = np.array([2.0]), np.array([square]), np.array([mean])
    backend.rmsprop_update(data, frozen(2.0), squares, means, None, lr=1.0, decay=0.5, epsilon=1.0)
    assert data[0] == pytest.approx(2 - step, rel=1e-15)


def test_adadelta_by_hand(backend: Backend) -> None:
    data, square, change = np.array([2.0]), np.array([1.0]), np.array([8.0])
    backend.adadelta_update(data, frozen(4.0), square, change, lr=0.5, decay=0.5, epsilon=1.0, weight_decay=0.5)
    # g = 4 + 1; a = (1 + 25) / 2; d = sqrt(9) / sqrt(14) * 5
    assert square.tolist() == [13]
    step = 15 / math.sqrt(14)
    assert change[0] == pytest.approx((8 + step**2) / 2, rel=1e-15)
    assert data[0] == pytest.approx(2 - step / 2, rel=1e-15)


@pytest.mark.parametrize(
    ("largest", "decoupled", "expected"),
    [
        (None, False, (5.0, 13.0)),  # g = 4 + 0.5 * 2; m = 5 / 2, v = (1 + 25) / 2
        (None, True, (4.0, 8.5)),
        (20.0, False, (5.0, 20.0)),
        (1.0, True, (4.0, 8.5)),
    ],
)
def test_adam_by_hand(backend: Backend, largest: float | None, decoupled: bool, expected: tuple[float, float]) -> None:
    data, mean, square = np.array([2.0]), np.array([0.0]), np.array([1.0])
    u = None if largest is None else np.array([largest])
    settings = {"lr": 0.25, "beta1": 0.5, "beta2": 0.5, "epsilon": 1.0, "weight_decay": 0.5}
    backend.adam_update(data, frozen(4.0), mean, square, u, step=2, decoupled=decoupled, **settings)
    gradient, divisor = expected
    assert mean.tolist() == [gradient / 2]
    assert square.tolist() == [(1 + gradient**2) / 2]
    assert u is None or u.tolist() == [divisor]
    start = 2 - 0.25 * 0.5 * 2 if decoupled else 2
    # 1 - 0.5^2 = 0.75 corrects both
    step = gradient / 2 / 0.75 / (math.sqrt(divisor / 0.75) + 1)
    assert data[0] == pytest.approx(start - 0.25 * step, rel=1e-15)


@pytest.mark.parametrize("decoupled", [False, True])
def test_nadam_by_hand(backend: Backend, decoupled: bool) -> None:
    data, mean, square = np.array([2.0]), np.array([1.0]), np.array([1.0])
    settings = {"lr": 0.25, "beta1": 0.5, "beta2": 0.5, "epsilon": 1.0, "weight_decay": 0.5}
    backend.nadam_update(data, frozen(4.0), mean, square, step=2, shares=(3.0, 2.0), decoupled=decoupled, **settings)
    gradient = 4.0 if decoupled else 5.0  # 4 + 0.5 * 2
    assert mean.tolist() == [(1 + gradient) / 2]
    assert square.tolist() == [(1 + gradient**2) / 2]
    start = 2 - 0.25 * 0.5 * 2 if decoupled else 2
    step = (3 * gradient + 1 + gradient) / (math.sqrt((1 + gradient**2) / 2 / 0.75) + 1)
    assert data[0] == pytest.approx(start - 0.25 * step, rel=1e-14)


@pytest.mark.parametrize("rectified", [0.0, 0.5])
@pytest.mark.parametrize("decoupled", [False, True])
def test_radam_by_hand(backend: Backend, decoupled: bool, rectified: float) -> None:
    data, mean, square = np.array([2.0]), np.array([1.0]), np.array([1.0])
    settings = {"lr": 0.25, "beta1": 0.5, "beta2": 0.5, "epsilon": 1.0, "weight_decay": 0.5}
    backend.radam_update(data, frozen(4.0), mean, square, step=2, rectified=rectified, decoupled=decoupled, **settings)
    gradient = 4.0 if decoupled else 5.0  # 4 + 0.5 * 2
    assert mean.tolist() == [(1 + gradient) / 2]
    assert square.tolist() == [(1 + gradient**2) / 2]
    start = 2 - 0.25 * 0.5 * 2 if decoupled else 2
    step = (1 + gradient) / 2 / 0.75  # 1 - 0.5^2
    if rectified:
        step *= 0.5 * math.sqrt(0.75) / (math.sqrt((1 + gradient**2) / 2) + 1)
    assert data[0] == pytest.approx(start - 0.25 * step, rel=1e-14)


@pytest.mark.parametrize(("start", "largest"), [(8.0, 6.0), (20.0, 10.0)])
def test_adamax_by_hand(backend: Backend, start: float, largest: float) -> None:
    data, mean, fading = np.array([2.0]), np.array([1.0]), np.array([start])
    settings = {"lr": 0.25, "beta1": 0.5, "beta2": 0.5, "epsilon": 1.0, "weight_decay": 0.5}
    backend.adamax_update(data, frozen(-6.0), mean, fading, step=2, **settings)
    # g = -6 + 1; m = (1 - 5) / 2; u = max(start / 2, 5 + 1)
    assert (mean.tolist(), fading.tolist()) == ([-2], [largest])
    assert data[0] == pytest.approx(2 + 0.25 / 0.75 * 2 / largest, rel=1e-14)


def test_lion_by_hand(backend: Backend) -> None:
    data, mean = np.array([2.0, 2.0, 2.0]), np.array([1.0, -1.0, -1.0])
    gradient = np.array([4.0, 0.5, 1.0])
    gradient.flags.writeable = False
    backend.lion_update(data, gradient, mean, lr=0.25, beta1=0.5, beta2=0.75, weight_decay=0.5)
    # The signs of (1 + 4) / 2, (-1 + 0.5) / 2 and (-1 + 1) / 2, and a decay of 0.25 * 0.5 * 2.
    assert data.tolist() == [1.5, 2.0, 1.75]
    assert mean.tolist() == [1.75, -0.625, -0.5]


def test_updates_together_are_each_ones_own(backend: Backend) -> None:
    """Of rows, the others of the table and of its state stay as they are."""
    data, table, velocity = np.array([1.0]), np.ones((3, 2)), np.full((3, 2), 2.0)
    rows = np.array([[2.0, 4.0]])
    backend.update_together(
        [
            UpdateCall("sgd_update", (data, frozen(2.0), None), {"lr": 0.25}),
            UpdateCall("sgd_update", (table, rows, velocity), {"lr": 0.5, "momentum": 0.5}, np.array([1])),
            UpdateCall("sgd_update", (table, rows, None), {"lr": 0.5}, np.array([0])),
        ]
    )
    assert data.tolist() == [0.5]
    assert velocity.tolist() == [[2, 2], [3, 5], [2, 2]]
    assert table.tolist() == [[0, -1], [-0.5, -1.5], [1, 1]]
    assert rows.tolist() == [[2, 4]]
