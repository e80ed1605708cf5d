"""Metrics over classes refuse what is no label of theirs, as losses do, and count no row of NaN as right."""

import math
import warnings
from typing import Any

import numpy as np
import pytest

import lamina
from lamina.backends.numpy.backend import NumPyBackend
from lamina.errors import DataError, DTypeError, LaminaError, ShapeError
from lamina.losses import SoftmaxCrossEntropy
from lamina.metrics import (
    F1,
    ROCAUC,
    Accuracy,
    AveragePrecision,
    BrierScore,
    ConfusionMatrix,
    ExpectedCalibrationError,
    FBeta,
    MeanAbsoluteError,
    MeanAbsolutePercentageError,
    MeanSquaredError,
    Metric,
    Perplexity,
    Precision,
    RateAt,
    Recall,
    RootMeanSquaredError,
    RSquared,
    TopKAccuracy,
)
from lamina.metrics.labels import Labelled
from lamina.testing import register_strict_backend

# All metrics over classes, in each of their ways to count; the yes and no of one logit stand below.
OVER_CLASSES: list[Labelled] = [
    Accuracy(),
    TopKAccuracy(2),
    Perplexity(),
    ConfusionMatrix(),
    *(cls(average) for cls in (Precision, Recall, F1) for average in ("macro", "micro", "weighted")),  # type: ignore[arg-type]
    FBeta(2.0, "macro"),
    ROCAUC(),
    RateAt(),
    AveragePrecision(),
    ExpectedCalibrationError(),
    BrierScore(),
]
# Those of which NaN makes NaN, not a miss.
OF_PROBABILITIES = (Perplexity, ROCAUC, AveragePrecision, RateAt, ExpectedCalibrationError, BrierScore)
NAMES = [repr(metric) for metric in OVER_CLASSES]
YES_OR_NO: list[Labelled] = [Accuracy(), Precision(), Recall(), F1()]
OF_NUMBERS: list[Metric] = [
    MeanAbsoluteError(),
    MeanAbsolutePercentageError(),
    MeanSquaredError(),
    RootMeanSquaredError(),
    RSquared(),
]
RNG = np.random.default_rng(0)
LOGITS = RNG.standard_normal((6, 3))


@pytest.fixture(params=["numpy", "reference", "array-api-strict"])
def backend(request: pytest.FixtureRequest) -> lamina.Backend:
    return register_strict_backend() if "strict" in request.param else lamina.get_backend(request.param)


def streamed(metric: Metric, backend: lamina.Backend, *batches: tuple[Any, ...]) -> Any:
    metric.reset()
    for prediction, target, lengths in batches:
        x, y = backend.asarray(np.asarray(prediction)), backend.asarray(np.asarray(target))
        metric.update(x, y, None if lengths is None else np.asarray(lengths), backend)
    return metric.result()


def test_every_metric_over_classes_is_here() -> None:
    registry = lamina.metrics.Metric.registry
    found = {registry.find(name) for name in registry.names() if registry.find(name).__module__.startswith("lamina.")}
    listed = {type(metric) for metric in (*OVER_CLASSES, *OF_NUMBERS)}
    assert listed == found
    assert {cls for cls in found if issubclass(cls, Labelled)} == {type(metric) for metric in OVER_CLASSES}


def test_labels_are_read_step_by_step(backend: lamina.Backend) -> None:
    logits = np.arange(12.0).reshape(2, 2, 3)
    logits[1, 1] = np.nan
    labels, lengths = np.array([[2, -1], [1, 99]]), np.array([2, 1])

    def read(target: Any, lengths: Any, ignore: int | None) -> list[Any]:
        rows = Accuracy(ignore).read(backend.asarray(logits), backend.asarray(target), lengths, backend)
        arrays = rows.labels_within(backend), rows.counted, rows.sound
        return [None if array is None else backend.to_numpy(array).tolist() for array in arrays]

    assert read(labels, lengths, -1) == [[2, 0, 1, 0], [True, False, True, False], [True, True, True, False]]
    one_hot = np.eye(3)[[[0, 2], [1, 1]]]
    assert read(one_hot, lengths, 0) == [[0, 2, 1, 0], [True, True, True, False], [True, True, True, False]]
    assert read(one_hot, None, 0)[1] is None
    logits[1, 1] = 0
    assert read(labels, lengths, -1)[2] is None


# Labels and targets.


