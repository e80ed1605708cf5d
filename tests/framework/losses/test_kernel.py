"""Losses over a kernel of the backend: each reduction in one of one's own; all of ours are in test_every_loss.py."""

from typing import Any

import numpy as np
import pytest

from lamina import Loss, get_backend
from lamina.errors import ArgumentError
from lamina.losses.kernel import KernelLoss
from lamina.losses.regression import RegressionLoss
from lamina.testing import check_loss


class Squares(RegressionLoss):
    """As written before there were reductions: with a constructor that tells its base nothing."""

    kernel_name = "mean_squared_error"

    def __init__(self, scale: float = 1.0) -> None:
        self.scale = scale


class Halved(Squares):
    """Whose backward is written without a gradient of the loss."""

    def backward(self, saved: Any) -> Any:  # type: ignore[override]
        return 0.5 * super().backward(saved)


class Own(Loss):
    """A loss that is none over a kernel, with all reductions."""

    def __init__(self, reduction: str = "mean") -> None:
        self.reduction = reduction

    def forward(self, prediction: Any, target: Any, lengths: Any = None, mask: Any = None) -> Any:
        backend = self.backend_for(prediction)
        shape = prediction.shape[:-1]
        weight = self.step_weights(backend, shape, prediction.dtype, lengths, mask).reshape(shape)
        difference = np.where(weight[..., None] == 0, 0, prediction - np.asarray(target, prediction.dtype))
        rows = (difference**2).sum(-1) * weight
        return rows if self.reduction == "none" else rows.sum(), (difference, weight)

    def backward(self, saved: Any, dloss: Any = None) -> Any:
        difference, weight = saved
        return 2 * difference * (weight if dloss is None else weight * dloss)[..., None]


def test_a_loss_without_the_argument_is_the_mean() -> None:
    assert Squares().reduction == Halved().reduction == Own().reduction == "mean"
    assert Squares()(np.array([[1.0], [3.0]]), [[0.0], [0.0]]) == 5.0
    assert check_loss(Squares(), (4, 5, 3)).passed.count("reductions") == 1


def test_a_backward_without_a_gradient_of_the_loss_is_as_before() -> None:
    loss = Halved()
    _, saved = loss.forward(np.array([[2.0]]), [[0.0]])
    assert loss.backward(saved).tolist() == [[2.0]]
    _, saved = loss.forward(np.array([[2.0]]), [[0.0]])
    with pytest.raises(
        ArgumentError, match=r"^Halved: expected no gradient of a loss that is one number, got ndarray$"
    ):
        loss.backward(saved, np.ones(1))


def test_one_of_ones_own_with_all_reductions_is_proven_too() -> None:
    report = check_loss(Own(), (4, 5, 3), backend="numpy")
    assert "reductions" in report.passed
    for reduction in ("sum", "none"):
        assert "left out" in check_loss(Own(reduction), (4, 5, 3), backend="numpy").passed


def test_a_wrong_reduction_is_found() -> None:
    class Divided(Own):
        def forward(self, prediction: Any, target: Any, lengths: Any = None, mask: Any = None) -> Any:
            value, saved = super().forward(prediction, target, lengths, mask)
            return (value / 2 if self.reduction == "sum" else value), saved

    class Forgetful(Own):
        def backward(self, saved: Any, dloss: Any = None) -> Any:
            return super().backward(saved)

    with pytest.raises(AssertionError, match=r"reductions: sum with nothing left out, against the mean times 20 terms"):
        check_loss(Divided(), (4, 5, 3), backend="numpy")
    with pytest.raises(AssertionError, match=r"reductions: with reduction='none' and nothing left out: gradient of "):
        check_loss(Forgetful(), (4, 5, 3), backend="numpy")


@pytest.mark.parametrize("backend", ["numpy", "reference"])
def test_weights_are_over_their_sum_for_the_mean_alone(backend: str) -> None:
    on = get_backend(backend)
    given = on, (2, 2), np.dtype("float64"), [2, 1], [[0.5, 1.5], [2.0, 9.0]]
    for reduction, divisor in (("mean", 4.0), ("sum", 1.0), ("none", 1.0)):
        loss = KernelLoss(reduction=reduction)
        np.testing.assert_array_equal(loss.step_weights(*given), np.array([0.5, 1.5, 2.0, 0.0]) / divisor)
        assert loss.step_weights(on, (4,), np.dtype("float64")).tolist() == [1 / divisor] * 4
        np.testing.assert_array_equal(loss.weigh_steps(*given), [0.5, 1.5, 2.0, 0.0])


def test_defaults_are_as_written_out(defaults: Any) -> None:
    assert defaults(KernelLoss) == {"reduction": "mean"}
