"""A function as a metric is called once on all rows, whatever batches they came in; scikit-learn's on the same rows."""

import copy
import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lamina
from lamina.errors import ArgumentError, ShapeError
from lamina.metrics import FunctionMetric
from lamina.testing import register_strict_backend

RNG = np.random.default_rng(3)
LENGTHS = np.array([3, 0, 6, 1, 2])
X = RNG.standard_normal((5, 6, 2))
LABELS, NUMBERS = RNG.integers(0, 3, (5, 6)), RNG.standard_normal((5, 6, 3))
VALID = np.arange(6) < LENGTHS[:, None]


@pytest.fixture(params=["numpy", "reference", "numba", "array-api-strict"])
def backend(request: pytest.FixtureRequest) -> lamina.Backend:
    if request.param == "numba":
        pytest.importorskip("numba")
    return register_strict_backend() if "strict" in request.param else lamina.get_backend(request.param)


def streamed(metric: FunctionMetric, backend: lamina.Backend, *batches: tuple[Any, ...]) -> float:
    metric.reset()
    for prediction, target, lengths in batches:
        x, y = backend.asarray(np.asarray(prediction)), backend.asarray(np.asarray(target))
        metric.update(x, y, None if lengths is None else np.asarray(lengths), backend)
    return metric.result()


def tagger(backend: Any = None) -> Any:
    model = lamina.Sequential(lamina.layers.SimpleRNN(4, return_sequences=True), lamina.layers.Dense(3))
    model.build((None, None, 2), seed=0, backend=backend)
    return model


def median_distance(prediction: Any, target: Any) -> float:
    """One that is no mean of batches."""
    return float(np.median(np.abs(prediction - target)))


@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_any_batch_size_gives_the_figure_of_all_rows(backend: lamina.Backend, size: int) -> None:
    sklearn = pytest.importorskip("sklearn.metrics")

    def macro_f1(prediction: Any, target: Any) -> float:
        return float(sklearn.f1_score(target, prediction.argmax(-1), average="macro"))

    model = tagger(backend)
    logits = model.backend.to_numpy(model(X, lengths=LENGTHS))[VALID]
    labels = lamina.Trainer(model, metrics=[macro_f1])
    found = labels.evaluate(X, LABELS, lengths=LENGTHS, batch_size=size)["macro_f1"]
    expected = sklearn.f1_score(LABELS[VALID], logits.argmax(-1), average="macro")
    assert found == pytest.approx(expected, rel=1e-12)

    numbers = lamina.Trainer(model, "mse", metrics=[sklearn.r2_score, median_distance])
    found = numbers.evaluate(X, NUMBERS, lengths=LENGTHS, batch_size=size)
    assert found["r2_score"] == pytest.approx(sklearn.r2_score(NUMBERS[VALID], logits), rel=1e-5)
    assert found["median_distance"] == pytest.approx(np.median(np.abs(NUMBERS[VALID] - logits)), rel=1e-5)


@pytest.mark.parametrize("size", [1, 4, 5])
@pytest.mark.parametrize("shuffle", [False, True])
def test_training_and_validation_see_all_rows_once(size: int, shuffle: bool) -> None:
    seen: list[int] = []

    def rows(prediction: Any, target: Any) -> float:
        seen.append(len(prediction))
        return float(len(target))

    trainer = lamina.Trainer(tagger(), metrics=[rows], accumulate=2)
    history = trainer.fit(
        X,
        LABELS,
        lengths=LENGTHS,
        epochs=2,
        batch_size=size,
        validation_data=(X, LABELS),
        shuffle=shuffle,
        verbose=False,
    )
    assert history["rows"] == [12, 12]
    assert history["val_rows"] == [5, 5]  # full rows stay (batch, time)
    assert seen == [12, 5, 12, 5]


def test_steps_cut_in_chunks_are_put_together() -> None:
    labels = lamina.Trainer(tagger(), metrics=[lambda p, t: float(t.sum())])
    history = labels.fit(X, LABELS, epochs=1, batch_size=2, truncate=4, verbose=False)  # chunks of 4 and 2 steps
    assert history["<lambda>"] == [LABELS.sum()]


