"""A loss as a metric: lower is better, and weights of rows go into its mask, however the rows come in batches."""

from typing import Any

import numpy as np
import pytest

import lamina
from lamina import losses
from lamina.losses import Loss
from lamina.metrics import FunctionMetric, find_metrics

RNG = np.random.default_rng(0)
WEIGHTS = np.array([0.5, 2.0, 0.0, 1.0, 3.0, 0.25, 1.0])
# Of each kind of target, which losses; their sum over rows is weighted by hand.
NUMBERS, YES_OR_NO, CLASSES = RNG.random((7, 3)), RNG.integers(0, 2, (7, 3)), RNG.integers(0, 3, 7)
TARGETS = {
    losses.MeanSquaredError: NUMBERS,
    losses.MeanAbsoluteError: NUMBERS,
    losses.MeanSquaredLogarithmicError: NUMBERS,
    losses.Huber: NUMBERS,
    losses.LogCosh: NUMBERS,
    losses.CosineSimilarity: NUMBERS,
    losses.PoissonNegativeLogLikelihood: YES_OR_NO,
    losses.BinaryCrossEntropy: YES_OR_NO,
    losses.BinaryFocalCrossEntropy: YES_OR_NO,
    losses.Hinge: YES_OR_NO * 2 - 1,
    losses.Dice: YES_OR_NO,
    losses.SoftmaxCrossEntropy: CLASSES,
    losses.SoftmaxFocalCrossEntropy: CLASSES,
    losses.CategoricalHinge: CLASSES,
}


@pytest.mark.parametrize("kind", TARGETS, ids=lambda kind: kind.__name__)
def test_weights_go_into_the_mask(kind: type[Loss]) -> None:
    prediction, target = RNG.random((7, 3)), TARGETS[kind]
    each: Any = kind(reduction="none")(prediction, target)  # type: ignore[call-arg]
    metric = FunctionMetric(kind())
    assert metric.takes_sample_weight
    assert metric.higher_is_better is False
    assert metric(prediction, target) == pytest.approx(each.mean(), rel=1e-12)
    wanted = pytest.approx((WEIGHTS * each).sum() / WEIGHTS.sum(), rel=1e-12)
    assert metric(prediction, target, sample_weight=WEIGHTS) == wanted
    metric.reset()
    for part in (slice(0, 2), slice(2, 6), slice(6, 7)):
        metric.update(prediction[part], target[part], None, lamina.get_backend("numpy"), WEIGHTS[part])
    assert metric.result() == wanted


def test_weights_of_steps_and_lengths() -> None:
    prediction, target, weights = RNG.random((2, 3, 4)), RNG.random((2, 3, 4)), np.array([[1.0, 2, 3], [4, 5, 6]])
    each = ((prediction - target) ** 2).mean(-1)
    wanted = (weights * each)[0].sum() + (weights * each)[1, :2].sum()
    found = FunctionMetric(losses.MeanSquaredError())(prediction, target, lengths=[3, 2], sample_weight=weights)
    assert found == pytest.approx(wanted / (1 + 2 + 3 + 4 + 5), rel=1e-12)


def test_a_loss_of_ones_own_without_a_mask_takes_weights_of_0_and_1_alone() -> None:
    class Plain(Loss):
        def forward(self, prediction: Any, target: Any) -> Any:
            return np.abs(prediction - target).mean(), None

    metric = FunctionMetric(Plain())
    assert not metric.takes_sample_weight
    assert metric([[1.0], [2.0]], [[1.0], [4.0]], sample_weight=[1, 0]) == 0.0
    with pytest.raises(lamina.errors.ArgumentError, match=r"^metric 'Plain': expected sample_weight of 0 and 1 "):
        metric([[1.0], [2.0]], [[1.0], [4.0]], sample_weight=[1, 0.5])


def test_training_keeps_the_weights_of_the_least() -> None:
    model = lamina.layers.Dense(1)
    x = np.linspace(-1, 1, 16, dtype=np.float32)[:, None]
    stop = lamina.callbacks.EarlyStopping("val_Huber", patience=9)
    optimizer = lambda parameters: lamina.optimizers.SGD(parameters, lr=0.5)  # noqa: E731
    trainer = lamina.Trainer(model, "mse", optimizer, metrics=losses.Huber(), callbacks=stop)
    history = trainer.fit(x, 3 * x, validation_data=(x, 3 * x), epochs=5, verbose=False)
    figures = history["val_Huber"]
    assert figures[-1] < figures[0]
    assert stop.best_value == min(figures)


def test_it_is_found_by_the_loss() -> None:
    (metric,) = find_metrics(losses.Huber())
    assert isinstance(metric, FunctionMetric)
    assert (metric.name, metric.higher_is_better) == ("Huber", False)