@pytest.mark.parametrize("metric", OVER_CLASSES, ids=NAMES)
@pytest.mark.parametrize(("wrong", "index"), [(3, 2), (-1, 0), (-3, 5), (2**40, 1)])
@pytest.mark.parametrize("dtype", ["int64", "int16", "uint8", "uint64"])
def test_labels_out_of_range_are_refused(
    backend: lamina.Backend, metric: Labelled, wrong: int, index: int, dtype: str
) -> None:
    if not np.iinfo(dtype).min <= wrong <= np.iinfo(dtype).max:
        wrong = int(np.iinfo(dtype).max)
    labels = np.zeros(6, dtype)
    labels[index] = wrong
    with pytest.raises(DataError) as caught:
        streamed(metric, backend, (LOGITS, labels, None))
    name = type(metric).__name__
    assert str(caught.value) == f"{name}: expected labels from 0 to 2, got {wrong} at index {index}"
    # The loss says the same of the same labels.
    with pytest.raises(DataError, match=rf"expected labels from 0 to 2, got {wrong} at index {index}$"):
        SoftmaxCrossEntropy()(LOGITS, labels)


@pytest.mark.parametrize("metric", OVER_CLASSES, ids=NAMES)
def test_what_does_not_count_may_be_no_label(backend: lamina.Backend, metric: Labelled) -> None:
    steps, labels = np.stack([LOGITS, LOGITS]), np.array([[0, 1, 2, 7, 7, 7], [1, 0, -9, 2, 1, 7]])
    kept = np.array([True] * 3 + [False] * 3 + [True, True, False, True, True, False])
    expected = streamed(metric, backend, (steps.reshape(-1, 3)[kept], labels.reshape(-1)[kept], None))
    ignoring = type(metric)(**{**metric.config(), "ignore_index": -9})
    np.testing.assert_allclose(streamed(ignoring, backend, (steps, labels, [3, 5])), expected, rtol=1e-14)
    assert np.isfinite(expected).all()
    with pytest.raises(DataError, match=r"got 7 at index \(1, 5\)$"):
        streamed(ignoring, backend, (steps, labels, [3, 6]))


@pytest.mark.parametrize("metric", OVER_CLASSES, ids=NAMES)
def test_labels_that_are_no_whole_numbers_are_refused(backend: lamina.Backend, metric: Labelled) -> None:
    for labels in ([0.0, 2.7, 1.2, 1, 2, 0], [0.0, 1, 2, 0, 1, 2], [True, False] * 3, [math.nan] * 6):
        with pytest.raises(DTypeError, match=r"expected integer labels, got an array of (float64|bool)$"):
            streamed(metric, backend, (LOGITS, labels, None))
    for text in (["a"] * 6, [b"1"] * 6, [None] * 6):
        with pytest.raises(DTypeError, match=r"expected integer labels, got an array of "):
            metric(LOGITS, np.array(text))


@pytest.mark.parametrize("metric", [one for one in OVER_CLASSES if one.takes_probabilities], ids=repr)
def test_targets_that_are_no_probabilities_are_refused(backend: lamina.Backend, metric: Labelled) -> None:
    good = np.eye(3)[[0, 1, 2, 0, 1, 2]]
    streamed(metric, backend, (LOGITS, good, None))
    for row in ([1, 1, 0], [0, 0, 0], [1.5, -0.5, 0], [math.nan, 0, 1]):
        target = good.copy()
        target[4] = row
        with pytest.raises(DataError, match=r"expected probabilities that sum to 1, got \[.*\] at index 4$"):
            streamed(metric, backend, (LOGITS, target, None))
        streamed(metric, backend, (LOGITS[None], target[None], [4]))  # past the end


@pytest.mark.parametrize("metric", YES_OR_NO, ids=repr)
def test_targets_of_yes_and_no_are_from_0_to_1(backend: lamina.Backend, metric: Labelled) -> None:
    logits = LOGITS[:, :1]
    for value in (2.0, -1.0, math.nan):
        target = np.ones((6, 1))
        target[3] = value
        with pytest.raises(DataError, match=r"expected targets from 0 to 1, got .* at index \(3, 0\)$"):
            streamed(metric, backend, (logits, target, None))
        streamed(metric, backend, (logits[None], target[None], [3]))


@pytest.mark.parametrize("metric", OVER_CLASSES, ids=NAMES)
@pytest.mark.parametrize(
    ("shape", "labels"),
    [((3,), (3,)), ((3,), ()), ((0,), ()), ((2, 0), (2,)), ((2, 3), (3,)), ((2, 4, 3), (2, 3)), ((2, 4, 3), (4, 2))],
)
def test_shapes_that_do_not_fit_are_refused(metric: Labelled, shape: Any, labels: Any) -> None:
    if shape == labels and isinstance(metric, OF_PROBABILITIES[1:]):
        pytest.skip("one output alone may have no axis of its own")
    with pytest.raises(ShapeError, match=rf"^{type(metric).__name__}: expected "):
        metric(np.zeros(shape), np.zeros(labels, int))


