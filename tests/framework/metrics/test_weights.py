"""Sample weights in every metric: a whole weight is so many rows alike, and of weight 0 is what is not there."""

import functools
import math
from typing import Any

import numpy as np
import pytest

import lamina
from lamina.backends.numpy.backend import NumPyBackend
from lamina.errors import ArgumentError, DataError, DTypeError, ShapeError
from lamina.metrics import (
    F1,
    ROCAUC,
    Accuracy,
    AveragePrecision,
    BrierScore,
    ConfusionMatrix,
    ExpectedCalibrationError,
    FBeta,
    FunctionMetric,
    Metric,
    Precision,
    RateAt,
    Recall,
    RSquared,
)
from lamina.metrics.counting import Counts
from lamina.metrics.ratio import Ratio
from lamina.metrics.weights import takes_weight
from lamina.testing import register_strict_backend

REGISTRY = lamina.metrics.Metric.registry
OURS = [
    REGISTRY.find(name) for name in REGISTRY.names() if REGISTRY.find(name).__module__.startswith("lamina.metrics.")
]


def takes_numbers(cls: Any) -> bool:
    return cls.__module__ == "lamina.metrics.regression"


def weighted_mean(prediction: Any, target: Any, sample_weight: Any = None) -> float:
    return float(np.average(prediction.mean(-1) - target, weights=sample_weight))


# Every metric, in every way that it counts: (metric, what its target is).
WAYS: list[tuple[Metric, str]] = [
    *((cls(), "numbers") for cls in OURS if takes_numbers(cls)),
    *((cls(), "labels") for cls in OURS if not takes_numbers(cls) and not issubclass(cls, Counts)),
    *((cls(average), "labels") for cls in (Precision, Recall, F1) for average in (None, "macro", "micro", "weighted")),
    *((cls(None), "labels") for cls in (ROCAUC, AveragePrecision)),
    (RateAt(), "yes"),
    *((cls(), "yes") for cls in (Accuracy, Precision, Recall, F1, FBeta, ROCAUC, AveragePrecision)),
    *((cls(), "yes") for cls in (ExpectedCalibrationError, BrierScore)),
    *((cls("macro", multi_label=True), "several") for cls in (Precision, Recall, F1, ROCAUC, AveragePrecision)),
    (FBeta(2.0, "macro"), "labels"),
    (FunctionMetric(weighted_mean), "labels"),
]  # fmt: skip
NAMES = [f"{'function' if isinstance(metric, FunctionMetric) else metric}-{kind}" for metric, kind in WAYS]
EACH = pytest.mark.parametrize(("metric", "kind"), WAYS, ids=NAMES)


@pytest.fixture(params=["numpy", "reference", "array-api-strict"])
def backend(request: pytest.FixtureRequest) -> lamina.Backend:
    return register_strict_backend() if "strict" in request.param else lamina.get_backend(request.param)


def arrays(kind: str, *rows: int, seed: int = 0) -> tuple[Any, Any]:
    """Return predictions and targets of one kind."""
    rng = np.random.default_rng(seed)
    prediction = rng.standard_normal((*rows, 1 if kind == "yes" else 3))
    target: Any = {
        "labels": lambda: rng.integers(0, 3, rows),
        "yes": lambda: rng.integers(0, 2, (*rows, 1)),
        "several": lambda: rng.integers(0, 2, (*rows, 3)),
        "numbers": lambda: rng.standard_normal((*rows, 3)),
    }[kind]()
    return prediction, target


def streamed(metric: Metric, backend: lamina.Backend, size: int, *given: Any) -> Any:
    metric.reset()
    for start in range(0, len(given[0]), size):
        x, y, lengths, weight = (None if one is None else one[start : start + size] for one in given)
        weight = None if weight is None else backend.asarray(weight)
        metric.update(backend.asarray(x), backend.asarray(y), lengths, backend, weight)
    return metric.result()


def test_every_metric_is_here_and_takes_weights() -> None:
    assert {type(metric) for metric, _ in WAYS} == {*OURS, FunctionMetric}
    assert all(cls.takes_sample_weight for cls in OURS)


@EACH
@pytest.mark.parametrize("size", [4, 30])
def test_a_whole_weight_is_so_many_rows(backend: lamina.Backend, metric: Metric, kind: str, size: int) -> None:
    prediction, target = arrays(kind, 30)
    weight = np.random.default_rng(1).integers(0, 4, 30)
    weight[:5] = 0  # a batch of nothing first
    expected = metric(np.repeat(prediction, weight, axis=0), np.repeat(target, weight, axis=0))
    assert np.isfinite(expected).all()
    for dtype in ("int64", "float32", "uint8"):
        found = streamed(metric, backend, size, prediction, target, None, weight.astype(dtype))
        np.testing.assert_allclose(found, expected, rtol=1e-11)
    np.testing.assert_allclose(metric(prediction, target, sample_weight=weight.tolist()), expected, rtol=1e-11)


