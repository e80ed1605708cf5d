"""Averages, thresholds and several labels of precision, recall and F-beta, against scikit-learn."""

from typing import Any

import numpy as np
import pytest

import lamina
from lamina.errors import ArgumentError, ShapeError
from lamina.metrics import F1, FBeta, Precision, Recall
from lamina.metrics.counting import Counts
from lamina.testing import register_strict_backend

MAKERS: dict[str, Any] = {
    "precision": Precision,
    "recall": Recall,
    "f1": F1,
    "f2": lambda *args, **options: FBeta(2.0, *args, **options),
    "f0.5": lambda *args, **options: FBeta(0.5, *args, **options),
}
SEEDS = range(4)


@pytest.fixture(params=["numpy", "reference", "array-api-strict"])
def backend(request: pytest.FixtureRequest) -> lamina.Backend:
    return register_strict_backend() if "strict" in request.param else lamina.get_backend(request.param)


def score(kind: str, target: Any, taken: Any, **options: Any) -> Any:
    sklearn = pytest.importorskip("sklearn.metrics")
    if kind in ("f2", "f0.5"):
        return sklearn.fbeta_score(target, taken, beta=float(kind[1:]), zero_division=0, **options)
    return getattr(sklearn, f"{kind}_score")(target, taken, zero_division=0, **options)


def streamed(metric: Any, backend: lamina.Backend, size: int, *arrays: Any) -> Any:
    """Return the result of batches of so many rows of (prediction, target, lengths, weight)."""
    metric.reset()
    for start in range(0, len(arrays[0]), size):
        x, y, lengths, weight = (None if one is None else one[start : start + size] for one in arrays)
        given = None if weight is None else backend.asarray(weight)
        metric.update(backend.asarray(x), backend.asarray(y), lengths, backend, given)
    return metric.result()


def weights(rng: Any, rows: int) -> list[Any]:
    return [None, rng.random(rows) * (rng.random(rows) > 0.3), rng.integers(0, 3, rows).astype(float)]


@pytest.mark.parametrize("kind", MAKERS)
@pytest.mark.parametrize("average", [None, "macro", "micro", "weighted"])
@pytest.mark.parametrize("seed", SEEDS)
def test_classes_equal_scikit_learns(backend: lamina.Backend, kind: str, average: Any, seed: int) -> None:
    rng = np.random.default_rng(seed)
    logits, labels = rng.standard_normal((30, 5)).round(1), rng.integers(0, 3 + seed % 2, 30)  # some have no row
    logits[:, 4] -= 50  # never taken
    for weight in weights(rng, 30):
        own = labels if weight is None else np.where(weight == 0, 99, labels)  # not there, so no label either
        found = streamed(MAKERS[kind](average), backend, 7, logits, own, None, weight)
        options = {"labels": range(5)} if average is None else {}
        kept = slice(None) if weight is None else weight > 0
        own_weight = None if weight is None else weight[kept]
        expected = score(
            kind, labels[kept], logits.argmax(1)[kept], average=average, sample_weight=own_weight, **options
        )
        np.testing.assert_allclose(found, expected, rtol=1e-12)


@pytest.mark.parametrize("kind", MAKERS)
@pytest.mark.parametrize("average", [None, "macro", "micro", "weighted"])
@pytest.mark.parametrize("threshold", [0.5, 0.3, 0.9])
@pytest.mark.parametrize("from_logits", [True, False])
def test_several_labels_equal_scikit_learns(
    backend: lamina.Backend, kind: str, average: Any, threshold: float, from_logits: bool
) -> None:
    rng = np.random.default_rng(3)
    logits, target = rng.standard_normal((25, 4)), rng.integers(0, 2, (25, 4))
    target[:, 2], target[:, 3] = 0, 1
    likely = 1 / (1 + np.exp(-logits))
    for weight in weights(rng, 25):
        metric = MAKERS[kind](average, threshold, multi_label=True, from_logits=from_logits)
        found = streamed(metric, backend, 9, logits if from_logits else likely, target, None, weight)
        expected = score(kind, target, likely > threshold, average=average, sample_weight=weight)
        np.testing.assert_allclose(found, expected, rtol=1e-12)


