import doctest
import math
from typing import Any

import numpy as np
import pytest

import lamina
from lamina import metrics
from lamina.errors import ArgumentError, ShapeError, UnknownNameError
from lamina.metrics import Accuracy, FunctionMetric, MeanAbsoluteError, Metric, find_metrics


@pytest.fixture(params=["numpy", "reference"])
def backend(request: pytest.FixtureRequest) -> lamina.Backend:
    if request.param == "reference":
        pytest.importorskip("array_api_strict")
    return lamina.get_backend(request.param)


def result(metric: Metric, backend: lamina.Backend, *batches: tuple[Any, ...]) -> float:
    metric.reset()
    for prediction, target, lengths in batches:
        x, y = backend.asarray(np.asarray(prediction)), backend.asarray(np.asarray(target))
        metric.update(x, y, None if lengths is None else np.asarray(lengths), backend)
    return metric.result()


def test_examples_in_the_docstrings_run() -> None:
    assert doctest.testmod(metrics).failed == 0


LOGITS = np.array([[3.0, 0, 0], [0, 3, 0], [0, 0, 3], [3, 0, 0]])


def test_accuracy_counts_rows_over_all_batches(backend: lamina.Backend) -> None:
    assert result(Accuracy(), backend, (LOGITS, [0, 1, 2, 1], None)) == 3 / 4
    assert result(Accuracy(), backend, (LOGITS, [0, 1, 2, 1], None), (LOGITS[:1], [1], None)) == 3 / 5
    assert result(Accuracy(), backend, (LOGITS, np.eye(3)[[0, 1, 2, 1]], None)) == 3 / 4


def test_accuracy_leaves_out_padding_and_ignored_labels(backend: lamina.Backend) -> None:
    logits = np.stack([LOGITS, LOGITS])  # (2 rows, 4 steps, 3 classes)
    labels = np.array([[0, 1, 0, 0], [1, 1, 2, 0]])
    assert result(Accuracy(), backend, (logits, labels, None)) == 6 / 8
    assert result(Accuracy(), backend, (logits, labels, [2, 0])) == 1.0
    assert result(Accuracy(), backend, (logits, labels, [3, 1])) == 2 / 4
    assert result(Accuracy(ignore_index=0), backend, (logits, labels, None)) == 3 / 4
    assert result(Accuracy(ignore_index=0), backend, (logits, labels, [4, 1])) == 1 / 2
    assert result(Accuracy(), backend, (logits, np.eye(3)[labels], [3, 1])) == 2 / 4


def test_mean_absolute_error_leaves_out_padding(backend: lamina.Backend) -> None:
    prediction = np.array([[[1.0, 2.0], [5.0, 5.0]], [[0.0, 0.0], [np.nan, np.inf]]])
    target = np.zeros((2, 2, 2))
    assert result(MeanAbsoluteError(), backend, (prediction, target, [2, 1])) == 13 / 6
    assert (
        result(MeanAbsoluteError(), backend, (prediction[:1], target[:1], None), (prediction, target, [0, 1])) == 13 / 6
    )
    assert result(MeanAbsoluteError(), backend, (prediction[0], np.ones((2, 2), int), None)) == 9 / 4
    assert MeanAbsoluteError.higher_is_better is False


def test_nothing_counted_is_nan(backend: lamina.Backend) -> None:
    assert math.isnan(Accuracy().result())
    assert math.isnan(result(Accuracy(ignore_index=0), backend, (LOGITS, [0, 0, 0, 0], None)))
    assert math.isnan(result(FunctionMetric(lambda p, t: 1.0), backend))


def test_reset_forgets(backend: lamina.Backend) -> None:
    metric = Accuracy()
    assert result(metric, backend, (LOGITS[:1], [1], None)) == 0
    assert result(metric, backend, (LOGITS[:1], [0], None)) == 1


@pytest.mark.parametrize("metric", [Accuracy(), MeanAbsoluteError()])
def test_targets_of_another_shape_are_refused(metric: Metric) -> None:
    name = type(metric).__name__
    shape = r"\(4, 3\)" if isinstance(metric, MeanAbsoluteError) else r"\(4,\)"
    with pytest.raises(ShapeError, match=rf"^{name}: expected targets of shape {shape}, got \(3,\)$"):
        result(metric, lamina.get_backend("numpy"), (LOGITS, [0, 1, 2], None))


def test_metrics_are_found_by_name_object_and_function() -> None:
    def score(prediction: Any, target: Any) -> float:
        return 0.0

    own = Accuracy()
    own.name = "top"
    found = find_metrics(["accuracy", "mean-absolute-error", own, score], ignore_index=-1)
    assert [metric.name for metric in found] == ["accuracy", "mean_absolute_error", "top", "score"]
    assert isinstance(found[0], Accuracy)
    assert (found[0].ignore_index, own.ignore_index) == (-1, None)
    assert found[2] is not own
    assert (type(found[2]), vars(found[2])["ignore_index"]) == (Accuracy, -1)
    assert find_metrics(own) == [own]
    assert [type(metric) for metric in find_metrics("accuracy")] == [Accuracy]
    assert repr(Accuracy(ignore_index=3)) == "Accuracy(ignore_index=3)"