@EACH
@pytest.mark.parametrize("filled", [math.nan, math.inf])
def test_what_has_no_weight_may_be_anything(backend: lamina.Backend, metric: Metric, kind: str, filled: float) -> None:
    prediction, target = arrays(kind, 20)
    weight = np.random.default_rng(2).integers(0, 2, 20) * (1.0 if isinstance(metric, ConfusionMatrix) else 0.75)
    weight[0] = 0
    expected = metric(prediction[weight > 0], target[weight > 0])
    prediction[weight == 0] = filled
    if kind == "numbers":
        target[weight == 0] = filled
    else:
        target[weight == 0] = 99
    np.testing.assert_allclose(streamed(metric, backend, 6, prediction, target, None, weight), expected, rtol=1e-11)
    metric.check_target(target, prediction.shape, None, weight)
    if kind != "numbers" and not isinstance(metric, FunctionMetric):
        weight[:] = 1
        with pytest.raises(DataError):
            streamed(metric, backend, 20, np.zeros_like(prediction), target, None, weight)
        with pytest.raises(DataError):
            metric.check_target(target, prediction.shape, None, weight)


@EACH
def test_weights_of_rows_and_steps_with_lengths(backend: lamina.Backend, metric: Metric, kind: str) -> None:
    prediction, target = arrays(kind, 6, 5)
    lengths, rng = np.array([5, 0, 3, 4, 1, 5]), np.random.default_rng(3)
    valid = np.arange(5) < lengths[:, None]
    prediction[~valid] = math.nan
    for weight in (rng.integers(0, 3, 6), rng.integers(0, 3, (6, 5)).astype(float)):
        steps = np.broadcast_to(weight if weight.ndim == 2 else weight[:, None], (6, 5))[valid].astype(int)
        expected = metric(np.repeat(prediction[valid], steps, axis=0), np.repeat(target[valid], steps, axis=0))
        if weight.ndim == 2:
            weight[~valid] = math.nan  # past a row's end
        np.testing.assert_allclose(streamed(metric, backend, 2, prediction, target, lengths, weight), expected, 1e-11)
        if weight.ndim == 2 and kind != "several":
            flat = np.where(valid, np.nan_to_num(weight), 0)  # a mask in place of lengths
            got = metric(np.nan_to_num(prediction), target, sample_weight=flat)
            np.testing.assert_allclose(got, expected, rtol=1e-11)


@EACH
def test_batches_with_weights_and_without(backend: lamina.Backend, metric: Metric, kind: str) -> None:
    prediction, target = arrays(kind, 15)
    weight = np.ones(15)
    weight[5:10] = [2, 0, 3, 1, 2]
    expected = metric(prediction, target, sample_weight=weight)
    metric.reset()
    for start in (0, 5, 10):
        part = slice(start, start + 5)
        given = backend.asarray(weight[part]) if start == 5 else None
        metric.update(backend.asarray(prediction[part]), backend.asarray(target[part]), None, backend, given)
    np.testing.assert_allclose(metric.result(), expected, rtol=1e-11)


@EACH
def test_no_weight_at_all_is_nothing_counted(backend: lamina.Backend, metric: Metric, kind: str) -> None:
    prediction, target = arrays(kind, 6)
    found = streamed(metric, backend, 4, prediction, target, None, np.zeros(6))
    assert not found.any() if isinstance(metric, ConfusionMatrix) else np.isnan(found).all()


class Device(NumPyBackend):
    """A backend whose values are not to be looked at between batches."""

    name = "test-weights-device"
    on_host = False
    waits = 0

    def item(self, scalar: Any) -> float:
        type(self).waits += 1
        return super().item(scalar)

    def to_numpy(self, array: Any) -> Any:
        type(self).waits += 1
        return super().to_numpy(array)


@pytest.mark.parametrize(("metric", "kind"), WAYS[:-1], ids=NAMES[:-1])
def test_a_device_is_not_waited_for(metric: Metric, kind: str) -> None:
    prediction, target = arrays(kind, 12)
    weight = np.random.default_rng(4).integers(0, 3, 12)
    if kind == "labels":
        target[weight == 0] = 99
    device = Device()
    metric.reset()
    Device.waits = 0
    for part in (slice(0, 5), slice(5, 12)):
        metric.update(prediction[part], target[part], None, device, weight[part])
    assert Device.waits == 0
    np.testing.assert_allclose(metric.result(), metric(prediction, target, sample_weight=weight), rtol=1e-11)
    assert Device.waits


