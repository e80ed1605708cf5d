"""Losses of one's own, from a function and its derivative."""

import pickle
from typing import Any

import numpy as np
import pytest

import lamina
from lamina.losses import ElementwiseLoss
from lamina.testing import LossCheckError, check_loss


class Cubed(ElementwiseLoss):
    def value(self, xp: Any, prediction: Any, target: Any) -> Any:
        return xp.abs(prediction - target) ** 3

    def derivative(self, xp: Any, prediction: Any, target: Any) -> Any:
        return 3 * (prediction - target) * xp.abs(prediction - target)


class Ratio(ElementwiseLoss):
    """Only for numbers above 0, and with a setting."""

    def __init__(self, power: float = 2.0, *, reduction: str = "mean") -> None:
        super().__init__(reduction=reduction)
        self.power = power

    def value(self, xp: Any, prediction: Any, target: Any) -> Any:
        return xp.log(prediction / target) ** self.power

    def derivative(self, xp: Any, prediction: Any, target: Any) -> Any:
        return self.power * xp.log(prediction / target) ** (self.power - 1) / prediction


@pytest.mark.parametrize("backend", ["numpy", "reference", "array-api-strict"])
@pytest.mark.parametrize("shape", [(5, 3), (5, 4, 3), (5, 2, 2, 3)], ids=str)
def test_five_lines_are_a_loss(backend: str, shape: tuple[int, ...]) -> None:
    if backend == "array-api-strict":
        lamina.testing.register_strict_backend()
    report = check_loss(Cubed(), shape, backend=backend)
    assert report.worst_error < 1e-6
    assert {"gradients", "left out", "nothing counts", "reductions"} <= set(report.passed)


def test_a_wrong_derivative_is_found() -> None:
    class Wrong(Cubed):
        def derivative(self, xp: Any, prediction: Any, target: Any) -> Any:
            return super().derivative(xp, prediction, target) * 1.001

    with pytest.raises(LossCheckError, match=r"Wrong\(\): gradients: with nothing left out: gradient of prediction"):
        check_loss(Wrong(), (4, 3))


@pytest.mark.filterwarnings("error")
def test_neither_function_sees_what_does_not_count() -> None:
    loss, prediction = Ratio(reduction="sum"), np.array([[np.e, 2.0], [-1.0, np.nan], [0.0, np.inf]])
    value, saved = loss.forward(prediction, [[1.0, 2.0], [0.0, 0.0], [np.nan, 1.0]], mask=[3, 0, 0])
    assert float(value) == pytest.approx(3 / 2)
    np.testing.assert_allclose(loss.backward(saved), [[3 * 2 / np.e / 2, 0], [0, 0], [0, 0]])


def test_it_trains_and_is_stored() -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((64, 3))
    model = lamina.Sequential(lamina.layers.Dense(1))
    trainer = lamina.Trainer(model, Cubed(), lambda parameters: lamina.optimizers.Adam(parameters, lr=0.05))
    history = trainer.fit(x, x[:, :1], epochs=60, verbose=False)
    assert history["loss"][-1] < 0.1 * history["loss"][0]
    again = pickle.loads(pickle.dumps(Ratio(4.0, reduction="sum")))
    assert repr(again) == "Ratio(power=4.0, reduction='sum')"


@pytest.mark.parametrize("method", ["value", "derivative"])
def test_a_loss_that_lacks_a_function_says_which(method: str) -> None:
    class Unfinished(ElementwiseLoss):
        pass

    with pytest.raises(NotImplementedError, match=f"^Unfinished does not define {method}$"):
        getattr(Unfinished(), method)(np, np.zeros((1, 1)), np.zeros((1, 1)))


def test_defaults_are_as_written_out(defaults: Any) -> None:
    assert defaults(ElementwiseLoss) == {"reduction": "mean"}