def test_a_metric_of_ones_own_is_known_by_name() -> None:
    class RowCount(Metric):
        def reset(self) -> None:
            self.rows = 0

        def update(self, prediction: Any, target: Any, lengths: Any, backend: Any) -> None:
            self.rows += len(prediction)

        def result(self) -> float:
            return float(self.rows)

    lamina.register(RowCount)
    (metric,) = find_metrics(["row_count"])
    assert metric.name == "row_count"
    assert result(metric, lamina.get_backend("numpy"), (LOGITS, [0, 1, 2, 0], None)) == 4


def test_metrics_that_are_none_are_refused() -> None:
    with pytest.raises(UnknownNameError, match=r"^unknown metric 'acuracy': did you mean 'Accuracy'\? Known: "):
        find_metrics(["acuracy"])
    with pytest.raises(ArgumentError, match=r"^metrics: expected a name, a Metric or a function, got 3$"):
        find_metrics([3])  # type: ignore[list-item]
    with pytest.raises(ArgumentError, match=r"got <class '.*Accuracy'>: write Accuracy\(\)$"):
        find_metrics([Accuracy])
    with pytest.raises(ArgumentError, match=r"^metrics: expected names, metrics or functions, got 3$"):
        find_metrics(3)  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match=r"^metrics: the name 'accuracy' is taken"):
        find_metrics(["accuracy", Accuracy()])
    own = Accuracy()
    own.name = "seconds"
    with pytest.raises(ArgumentError, match=r"^metrics: the name 'seconds' is taken"):
        find_metrics(own)


def test_a_metric_made_by_hand_takes_over_what_the_loss_ignores() -> None:
    own, set_already, none = Accuracy(), Accuracy(ignore_index=2), MeanAbsoluteError()
    own.name, set_already.name = "own", "set"
    found = find_metrics([own, set_already, none, abs], ignore_index=-100)
    assert [vars(metric).get("ignore_index") for metric in found] == [-100, 2, None, -100]
    assert (found[1] is set_already, found[2] is none) == (True, True)
    assert (found[0] is own, found[0].name, own.ignore_index) == (False, "own", None)
    assert find_metrics([own]) == [own]  # beside another loss it counts all


@pytest.mark.parametrize("name", ["accuracy", "top_k_accuracy", "perplexity", "precision", "recall", "f1"])
@pytest.mark.parametrize("ignored", [-1, -100, 1])
def test_ignored_labels_count_in_no_metric(name: str, ignored: int) -> None:
    """By name, as an object and on the rows that count alone: the same figure."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(40, 4)), rng.integers(0, 3, 40)
    y[::2] = ignored
    kept = y != ignored
    loss, cls = lamina.losses.SoftmaxCrossEntropy(ignore_index=ignored), Metric.registry.find(name)
    options: dict[str, Any] = {"average": "macro"} if name in ("precision", "recall", "f1") else {}
    options |= {"k": 2} if name == "top_k_accuracy" else {}
    model = lamina.Sequential(lamina.layers.Dense(3))
    model.build((None, 4), seed=0)
    expected = cls(**options)(model(x[kept]), y[kept])
    for given in (cls(**options), cls(**options, ignore_index=ignored), *([] if options else [name])):
        found = lamina.Trainer(model, loss, metrics=[given]).evaluate(x, y, batch_size=7)[name]
        assert found == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("name", ["", 3, None])
def test_a_name_is_a_text(name: Any) -> None:
    own = Accuracy()
    own.name = name
    with pytest.raises(ArgumentError, match=r"^metrics: expected a text as the \.name of Accuracy\(\), got "):
        find_metrics(own)


@pytest.mark.parametrize(
    ("alias", "cls", "name"),
    [
        ("acc", Accuracy, "accuracy"),
        ("accuracy_score", Accuracy, "accuracy"),
        ("categorical_accuracy", Accuracy, "accuracy"),
        ("sparse_categorical_accuracy", Accuracy, "accuracy"),
        ("top_k_categorical_accuracy", metrics.TopKAccuracy, "top_k_accuracy"),
        ("mse", metrics.MeanSquaredError, "mean_squared_error"),
        ("MAE", MeanAbsoluteError, "mean_absolute_error"),
        ("rmse", metrics.RootMeanSquaredError, "root_mean_squared_error"),
        ("r2", metrics.RSquared, "r_squared"),
        ("r2_score", metrics.RSquared, "r_squared"),
        ("f1_score", metrics.F1, "f1"),
        ("precision_score", metrics.Precision, "precision"),
        ("recall_score", metrics.Recall, "recall"),
        ("ppl", metrics.Perplexity, "perplexity"),
    ],
)
def test_names_of_other_libraries_are_found(alias: str, cls: type[Metric], name: str) -> None:
    (found,) = find_metrics(alias)
    assert (type(found), found.name) == (cls, name)
    assert alias not in Metric.registry.names()
    with pytest.raises(ArgumentError, match=rf"^metrics: the name '{name}' is taken"):
        find_metrics([alias, cls()])