@pytest.mark.parametrize("kind", MAKERS)
@pytest.mark.parametrize("threshold", [0.5, 0.2, 0.8])
@pytest.mark.parametrize("from_logits", [True, False])
@pytest.mark.parametrize("outputs", [1, 2])
def test_a_threshold_is_of_the_probability_of_yes(
    backend: lamina.Backend, kind: str, threshold: float, from_logits: bool, outputs: int
) -> None:
    rng = np.random.default_rng(5)
    logits, labels = rng.standard_normal((30, outputs)), rng.integers(0, 2, 30)
    powers = np.exp(logits)
    likely = powers / (1 + powers) if outputs == 1 else powers / powers.sum(1, keepdims=True)
    for weight in weights(rng, 30):
        metric = MAKERS[kind](threshold=threshold, from_logits=from_logits)
        target = labels[:, None] if outputs == 1 else labels
        found = streamed(metric, backend, 8, logits if from_logits else likely, target, None, weight)
        expected = score(kind, labels, (likely[:, -1] > threshold).astype(int), sample_weight=weight)
        assert found == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("average", [None, "macro", "binary"])
def test_several_labels_of_steps_count_up_to_the_rows_end(backend: lamina.Backend, average: Any) -> None:
    rng = np.random.default_rng(2)
    logits, target, lengths = rng.standard_normal((4, 5, 3)), rng.integers(0, 2, (4, 5, 3)), np.array([5, 0, 2, 3])
    weight = rng.integers(0, 3, (4, 5)).astype(float)
    valid = np.arange(5) < lengths[:, None]
    logits[~valid] = np.nan
    weight[~valid] = 7
    metric = F1(average, multi_label=True)
    flat = logits[valid], target[valid]
    everything = metric(*flat)
    np.testing.assert_allclose(streamed(metric, backend, 2, logits, target, lengths, None), everything, rtol=1e-12)
    weighed = metric(*flat, sample_weight=weight[valid])
    np.testing.assert_allclose(streamed(metric, backend, 2, logits, target, lengths, weight), weighed, rtol=1e-12)
    assert not np.allclose(everything, weighed)


def test_without_an_average_nothing_is_an_array_of_nothing(backend: lamina.Backend) -> None:
    assert F1(None).gives_array
    assert not F1("macro").gives_array
    assert F1(None).result().shape == (0,)
    none = streamed(F1(None), backend, 4, np.zeros((4, 3)), np.zeros(4, int), None, np.zeros(4))
    np.testing.assert_array_equal(none, [np.nan] * 3)
    none = streamed(F1(None, multi_label=True), backend, 4, np.zeros((4, 3)), np.zeros((4, 3)), None, np.zeros(4))
    np.testing.assert_array_equal(none, [np.nan] * 3)


def test_settings_and_shapes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ArgumentError, match=r"^FBeta: expected beta to be a number of at least 0, got -1$"):
        FBeta(-1)
    with pytest.raises(ArgumentError, match=r"^F1: expected multi_label to be True or False, got 2$"):
        F1(multi_label=2)  # type: ignore[arg-type]
    with pytest.raises(ShapeError, match=r"^F1: expected targets of shape \(2, 3\), got \(2,\)$"):
        F1("macro", multi_label=True)(np.zeros((2, 3)), [0, 1])
    with pytest.raises(ShapeError, match=r"^F1: expected predictions \(batch, outputs\), got \(2,\)$"):
        F1("macro", multi_label=True)(np.zeros(2), np.zeros(2))


def test_defaults_are_as_written_out(defaults: Any) -> None:
    assert defaults(Counts) == {
        "average": "binary",
        "threshold": 0.5,
        "ignore_index": None,
        "multi_label": False,
        "from_logits": True,
    }
