"""Accuracy, top-k accuracy and perplexity against formulas in NumPy, row by row."""

import math
from typing import Any

import numpy as np
import pytest

import lamina
from lamina.errors import ArgumentError, ShapeError
from lamina.metrics import Accuracy, Metric, Perplexity, TopKAccuracy
from lamina.testing import register_strict_backend


@pytest.fixture(params=["numpy", "reference", "array-api-strict"])
def backend(request: pytest.FixtureRequest) -> lamina.Backend:
    return register_strict_backend() if "strict" in request.param else lamina.get_backend(request.param)


def streamed(metric: Metric, backend: lamina.Backend, *batches: tuple[Any, ...]) -> float:
    metric.reset()
    for prediction, target, lengths in batches:
        x, y = backend.asarray(np.asarray(prediction)), backend.asarray(np.asarray(target))
        metric.update(x, y, None if lengths is None else np.asarray(lengths), backend)
    return metric.result()


RNG = np.random.default_rng(0)
LENGTHS = np.array([3, 0, 6, 1])
LOGITS, LABELS = RNG.standard_normal((2, 4, 6, 5)), RNG.integers(-1, 5, (2, 4, 6))
LOGITS[:, np.arange(6) >= LENGTHS[:, None]] = np.nan
BATCHES = [(LOGITS[0], LABELS[0], LENGTHS), (LOGITS[1], LABELS[1], LENGTHS), (LOGITS[0, 2], LABELS[0, 2], None)]


def counted_rows() -> list[tuple[np.ndarray, int]]:
    rows = [(LOGITS[n, b, t], int(LABELS[n, b, t])) for n in range(2) for b in range(4) for t in range(LENGTHS[b])]
    rows += [(LOGITS[0, 2, t], int(LABELS[0, 2, t])) for t in range(6)]
    return [(z, y) for z, y in rows if y != -1]


def test_accuracy(backend: lamina.Backend) -> None:
    expected = np.mean([z.argmax() == y for z, y in counted_rows()])
    assert streamed(Accuracy(ignore_index=-1), backend, *BATCHES) == pytest.approx(expected, rel=1e-15)


def test_accuracy_of_one_logit_is_that_of_yes_and_no(backend: lamina.Backend) -> None:
    logits, target = [[2.0], [-1.0], [0.0], [3.0]], [[1], [0], [1], [0]]
    assert streamed(Accuracy(), backend, (logits, target, None)) == 0.5
    assert streamed(Accuracy(), backend, ([logits[:2], logits[2:]], [target[:2], target[2:]], [2, 0])) == 1


@pytest.mark.parametrize("k", [1, 2, 4, 5, 9])
def test_top_k_accuracy(backend: lamina.Backend, k: int) -> None:
    expected = np.mean([y in np.argsort(-z)[:k] for z, y in counted_rows()])
    found = streamed(TopKAccuracy(k, ignore_index=-1), backend, *BATCHES)
    assert found == pytest.approx(expected, rel=1e-15)
    if k == 1:
        assert found == streamed(Accuracy(ignore_index=-1), backend, *BATCHES)


def test_a_model_that_tells_nothing_is_no_better_than_one_that_guesses(backend: lamina.Backend) -> None:
    assert streamed(TopKAccuracy(2), backend, (np.zeros((4, 4)), [0, 1, 2, 3], None)) == 0.5
    assert streamed(TopKAccuracy(2), backend, (np.full((4, 4), np.nan), [0, 1, 2, 3], None)) == 0


def test_top_k_accuracy_of_probabilities(backend: lamina.Backend) -> None:
    logits = [[3.0, 1.0, 2.0], [3.0, 1.0, 2.0]]
    assert streamed(TopKAccuracy(2), backend, (logits, np.eye(3)[[2, 1]], None)) == 0.5


def test_perplexity(backend: lamina.Backend) -> None:
    costs = [math.log(np.exp(z).sum()) - z[y] for z, y in counted_rows()]
    found = streamed(Perplexity(ignore_index=-1), backend, *BATCHES)
    assert found == pytest.approx(math.exp(np.mean(costs)), rel=1e-14)
    log_probability = LOGITS - np.log(np.exp(LOGITS).sum(axis=-1, keepdims=True))
    batches = [(log_probability[0], LABELS[0], LENGTHS), (log_probability[1], LABELS[1], LENGTHS), BATCHES[2]]
    assert streamed(Perplexity(ignore_index=-1), backend, *batches) == pytest.approx(found, rel=1e-14)


def test_perplexity_of_extremes(backend: lamina.Backend) -> None:
    assert streamed(Perplexity(), backend, ([[1e4, 0.0]], [1], None)) == math.inf
    assert streamed(Perplexity(), backend, ([[1e4, -math.inf]], [0], None)) == 1
    assert streamed(Perplexity(), backend, ([[0.0, -math.inf]], [1], None)) == math.inf


@pytest.mark.parametrize("metric", [Accuracy(-1), TopKAccuracy(2, -1), Perplexity(-1)], ids=lambda one: one.name)
def test_nothing_counted_is_nan(backend: lamina.Backend, metric: Metric) -> None:
    assert math.isnan(metric.result())
    assert math.isnan(streamed(metric, backend, (np.zeros((2, 3)), [-1, -1], None)))
    assert math.isnan(streamed(metric, backend, (np.zeros((1, 2, 3)), [[0, 0]], [0])))


def test_names_and_settings() -> None:
    assert [one.name for one in (Accuracy, TopKAccuracy, Perplexity)] == ["accuracy", "top_k_accuracy", "perplexity"]
    assert [one.higher_is_better for one in (Accuracy, TopKAccuracy, Perplexity)] == [True, True, False]
    assert repr(TopKAccuracy(3)) == "TopKAccuracy(k=3)"
    with pytest.raises(ArgumentError, match=r"^TopKAccuracy: expected k to be a whole number of 1 or more, got 0$"):
        TopKAccuracy(0)
    with pytest.raises(ShapeError, match=r"^Perplexity: expected targets of shape \(2,\), got \(2, 3\)$"):
        Perplexity()(np.zeros((2, 3)), np.zeros((2, 3)))


def test_defaults_are_as_written_out(defaults: Any) -> None:
    assert defaults(Accuracy) == {"ignore_index": None}
    assert defaults(Perplexity) == {"ignore_index": None}
    # Keras's.
    assert defaults(TopKAccuracy) == {"k": 5, "ignore_index": None}


def test_steps_of_several_yes_or_no_outputs_count_up_to_their_rows_ends() -> None:
    rng, lengths = np.random.default_rng(3), np.array([2, 0, 4])
    prediction, target = rng.normal(size=(3, 4, 2, 1)), rng.integers(0, 2, (3, 4, 2, 1))
    valid = np.arange(4) < lengths[:, None]
    expected = np.mean((prediction > 0)[valid] == (target > 0)[valid])
    assert Accuracy()(prediction, target, lengths=lengths) == pytest.approx(expected)
    weight = valid * 1.0
    assert Accuracy()(prediction, target, sample_weight=weight) == pytest.approx(expected)
