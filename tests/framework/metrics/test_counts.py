"""Precision, recall, F1 and the confusion matrix against counts in plain Python."""

import math
from typing import Any

import numpy as np
import pytest

import lamina
from lamina.errors import ArgumentError, ShapeError
from lamina.metrics import F1, ConfusionMatrix, FBeta, Metric, Precision, Recall
from lamina.testing import register_strict_backend

ALL = (Precision, Recall, F1)


@pytest.fixture(params=["numpy", "reference", "array-api-strict"])
def backend(request: pytest.FixtureRequest) -> lamina.Backend:
    return register_strict_backend() if "strict" in request.param else lamina.get_backend(request.param)


def streamed(metric: Metric, backend: lamina.Backend, *batches: tuple[Any, ...]) -> Any:
    metric.reset()
    for prediction, target, lengths in batches:
        x, y = backend.asarray(np.asarray(prediction)), backend.asarray(np.asarray(target))
        metric.update(x, y, None if lengths is None else np.asarray(lengths), backend)
    return metric.result()


def scores(pairs: list[tuple[int, int]], yes: int) -> tuple[float, float, float]:
    """Return precision, recall and F1 of one class, from (predicted, actual)."""
    hits = sum(p == y == yes for p, y in pairs)
    predicted, actual = sum(p == yes for p, _ in pairs), sum(y == yes for _, y in pairs)
    precision, recall = hits / predicted if predicted else 0.0, hits / actual if actual else 0.0
    return precision, recall, 2 * precision * recall / (precision + recall) if hits else 0.0


RNG = np.random.default_rng(1)
LENGTHS = np.array([3, 0, 6, 1])
# Of the six classes, the last occurs nowhere, and the fifth is never predicted.
LOGITS, LABELS = RNG.standard_normal((2, 4, 6, 6)), RNG.integers(-1, 5, (2, 4, 6))
LOGITS[..., 4:] -= 50
LOGITS[:, np.arange(6) >= LENGTHS[:, None]] = np.nan
BATCHES = [(LOGITS[0], LABELS[0], LENGTHS), (LOGITS[1], LABELS[1], LENGTHS), (LOGITS[0, 2], LABELS[0, 2], None)]


def counted_pairs() -> list[tuple[int, int]]:
    rows = [(LOGITS[n, b, t], int(LABELS[n, b, t])) for n in range(2) for b in range(4) for t in range(LENGTHS[b])]
    rows += [(LOGITS[0, 2, t], int(LABELS[0, 2, t])) for t in range(6)]
    return [(int(z.argmax()), y) for z, y in rows if y != -1]


@pytest.mark.parametrize("index", range(3), ids=[one.name for one in ALL])
def test_macro_is_the_mean_over_the_classes_that_occur(backend: lamina.Backend, index: int) -> None:
    pairs = counted_pairs()
    classes = {p for p, _ in pairs} | {y for _, y in pairs}
    assert 5 not in classes
    assert 4 in classes
    expected = np.mean([scores(pairs, c)[index] for c in classes])
    found = streamed(ALL[index]("macro", ignore_index=-1), backend, *BATCHES)
    assert found == pytest.approx(expected, rel=1e-14)


@pytest.mark.parametrize("index", range(3), ids=[one.name for one in ALL])
def test_micro_of_all_classes_is_the_accuracy(backend: lamina.Backend, index: int) -> None:
    expected = np.mean([p == y for p, y in counted_pairs()])
    found = streamed(ALL[index](average="micro", ignore_index=-1), backend, *BATCHES)
    assert found == pytest.approx(expected, rel=1e-14)


@pytest.mark.parametrize("index", range(3), ids=[one.name for one in ALL])
@pytest.mark.parametrize("threshold", [0.5, 0.8])
def test_binary_from_logits(backend: lamina.Backend, index: int, threshold: float) -> None:
    logits, target = RNG.standard_normal((4, 6, 2)), RNG.integers(0, 2, (4, 6, 2))
    pairs = []
    for b in range(4):
        for t in range(LENGTHS[b]):
            for c in range(2):
                pairs.append((int(1 / (1 + math.exp(-logits[b, t, c])) > threshold), int(target[b, t, c])))
    flat, yes = RNG.standard_normal((7, 2)), RNG.integers(0, 2, (7, 2))
    pairs += [(int(1 / (1 + math.exp(-z)) > threshold), int(y)) for z, y in zip(flat.flat, yes.flat, strict=True)]
    found = streamed(
        ALL[index](threshold=threshold), backend, (logits, target, LENGTHS), (flat, yes.astype(float), None)
    )
    assert found == pytest.approx(scores(pairs, 1)[index], rel=1e-14)


