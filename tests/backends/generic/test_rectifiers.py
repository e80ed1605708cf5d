"""Rectifiers: values and slopes by hand, in the tails, and where slopes jump."""

import math
from typing import Any

import numpy as np
import pytest

from lamina.backends import Backend, get_backend


@pytest.fixture(params=["numpy", "reference"])
def backend(request: pytest.FixtureRequest) -> Backend:
    return get_backend(request.param)


def frozen(values: Any, dtype: str = "float64") -> np.ndarray:
    array = np.array(values, dtype)
    array.flags.writeable = False
    return array


def run(backend: Backend, name: str, points: Any, dtype: str = "float64", **options: Any) -> tuple[Any, Any]:
    """Return a kernel's values at some points, and its slopes."""
    kernel = backend.select(name, **options)
    y, saved = kernel.forward(frozen([points], dtype), **options)
    dx = kernel.backward(frozen([[1.0] * len(points)], dtype), saved)
    assert y.dtype == dx.dtype == dtype
    return y[0], dx[0]


POINTS = [-1000.0, -40.0, -3.0, -1.0, -1e-9, 0.0, 1e-9, 1.0, 3.0, 6.0, 1000.0]
ALPHA, SCALE = 1.6732632423543772, 1.0507009873554805
CASES: list[tuple[str, dict[str, Any], Any, Any]] = [
    ("relu6", {}, lambda z: min(max(z, 0), 6), lambda z: float(0 < z < 6)),
    (
        "hard_sigmoid",
        {"slope": 0.25, "offset": 0.5},
        lambda z: min(max(z / 4 + 0.5, 0), 1),
        lambda z: 0.25 * (-2 < z < 2),
    ),
    (
        "hard_swish",
        {},
        lambda z: z * min(max(z + 3, 0), 6) / 6,
        lambda z: 0.0 if z <= -3 else 1.0 if z >= 3 else z / 3 + 0.5,
    ),
    (
        "selu",
        {"alpha": ALPHA, "scale": SCALE},
        lambda z: SCALE * (z if z > 0 else ALPHA * math.expm1(z)),
        lambda z: SCALE * (1 if z > 0 else ALPHA * math.exp(z)),
    ),
    (
        "celu",
        {"alpha": 0.5},
        lambda z: z if z > 0 else 0.5 * math.expm1(z / 0.5),
        lambda z: 1.0 if z > 0 else math.exp(z / 0.5),
    ),
]


@pytest.mark.parametrize(("name", "options", "f", "slope"), CASES)
def test_values_and_slopes(backend: Backend, name: str, options: dict[str, Any], f: Any, slope: Any) -> None:
    """The tolerance is relative: exp(-40) counts as much as 1."""
    y, dx = run(backend, name, POINTS, **options)
    np.testing.assert_allclose(y, [f(z) for z in POINTS], rtol=1e-13)
    np.testing.assert_allclose(dx, [slope(z) for z in POINTS], rtol=1e-13)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("name", "options", "f", "slope"), CASES)
def test_huge_and_infinite_numbers(
    backend: Backend, dtype: str, name: str, options: dict[str, Any], f: Any, slope: Any
) -> None:
    """Each gives what it gives at 1000 or, where it grows, itself times the slope there."""
    points = [-math.inf, -1e38, 1e30, math.inf]
    y, dx = run(backend, name, points, dtype, **options)
    for place, point in enumerate(points):
        near = math.copysign(1000, point)
        assert dx[place] == pytest.approx(slope(near), rel=1e-6)
        wanted = point * slope(near) if slope(near) else f(near)
        assert y[place] == pytest.approx(wanted, rel=1e-6)


def test_celu_of_a_small_alpha(backend: Backend) -> None:
    y, dx = run(backend, "celu", [-1e300, -1.0, 1.0], alpha=1e-9)
    assert (y.tolist(), dx.tolist()) == ([-1e-9, -1e-9, 1], [0, 0, 1])


@pytest.mark.parametrize(
    ("slope", "y", "dslope"), [([0.5, -2.0], [[-2, 6], [0, 5]], [-4, -30]), ([0.5], [[-2, -1.5], [0, 5]], [-34])]
)
def test_prelu(backend: Backend, slope: list[float], y: Any, dslope: Any) -> None:
    kernel = backend.select("prelu")
    found, saved = kernel.forward(frozen([[-4.0, -3.0], [0.0, 5.0]]), frozen(slope))
    assert found.tolist() == y
    dx, own = kernel.backward(frozen([[1.0, 10.0], [100.0, 1000.0]]), saved, frozen(slope))
    assert own.tolist() == dslope
    assert dx.tolist() == [[slope[0], 10 * slope[-1]], [100 * slope[0], 1000]]
