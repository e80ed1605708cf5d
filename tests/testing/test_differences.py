"""Central differences: exact up to their order, and what was moved is put back."""

import numpy as np
import pytest

from lamina.errors import ArgumentError
from lamina.testing import CheckError, check_gradients
from lamina.testing.differences import BlurredError, Place, slopes, stencil_of

RNG = np.random.default_rng(0)


def polynomial(degree):
    """Return a polynomial of one variable, and its slope."""
    made = np.polynomial.Polynomial(RNG.normal(size=degree + 1))
    return made, made.deriv()


@pytest.mark.parametrize(("points", "exact"), [(2, 2), (4, 4)])
@pytest.mark.parametrize("degree", range(7))
def test_a_difference_is_exact_up_to_its_order(points, exact, degree):
    value, slope = polynomial(degree)
    at = {"x": np.array([0.7])}
    place = Place("x", at["x"].copy(), slope(at["x"]), lambda new: at.update(x=new))
    measured, claimed = slopes(
        lambda: float(value(at["x"])[0]), [place], stencil_of(points, 0.3), np.random.default_rng(1)
    )
    direction = np.random.default_rng(1).standard_normal(1)
    assert claimed == pytest.approx(float(slope(0.7) * direction[0]))
    assert (measured == pytest.approx(claimed, rel=1e-10)) == (degree <= exact)
    assert at["x"] == 0.7


def test_what_was_moved_is_put_back_after_an_error():
    at = {"x": np.array([0.7, 0.1])}
    place = Place("x", at["x"].copy(), np.zeros(2), lambda new: at.update(x=new))
    with pytest.raises(ZeroDivisionError):
        slopes(lambda: 1 / 0, [place], stencil_of(4, 0.1), RNG)
    assert at["x"].tolist() == [0.7, 0.1]


@pytest.mark.parametrize("points", [0, 1, 3, 5])
def test_there_is_none_of_other_points(points):
    with pytest.raises(ArgumentError, match=f"expected 2 or 4 points, got {points}"):
        check_gradients(lambda x: (float(x.sum()), [np.ones_like(x)]), np.ones(3), points=points)


@pytest.mark.parametrize("points", [2, 4])
def test_a_wrong_gradient_passes_at_no_number_of_points(points):
    def value(x, factor=1.0):
        return float(np.sum(np.sin(x))), [factor * np.cos(x)]

    x = RNG.normal(size=5)
    assert check_gradients(value, x, step=1e-3, points=points, tolerance=1e-5) < 1e-5
    with pytest.raises(CheckError):
        check_gradients(lambda x: value(x, 1.001), x, step=1e-3, points=points, tolerance=1e-5)


def _enlarged(x, factor=1e9):
    """Return a smooth function's value and gradient, with the rounding of x enlarged in the value."""
    rounding = float(np.sum((x * 3.0) / 3.0 - x) + np.sum((x + 1.0) - 1.0 - x))
    return float(np.sum(np.sin(x))) + factor * rounding, np.cos(x)


def test_what_rounding_hides_is_said_to_be_hidden():
    x = np.random.default_rng(0).normal(size=7)
    for step in (1e-6, 1e-4):
        with pytest.raises(BlurredError, match="rounding hides it"):
            check_gradients(_enlarged, x, step=step)


@pytest.mark.parametrize("factor", [0.0, 1.0, 1e3])
def test_a_wrong_gradient_is_not_taken_for_rounding(factor):
    x = np.random.default_rng(1).normal(size=7)

    def wrong(x):
        value, gradient = _enlarged(x, factor)
        gradient[3] *= 0.9
        return value, gradient

    with pytest.raises(CheckError) as caught:
        check_gradients(wrong, x, step=1e-4)
    assert not isinstance(caught.value, BlurredError)