@pytest.mark.parametrize("metric", OVER_CLASSES, ids=NAMES)
def test_lengths_need_an_axis_of_time(metric: Labelled) -> None:
    with pytest.raises(ShapeError, match=r"lengths need \(batch, time, classes\), got \(6, 3\)$"):
        metric(LOGITS, [0] * 6, lengths=[1] * 6)


@pytest.mark.parametrize("metric", OVER_CLASSES, ids=NAMES)
def test_more_axes_than_time_are_rows_too(backend: lamina.Backend, metric: Labelled) -> None:
    logits, labels = RNG.standard_normal((2, 4, 5, 3)), RNG.integers(0, 3, (2, 4, 5))
    valid = np.arange(4) < np.array([[3], [1]])
    expected = streamed(metric, backend, (logits[valid].reshape(-1, 3), labels[valid].reshape(-1), None))
    np.testing.assert_allclose(streamed(metric, backend, (logits, labels, [3, 1])), expected, rtol=1e-14)


@pytest.mark.parametrize("metric", OVER_CLASSES, ids=NAMES)
def test_no_rows_are_nothing_and_no_error(backend: lamina.Backend, metric: Labelled) -> None:
    found = streamed(metric, backend, (np.zeros((0, 3)), np.zeros(0, int), None))
    assert not found.any() if metric.gives_array else math.isnan(found)


class Device(NumPyBackend):
    """A backend whose values are not to be looked at between batches."""

    name = "test-labels-device"
    on_host = False
    waits = 0

    def item(self, scalar: Any) -> float:
        type(self).waits += 1
        return super().item(scalar)

    def to_numpy(self, array: Any) -> Any:
        type(self).waits += 1
        return super().to_numpy(array)


@pytest.mark.parametrize("metric", OVER_CLASSES, ids=NAMES)
def test_a_device_tells_of_wrong_labels_with_the_result(metric: Labelled) -> None:
    device = Device()
    metric.reset()
    Device.waits = 0
    metric.update(LOGITS, np.array([0, 1, 2, 0, 1, 2]), None, device)
    metric.update(LOGITS, np.array([0, 1, -1, 5, 2**40, 2]), None, device)
    assert Device.waits == 0
    with pytest.raises(DataError) as caught:
        metric.result()
    assert str(caught.value) == f"{type(metric).__name__}: expected labels from 0 to 2, got 3 others"
    metric.reset()
    labels = np.array([0, 1, 2, 0, 1, 2])
    metric.update(LOGITS, labels, None, device)
    np.testing.assert_array_equal(metric.result(), metric(LOGITS, labels))


@pytest.mark.parametrize("metric", [one for one in OVER_CLASSES if not one.gives_array], ids=repr)
def test_a_trainer_refuses_wrong_targets_before_anything_changes(metric: Labelled) -> None:
    class Distance(lamina.losses.MeanSquaredError):
        """A loss that takes what is no distribution."""

    x, y = RNG.standard_normal((40, 4)), np.zeros((40, 3))
    y[-1] = 7.0  # in the last batch
    model = lamina.Sequential(lamina.layers.Dense(3))
    model.build((None, 4), seed=0)
    before = model.state_dict()
    trainer = lamina.Trainer(model, Distance(), metrics=[metric])
    with pytest.raises(LaminaError, match=rf"^{type(metric).__name__}: expected "):
        trainer.fit(x, y, epochs=1, batch_size=4, shuffle=False, verbose=False)
    assert all(np.array_equal(before[name], value) for name, value in model.state_dict().items())
    with pytest.raises(LaminaError, match=rf"^{type(metric).__name__}: expected "):
        trainer.evaluate(x, y)


# Rows that are no answer.


def softmax_is_a_number(row: Any) -> bool:
    """By the formula, in float64."""
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        shifted = np.exp(np.asarray(row, float) - np.max(row))
        return bool(np.isfinite(shifted / shifted.sum()).all())


INF, NAN = math.inf, math.nan
ROWS = [[NAN] * 3, [NAN, 5, 1], [1, NAN, 5], [5, 1, NAN], [INF, 0, 1], [INF, INF, 0], [-INF] * 3, [0, -INF, 1]]