@pytest.mark.parametrize("index", range(3), ids=[one.name for one in ALL])
def test_binary_of_two_classes(backend: lamina.Backend, index: int) -> None:
    logits, labels = RNG.standard_normal((20, 2)), RNG.integers(-1, 2, 20)
    pairs = [(int(z.argmax()), int(y)) for z, y in zip(logits, labels, strict=True) if y != -1]
    found = streamed(ALL[index](ignore_index=-1), backend, (logits, labels, None))
    assert found == pytest.approx(scores(pairs, 1)[index], rel=1e-14)


def test_no_yes_is_zero_and_nothing_counted_is_nan(backend: lamina.Backend) -> None:
    for cls in ALL:
        assert streamed(cls(), backend, ([[-1.0], [-2.0]], [[0], [0]], None)) == 0
        assert math.isnan(cls().result())
        assert math.isnan(streamed(cls(), backend, (np.zeros((1, 2, 1)), np.zeros((1, 2, 1)), [0])))
        assert math.isnan(streamed(cls("macro", ignore_index=0), backend, (np.zeros((2, 3)), [0, 0], None)))


def test_the_confusion_matrix(backend: lamina.Backend) -> None:
    expected = np.zeros((6, 6), int)
    for predicted, actual in counted_pairs():
        expected[actual, predicted] += 1
    metric = ConfusionMatrix(ignore_index=-1)
    assert metric.result().shape == (0, 0)
    found = streamed(metric, backend, *BATCHES)
    assert (type(found), found.dtype) == (np.ndarray, np.int64)
    np.testing.assert_array_equal(found, expected)
    one_hot = streamed(metric, backend, (np.eye(3), np.eye(3)[[0, 0, 2]], None))
    assert one_hot.tolist() == [[1, 1, 0], [0, 0, 0], [0, 0, 1]]


def test_they_run_in_a_trainer() -> None:
    x = np.random.default_rng(0).normal(size=(16, 3))
    y = (x.sum(axis=1, keepdims=True) > 0).astype(int)
    trainer = lamina.Trainer(
        lamina.Sequential(lamina.layers.Dense(1)), "binary_cross_entropy", metrics=["precision", "recall", "f1"]
    )
    trainer.fit(x, y, epochs=2, verbose=False)
    found, logits = trainer.evaluate(x, y), trainer.predict(x)
    for index, name in enumerate(("precision", "recall", "f1")):
        pairs = [(int(z > 0), int(one)) for z, one in zip(logits[:, 0], y[:, 0], strict=True)]
        assert found[name] == pytest.approx(scores(pairs, 1)[index], rel=1e-14)


@pytest.mark.parametrize("cls", ALL)
def test_settings_out_of_range_are_refused(cls: Any) -> None:
    with pytest.raises(ArgumentError) as caught:
        cls("samples")
    assert str(caught.value) == f"unknown average of {cls.__name__} 'samples': Known: binary, macro, micro, weighted"
    with pytest.raises(ArgumentError) as caught:
        cls(threshold=1.0)
    assert str(caught.value) == f"{cls.__name__}: expected threshold to be a number above 0 and below 1, got 1.0"
    with pytest.raises(ShapeError) as refused:
        cls()(np.zeros((2, 3)), [0, 1])
    assert str(refused.value) == f"{cls.__name__}: expected two classes, got 3: use average='macro' or 'micro'"
    with pytest.raises(ShapeError) as refused:
        cls()(np.zeros((2, 1)), np.zeros((1, 1)))
    assert str(refused.value) == f"{cls.__name__}: expected targets of shape (2, 1), got (1, 1)"