# What is no weight.


@pytest.mark.parametrize(
    ("weight", "error", "message"),
    [
        ([1.0, -1, 1], DataError, r"^Accuracy sample_weight: expected weights of 0 or more, got -1\.0 at index 1$"),
        ([1.0, 1, math.nan], DataError, r"expected weights of 0 or more, got nan at index 2$"),
        ([math.inf, 1, 1], DataError, r"expected weights of 0 or more, got inf at index 0$"),
        ([1.0, 1], ShapeError, r"^Accuracy: expected sample_weight of shape \(3,\), got \(2,\)$"),
        (1.0, ShapeError, r"^Accuracy: expected sample_weight of shape \(3,\), got \(\)$"),
        ([[1.0]] * 3, ShapeError, r"^Accuracy: expected sample_weight of shape \(3,\), got \(3, 1\)$"),
        ([[1.0] * 2] * 3, ShapeError, r"^Accuracy: expected sample_weight of shape \(3,\), got \(3, 2\)$"),
        (["a", "b", "c"], DTypeError, r"^Accuracy: expected numbers as sample_weight, got an array of <U1$"),
        (np.ma.masked_array([1.0, 1, 1]), DataError, r"^Accuracy sample_weight: expected a plain array, got a masked"),
    ],
    ids=str,
)
def test_what_is_no_weight_is_refused(weight: Any, error: Any, message: str) -> None:
    metric = Accuracy()
    logits, labels = np.zeros((3, 2)), np.zeros(3, int)
    with pytest.raises(error, match=message):
        metric(logits, labels, sample_weight=weight)
    if np.shape(weight) != (3, 2):
        with pytest.raises(error, match=message):
            metric.check_weight(weight, (3, 2))
    labels[0] = 7  # so that the check must ask which rows count
    with pytest.raises(error, match=message):
        metric.check_target(labels, (3, 2), None, weight)


def test_weights_of_steps_need_steps() -> None:
    with pytest.raises(ShapeError, match=r"^RSquared: expected sample_weight of shape \(2,\) or \(2, 3\), got \(3,\)$"):
        RSquared()(np.zeros((2, 3, 1)), np.zeros((2, 3, 1)), sample_weight=[1, 1, 1])


# Metrics of one's own.


class Hits(Ratio):
    """One from before there were weights."""

    def update(self, prediction: Any, target: Any, lengths: Any, backend: Any) -> None:
        self.add(backend, backend.xp.sum(backend.astype(prediction == target, backend.dtype("int64"))), len(target))

    def check_target(self, target: Any, shape: Any, lengths: Any = None) -> None:
        assert target.shape == shape


class Weighed(Ratio):
    def update(self, prediction: Any, target: Any, lengths: Any, backend: Any, *, sample_weight: Any = None) -> None:
        weight = backend.full(target.shape, 1.0, backend.dtype("float64")) if sample_weight is None else sample_weight
        self.add(backend, backend.xp.sum(weight * (prediction == target)), backend.xp.sum(weight))


class Whatever(Ratio):
    def update(self, *arguments: Any, **options: Any) -> None:
        self.given = options


class Plain(Accuracy):
    """One that narrows what ours takes."""

    def update(self, prediction: Any, target: Any, lengths: Any, backend: Any) -> None:
        super().update(prediction, target, lengths, backend)


class Derived(Accuracy):
    pass


def test_a_metric_says_whether_it_takes_weights() -> None:
    said = [cls.takes_sample_weight for cls in (Metric, Ratio, Hits, Weighed, Whatever, Plain, Derived)]
    assert said == [False, False, False, True, True, False, True]

    class Unsaid:
        __signature__ = "none that can be read"

    assert not takes_weight(Unsaid())  # type: ignore[arg-type]


def test_a_metric_without_weights_works_as_before_and_refuses_them() -> None:
    x, y, numpy = np.array([1.0, 2.0]), np.array([1.0, 3.0]), lamina.get_backend("numpy")
    metric = Hits()
    assert metric(x, y) == 0.5
    metric.update(x, y, None, numpy)
    metric.update(x, y, None, numpy, None)
    assert metric.result() == 0.5
    metric.check_target(y, (2,), None, [1, 1])
    message = r"^Hits: expected no sample_weight, which its update does not take$"
    for refused in (
        lambda: metric.update(x, y, None, numpy, np.ones(2)),
        lambda: metric(x, y, sample_weight=[1, 1]),
        lambda: metric.check_weight([1, 1], (2,)),
    ):
        with pytest.raises(ArgumentError, match=message):
            refused()
    with pytest.raises(ArgumentError, match=r"^Plain: expected no sample_weight"):
        Plain()(np.eye(2), [0, 1], sample_weight=[1, 1])
    assert Plain()(np.eye(2), [0, 1]) == 1