@pytest.mark.parametrize("row", ROWS, ids=str)
@pytest.mark.parametrize("label", [0, 1, 2])
@pytest.mark.parametrize("given", ["labels", "one-hot"])
def test_a_row_whose_softmax_is_no_number_is_a_miss(backend: lamina.Backend, row: Any, label: int, given: str) -> None:
    target = np.array([label]) if given == "labels" else np.eye(3)[[label]]
    is_sound = softmax_is_a_number(row)
    for metric in OVER_CLASSES:
        if isinstance(metric, OF_PROBABILITIES):
            if given == "labels" or metric.takes_probabilities:
                found = streamed(metric, backend, ([row], target, None))
                if not isinstance(metric, (ROCAUC, AveragePrecision, RateAt)):  # one row has no order
                    assert math.isnan(found) is not is_sound
                both = streamed(metric, backend, (LOGITS, [0, 1, 2, 0, 1, 2], None), ([row], [label], None))
                assert math.isnan(both) is not is_sound
        elif isinstance(metric, ConfusionMatrix):
            found = streamed(metric, backend, ([row], target, None))
            assert (found.sum(), found[label].sum()) == (1, 1)
            assert found.shape == ((3, 3) if is_sound else (3, 4))
            assert is_sound or found[label, 3] == 1
        elif not is_sound:
            assert streamed(metric, backend, ([row], target, None)) == 0, metric


@pytest.mark.parametrize("metric", YES_OR_NO, ids=repr)
@pytest.mark.parametrize("shape", [(4, 1), (2, 2, 1)])
def test_nan_is_neither_yes_nor_no(backend: lamina.Backend, metric: Labelled, shape: Any) -> None:
    for target in (np.zeros(shape), np.ones(shape), np.eye(4)[0].reshape(shape)):
        assert streamed(metric, backend, (np.full(shape, NAN), target, None)) == 0


@pytest.mark.parametrize("metric", YES_OR_NO[1:], ids=repr)
@pytest.mark.parametrize("label", [0, 1])
def test_nan_is_neither_of_two_classes(backend: lamina.Backend, metric: Labelled, label: int) -> None:
    assert streamed(metric, backend, ([[NAN, 1.0]], [label], None)) == 0
    good = [[0.0, 1.0], [1.0, 0.0]], [1, 0], None
    assert streamed(metric, backend, good) == 1
    assert streamed(F1(), backend, good, ([[NAN, 1.0]], [label], None)) == pytest.approx(2 / 3, rel=1e-15)


@pytest.mark.parametrize("metric", OF_NUMBERS, ids=repr)
@pytest.mark.parametrize("shape", [(4, 2), (2, 3, 2), (5,)])
def test_an_error_of_nan_is_nan(backend: lamina.Backend, metric: Metric, shape: Any) -> None:
    target = RNG.standard_normal(shape)
    prediction = target.copy()
    prediction.reshape(-1)[3] = NAN
    good = target, target, None
    assert math.isnan(streamed(metric, backend, (prediction, target, None)))
    assert math.isnan(streamed(metric, backend, (prediction, target, None), good))
    assert math.isnan(streamed(metric, backend, good, (prediction, target, None)))
    prediction.reshape(-1)[3] = INF
    found = streamed(metric, backend, (prediction, target, None))
    assert found == (-INF if metric.higher_is_better else INF)


@pytest.mark.parametrize("metric", OF_NUMBERS, ids=repr)
def test_targets_that_are_no_numbers_are_refused(metric: Metric) -> None:
    with pytest.raises(DTypeError, match=r"expected numbers as targets, got an array of "):
        metric(np.zeros((2, 1)), np.array([["1"], ["2"]]))


@pytest.mark.parametrize("loss", ["softmax_cross_entropy", "binary_cross_entropy"])
def test_a_model_of_nan_has_no_good_figure(loss: str) -> None:
    units = 3 if loss.startswith("softmax") else 1
    x = RNG.standard_normal((20, 4))
    y = np.zeros(20, int) if units == 3 else np.zeros((20, 1))
    averages = ("macro", "micro") if units == 3 else ("binary",)
    metrics: list[Any] = [Accuracy(), *([TopKAccuracy(2), Perplexity()] if units == 3 else [])]
    for average in averages:
        for cls in (Precision, Recall, F1):
            metrics.append(cls(average))
            metrics[-1].name = f"{cls.name}_{average}"
    model = lamina.Sequential(lamina.layers.Dense(units))
    model.build((None, 4), seed=0)
    parameter = model.parameters()[0]
    parameter.data = np.full(parameter.shape, NAN, "float32")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        found = lamina.Trainer(model, loss, metrics=metrics).evaluate(x, y)
    assert math.isnan(found.pop("loss"))
    assert math.isnan(found.pop("perplexity", NAN))
    assert set(found.values()) == {0.0}


def test_steps_of_several_predictions_each_count_up_to_the_rows_end() -> None:
    rng = np.random.default_rng(2)
    logits, labels, lengths = rng.normal(size=(4, 5, 3, 2)), rng.integers(0, 2, (4, 5, 3)), np.array([5, 0, 2, 3])
    hits = [logits[row, :end].argmax(-1) == labels[row, :end] for row, end in enumerate(lengths)]
    expected = np.concatenate([own.ravel() for own in hits]).mean()
    assert 0 < expected < 1
    assert Accuracy()(logits, labels, lengths) == expected