@pytest.mark.parametrize("average", ["macro", "micro"])
@pytest.mark.parametrize("cls", ALL)
@pytest.mark.parametrize("broken", [0, 1, 5, 23, 24])
def test_rows_of_nan_are_taken_for_a_class_of_their_own(
    backend: lamina.Backend, cls: Any, average: str, broken: int
) -> None:
    """As scikit-learn counts a prediction that is none of the labels."""
    sklearn = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(broken)
    logits, labels = rng.standard_normal((24, 4)), rng.integers(0, 4, 24)
    rows = rng.permutation(24)[:broken]
    logits[rows, rng.integers(0, 4, broken)] = math.nan
    taken = np.where(np.isnan(logits).any(axis=1), -1, logits.argmax(axis=1))
    score = {Precision: sklearn.precision_score, Recall: sklearn.recall_score, F1: sklearn.f1_score}[cls]
    expected = score(labels, taken, average=average, zero_division=0)
    found = streamed(cls(average), backend, (logits[:10], labels[:10], None), (logits[10:], labels[10:], None))
    assert found == pytest.approx(expected, rel=1e-14)
    matrix = streamed(ConfusionMatrix(), backend, (logits[:10], labels[:10], None), (logits[10:], labels[10:], None))
    wanted = sklearn.confusion_matrix(labels, np.where(taken < 0, 4, taken), labels=range(5))[:4]
    np.testing.assert_array_equal(matrix, wanted if broken else wanted[:, :4])


@pytest.mark.parametrize("cls", ALL)
@pytest.mark.parametrize("pairs", [False, True], ids=["one-logit", "two-logits"])
def test_a_yes_or_no_of_nan_is_the_wrong_one(backend: lamina.Backend, cls: Any, pairs: bool) -> None:
    sklearn = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(7)
    logits, labels = rng.standard_normal((40, 2 if pairs else 1)), rng.integers(0, 2, 40)
    logits[::3, -1] = math.nan
    answered = logits.argmax(axis=1) if pairs else logits[:, 0] > 0
    taken = np.where(np.isnan(logits).any(axis=1), 1 - labels, answered)
    score = {Precision: sklearn.precision_score, Recall: sklearn.recall_score, F1: sklearn.f1_score}[cls]
    target = labels if pairs else labels[:, None]
    assert streamed(cls(), backend, (logits, target, None)) == pytest.approx(score(labels, taken), rel=1e-14)


@pytest.mark.parametrize("cls", ALL)
@pytest.mark.parametrize("average", ["binary", "macro", "micro"])
@pytest.mark.parametrize(
    ("labels", "taken"),
    [([1, 1, 1], [1, 1, 1]), ([0, 0, 0], [0, 0, 0]), ([0, 0, 0], [1, 1, 1]), ([1, 1], [0, 0]), ([1], [1])],
)
def test_one_class_alone(backend: lamina.Backend, cls: Any, average: str, labels: Any, taken: Any) -> None:
    sklearn = pytest.importorskip("sklearn.metrics")
    score = {Precision: sklearn.precision_score, Recall: sklearn.recall_score, F1: sklearn.f1_score}[cls]
    expected = score(labels, taken, average=average, zero_division=0)
    found = streamed(cls(average), backend, (np.eye(2)[taken], labels, None))
    assert found == pytest.approx(expected, rel=1e-15)


def test_defaults_are_as_written_out(defaults: Any) -> None:
    # scikit-learn's average; half of the probability.
    assert defaults(F1) == {
        "average": "binary",
        "threshold": 0.5,
        "ignore_index": None,
        "multi_label": False,
        "from_logits": True,
    }
    assert defaults(Precision) == {
        "average": "binary",
        "threshold": 0.5,
        "ignore_index": None,
        "multi_label": False,
        "from_logits": True,
    }
    assert defaults(Recall) == {
        "average": "binary",
        "threshold": 0.5,
        "ignore_index": None,
        "multi_label": False,
        "from_logits": True,
    }
    # With 1 it is F1; scikit-learn has no default.
    assert defaults(FBeta) == {
        "beta": 1.0,
        "average": "binary",
        "threshold": 0.5,
        "ignore_index": None,
        "multi_label": False,
        "from_logits": True,
    }