def test_what_is_kept_is_not_written_over() -> None:
    backend, metric = lamina.get_backend("numpy"), FunctionMetric(lambda p, t: float((p * t).sum()))
    prediction, target = np.ones((2, 1)), np.ones((2, 1))
    metric.update(prediction, target, None, backend)
    prediction[:], target[:] = 5, 7
    assert metric.result() == 2


def test_a_label_to_be_ignored_is_left_out(backend: lamina.Backend) -> None:
    def share(prediction: Any, target: Any) -> float:
        return float((prediction.argmax(-1) == target).mean())

    labels = LABELS.copy()
    labels[0, :2] = labels[2, 1] = -1
    kept = VALID & (labels != -1)
    model = tagger(backend)
    loss = lamina.losses.SoftmaxCrossEntropy(ignore_index=-1)
    for given in (share, FunctionMetric(share)):
        found = lamina.Trainer(model, loss, metrics=[given]).evaluate(X, labels, lengths=LENGTHS, batch_size=2)
        logits = model.backend.to_numpy(model(X, lengths=LENGTHS))
        assert found["share"] == pytest.approx((logits.argmax(-1) == labels)[kept].mean(), rel=1e-15)


def test_result_is_asked_at_any_time_and_the_bar_does_not_call_again_and_again(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr("lamina.metrics.kept.time.perf_counter", lambda: now[0])
    calls = []

    def slow(prediction: Any, target: Any) -> float:
        now[0] += 1.0
        calls.append(len(prediction))
        return float(prediction.sum())

    backend, metric = lamina.get_backend("numpy"), FunctionMetric(slow)
    assert math.isnan(metric.so_far())
    for _ in range(100):
        metric.update(np.ones((1, 1)), np.ones((1, 1)), None, backend)
        now[0] += 1.0
        metric.so_far()
    assert calls[0] == 1
    assert 4 <= len(calls) <= 7  # a second each, in a hundred
    assert metric.result() == 100
    assert (metric.result(), metric.so_far(), calls[-1]) == (100, 100, 100)
    metric.update(np.ones((1, 1)), np.ones((1, 1)), None, backend)
    assert (metric.so_far(), metric.result()) == (100, 101)
    metric.reset()
    assert math.isnan(metric.result())


def test_a_copy_shares_what_is_kept_and_goes_its_own_way() -> None:
    backend, metric = lamina.get_backend("numpy"), FunctionMetric(lambda p, t: float(p.sum()))
    metric.update(np.ones((2, 1)), np.ones((2, 1)), None, backend)
    alone = copy.deepcopy(metric)
    alone.update(np.ones((3, 1)), np.ones((3, 1)), None, backend)
    assert (alone.result(), metric.result()) == (5, 2)
    alone.reset()
    assert metric.result() == 2
    assert metric(np.ones((7, 1)), np.ones((7, 1))) == 7
    assert metric.result() == 2


def test_the_function_sees_arrays_of_numpy_and_the_valid_steps(backend: lamina.Backend) -> None:
    seen = []

    def largest(prediction: np.ndarray, target: np.ndarray) -> float:
        assert type(prediction) is type(target) is np.ndarray
        seen.append((prediction.tolist(), target.tolist()))
        return prediction.max()

    steps = np.array([[[1.0], [9.0]], [[2.0], [3.0]]])
    found = streamed(
        FunctionMetric(largest),
        backend,
        (steps, np.array([[0, 1], [2, 3]]), [1, 2]),
        (steps[:1], np.array([[0, 1]]), [0]),
        (steps[:1], np.array([[0, 1]]), [1]),
    )
    assert seen == [([[1.0], [2.0], [3.0], [1.0]], [0, 2, 3, 0])]
    assert found == 3


def test_no_rows_are_nan_and_the_function_is_not_called(backend: lamina.Backend) -> None:
    def fail(prediction: Any, target: Any) -> float:
        raise AssertionError

    assert math.isnan(streamed(FunctionMetric(fail), backend))
    assert math.isnan(streamed(FunctionMetric(fail), backend, (np.zeros((2, 3, 1)), np.zeros((2, 3, 1)), [0, 0])))
    ignoring = FunctionMetric(fail, ignore_index=0)
    assert math.isnan(streamed(ignoring, backend, (np.zeros((2, 3)), np.zeros(2, int), None)))


def test_it_must_return_a_number() -> None:
    numpy = lamina.get_backend("numpy")
    for value, got in (
        ("wide", "str"),
        (None, "NoneType"),
        (1j, "complex"),
        (np.ones(1), r"ndarray of shape \(1,\)"),
        ([1.0], "list"),
    ):

        def returns(prediction: Any, target: Any, value: Any = value) -> Any:
            return value

        with pytest.raises(ArgumentError, match=rf"^metric 'returns': expected a number, got {got}$"):
            streamed(FunctionMetric(returns), numpy, (np.zeros((2, 1)), np.zeros((2, 1)), None))
    for number in (np.float32(2), np.array(2.0), 2, True):
        assert streamed(
            FunctionMetric(lambda p, t, number=number: number), numpy, (np.zeros((2, 1)), [0, 1], None)
        ) == float(number)


def test_shapes_that_do_not_fit_are_refused() -> None:
    numpy, metric = lamina.get_backend("numpy"), FunctionMetric(median_distance)
    with pytest.raises(
        ShapeError, match=r"^metric 'median_distance': expected as many targets as predictions, got 3 and"
    ):
        streamed(metric, numpy, (np.zeros((2, 1)), np.zeros((3, 1)), None))
    with pytest.raises(ShapeError, match=r"expected a target for each step of \(2, 3\), got \(2, 1\)$"):
        streamed(metric, numpy, (np.zeros((2, 3, 1)), np.zeros((2, 1)), [1, 1]))
    with pytest.raises(ShapeError, match=r"expected rows of one shape in all batches, got \(1,\) and \(2,\)$"):
        streamed(
            metric,
            numpy,
            *[(np.zeros((2, n)), np.zeros((2, n)), None) for n in (1, 2)][::-1],
            (np.zeros((2, 2)), np.zeros(2), None),
        )


def named(name: str) -> Callable[..., float]:
    def function(prediction: Any, target: Any) -> float:
        return 0.0

    function.__name__ = name
    return function


@pytest.mark.parametrize(
    ("name", "higher"),
    [
        ("my_error", False),
        ("hinge_loss", False),
        ("PinballLoss", False),
        ("mean_gamma_deviance", False),
        ("mse", False),
        ("RMSE", False),
        ("my_mae", False),
        ("edit_distance", False),
        ("f1_score", True),
        ("accuracy", True),
        ("seasons", True),
    ],
)
def test_the_direction_follows_from_the_name(name: str, higher: bool) -> None:
    function = named(name)
    assert FunctionMetric(function).higher_is_better is higher
    part = FunctionMetric(functools.partial(functools.partial(function)))
    assert (part.name, part.higher_is_better) == (name, higher)
    function.higher_is_better = not higher  # type: ignore[attr-defined]
    assert FunctionMetric(function).higher_is_better is FunctionMetric(functools.partial(function)).higher_is_better
    assert FunctionMetric(function).higher_is_better is not higher


def test_scikit_learns_functions_get_the_target_first() -> None:
    sklearn = pytest.importorskip("sklearn.metrics")
    prediction, target = RNG.standard_normal((9, 1)), RNG.standard_normal((9, 1))
    expected = 1 - ((target - prediction) ** 2).sum() / ((target - target.mean()) ** 2).sum()
    for function in (sklearn.r2_score, functools.partial(sklearn.r2_score, multioutput="raw_values")):
        metric = FunctionMetric(function)
        if isinstance(function, functools.partial):  # an array, of one
            with pytest.raises(ArgumentError, match=r"^metric 'r2_score': expected a number, got ndarray"):
                metric(prediction, target)
        else:
            assert metric(prediction, target) == pytest.approx(expected, rel=1e-12)


def test_defaults_are_as_written_out(defaults: Any) -> None:
    assert defaults(FunctionMetric) == {"ignore_index": None}