def test_weights_come_by_name_as_the_backends_float64(backend: lamina.Backend) -> None:
    x, y = backend.asarray(np.array([1.0, 2.0])), backend.asarray(np.array([1.0, 3.0]))
    metric = Whatever()
    metric.update(x, y, None, backend, np.array([1, 3]))
    given = metric.given["sample_weight"]
    assert backend.is_array(given)
    assert given.dtype == backend.dtype("float64")
    metric.update(x, y, None, backend)
    assert metric.given == {}
    assert Weighed()(np.array([1.0, 2.0]), np.array([1.0, 3.0]), sample_weight=[3, 1]) == 0.75


# Functions.


def test_a_function_with_an_argument_for_them_is_given_the_weights(backend: lamina.Backend) -> None:
    sklearn = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(0)
    scores, target, weight = rng.standard_normal(30), rng.integers(0, 2, 30), rng.random(30) * (rng.random(30) > 0.3)
    own = scores.copy()
    own[weight == 0] = math.nan
    for function in (sklearn.roc_auc_score, functools.partial(sklearn.roc_auc_score, max_fpr=None)):
        metric = FunctionMetric(function)
        assert metric.takes_sample_weight
        found = streamed(metric, backend, 7, own, target, None, weight)
        assert found == pytest.approx(sklearn.roc_auc_score(target, scores, sample_weight=weight), rel=1e-12)
    plain = FunctionMetric(lambda p, t: sklearn.roc_auc_score(t, p))
    assert not plain.takes_sample_weight
    mask = (weight > 0).astype(float)
    found = streamed(plain, backend, 7, own, target, None, mask)
    assert found == pytest.approx(sklearn.roc_auc_score(target[mask > 0], scores[mask > 0]), rel=1e-12)


def test_a_function_without_one_takes_weights_of_0_and_1_alone() -> None:
    def share(prediction: Any, target: Any) -> float:
        return float((prediction.argmax(-1) == target).mean())

    metric = FunctionMetric(share, ignore_index=-1)
    logits, labels = np.eye(2)[[[0, 1, 1], [1, 1, 0]]], np.array([[0, 0, 1], [1, -1, 1]])
    assert metric(logits, labels, sample_weight=[[1, 0, 1], [1, 1, 1]]) == 0.75
    assert metric(logits, labels, lengths=[3, 2], sample_weight=[1, 0]) == pytest.approx(2 / 3)
    metric.check_weight([1, 0], (2, 3, 2))
    metric.check_weight([[1, 0, 1], [1, 1, 5]], (2, 3, 2), np.array([3, 2]))
    message = r"^metric 'share': expected sample_weight of 0 and 1 alone, as the function has no argument of that name$"
    for refused in (
        lambda: metric(logits, labels, sample_weight=[1, 0.5]),
        lambda: metric.check_weight([1, 0.5], (2, 3, 2)),
    ):
        with pytest.raises(ArgumentError, match=message):
            refused()


def test_weights_of_ignored_labels_and_of_chunks_go_with_them() -> None:
    seen = []

    def noted(prediction: Any, target: Any, sample_weight: Any = None) -> float:
        seen.append((target.tolist(), sample_weight.tolist()))
        return 0.0

    metric, numpy = FunctionMetric(noted, ignore_index=-1), lamina.get_backend("numpy")
    metric.update(np.zeros((2, 3, 2)), np.array([[0, -1, 2], [3, 4, -1]]), None, numpy, np.array([2.0, 3]))
    metric.update(np.zeros((1, 2, 2)), np.array([[5, 6]]), None, numpy, np.array([[7.0, 0]]))
    metric.update(np.zeros((1, 2)), np.array([8]), None, numpy)
    metric.result()
    assert seen == [([0, 2, 3, 4, 5, 8], [2, 2, 3, 3, 7, 1])]
    chunks = FunctionMetric(noted)
    for steps in (2, 1):
        chunks.update(np.zeros((2, steps, 2)), np.zeros((2, steps), int), None, numpy, np.array([1.0, 2]))
    chunks.result()
    assert seen[1] == ([0] * 6, [1, 1, 2, 2, 1, 2])


def test_what_takes_weights_is_told_from_the_signature() -> None:
    def decorated(function: Any) -> Any:
        @functools.wraps(function)
        def wrapper(*arguments: Any, **options: Any) -> Any:
            return function(*arguments, **options)

        return wrapper

    def anything(*arguments: Any, **options: Any) -> None: ...

    assert takes_weight(decorated(weighted_mean))
    assert takes_weight(anything)
    assert not takes_weight(anything, anything=False)
    assert not takes_weight(len)
    assert not takes_weight(print)
