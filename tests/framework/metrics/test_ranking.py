"""ROC AUC and average precision against scikit-learn, over ties, weights, missing classes and rows of one class."""

import copy
import math
from typing import Any

import numpy as np
import pytest

import lamina
from lamina.errors import ArgumentError, DataError, ShapeError
from lamina.metrics import ROCAUC, AveragePrecision
from lamina.metrics.ranking import Ranking
from lamina.testing import register_strict_backend

ALL = (ROCAUC, AveragePrecision)
AVERAGES = ["macro", "micro", "weighted"]


@pytest.fixture(params=["numpy", "reference", "array-api-strict"])
def backend(request: pytest.FixtureRequest) -> lamina.Backend:
    return register_strict_backend() if "strict" in request.param else lamina.get_backend(request.param)


def score(cls: Any) -> Any:
    sklearn = pytest.importorskip("sklearn.metrics")
    return {ROCAUC: sklearn.roc_auc_score, AveragePrecision: sklearn.average_precision_score}[cls]


def streamed(metric: Any, backend: lamina.Backend, size: int, *arrays: Any) -> Any:
    metric.reset()
    for start in range(0, len(arrays[0]), size):
        x, y, lengths, weight = (None if one is None else one[start : start + size] for one in arrays)
        given = None if weight is None else backend.asarray(weight)
        metric.update(backend.asarray(x), backend.asarray(y), lengths, backend, given)
        metric.so_far()
    return metric.result()


def weights(rng: Any, rows: int) -> list[Any]:
    return [None, rng.random(rows) * (rng.random(rows) > 0.2), rng.integers(0, 3, rows).astype(float)]


def softmax(logits: Any) -> Any:
    powers = np.exp(logits - logits.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


@pytest.mark.parametrize("cls", ALL)
@pytest.mark.parametrize("digits", [0, 1, 8], ids=["many ties", "ties", "none"])
@pytest.mark.parametrize("seed", range(3))
def test_yes_and_no_equal_scikit_learns(backend: lamina.Backend, cls: Any, digits: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    scores, target = rng.standard_normal((40, 1)).round(digits), rng.integers(0, 2, (40, 1))
    for weight in weights(rng, 40):
        expected = score(cls)(target[:, 0], scores[:, 0], sample_weight=weight)
        for size in (1, 7, 40):
            found = streamed(cls(), backend, size, scores, target, None, weight)
            assert found == pytest.approx(expected, rel=1e-12)
        likely = 1 / (1 + np.exp(-scores))
        assert cls(from_logits=False)(likely, target, sample_weight=weight) == pytest.approx(expected, rel=1e-12)
        assert cls()(scores[:, 0], target[:, 0], sample_weight=weight) == pytest.approx(expected, rel=1e-12)
        pairs = np.concatenate([np.zeros_like(scores), scores], axis=1)
        found = streamed(cls(), backend, 7, pairs, target[:, 0], None, weight)
        assert found == pytest.approx(expected, rel=1e-12)
        assert cls(from_logits=False)(softmax(pairs), target[:, 0], sample_weight=weight) == pytest.approx(
            expected, rel=1e-12
        )


@pytest.mark.parametrize("cls", ALL)
@pytest.mark.parametrize("average", AVERAGES)
@pytest.mark.parametrize("from_logits", [True, False])
def test_classes_equal_scikit_learns(backend: lamina.Backend, cls: Any, average: Any, from_logits: bool) -> None:
    rng = np.random.default_rng(1)
    logits, labels = rng.standard_normal((60, 4)).round(1), rng.integers(0, 4, 60)
    likely = softmax(logits)
    for weight in weights(rng, 60):
        options = {"multi_class": "ovr"} if cls is ROCAUC else {}
        expected = score(cls)(labels, likely, average=average, sample_weight=weight, **options)
        given = logits if from_logits else likely
        found = streamed(cls(average, from_logits=from_logits), backend, 11, given, labels, None, weight)
        assert found == pytest.approx(expected, rel=1e-12)
        one_hot = streamed(cls(average, from_logits=from_logits), backend, 60, given, np.eye(4)[labels], None, weight)
        assert one_hot == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("cls", ALL)
@pytest.mark.parametrize("average", [*AVERAGES, None])
def test_several_labels_equal_scikit_learns(backend: lamina.Backend, cls: Any, average: Any) -> None:
    rng = np.random.default_rng(2)
    logits, target = rng.standard_normal((30, 3)).round(1), rng.integers(0, 2, (30, 3))
    for weight in weights(rng, 30):
        expected = score(cls)(target, logits, average=average, sample_weight=weight)
        found = streamed(cls(average, multi_label=True), backend, 8, logits, target, None, weight)
        np.testing.assert_allclose(found, expected, rtol=1e-12)


@pytest.mark.parametrize("cls", ALL)
def test_a_class_that_tells_nothing_is_nan_and_no_part_of_an_average(backend: lamina.Backend, cls: Any) -> None:
    """One that no row is of, or for an area all are: scikit-learn warns, and gives NaN or 0."""
    rng = np.random.default_rng(3)
    logits, labels = rng.standard_normal((30, 4)), rng.integers(0, 3, 30)
    likely = softmax(logits)
    each = [score(cls)(labels == one, likely[:, one]) for one in range(3)]
    np.testing.assert_allclose(streamed(cls(None), backend, 9, logits, labels, None, None), [*each, math.nan])
    assert streamed(cls(), backend, 9, logits, labels, None, None) == pytest.approx(np.mean(each), rel=1e-12)
    shares = np.bincount(labels) / 30
    found = streamed(cls("weighted"), backend, 9, logits, labels, None, None)
    assert found == pytest.approx(shares @ each, rel=1e-12)
    # Rows of one class alone.
    yes, no = np.ones((5, 1), int), np.zeros((5, 1), int)
    assert math.isnan(streamed(cls(), backend, 2, logits[:5, :1], no, None, None))
    found = streamed(cls(), backend, 2, logits[:5, :1], yes, None, None)
    assert math.isnan(found) if cls is ROCAUC else found == 1
    several = streamed(cls(None, multi_label=True), backend, 2, logits[:5, :2], np.hstack([no, yes]), None, None)
    np.testing.assert_array_equal(several, [math.nan, math.nan if cls is ROCAUC else 1])
    assert math.isnan(streamed(cls(), backend, 9, logits, labels, None, np.zeros(30)))
    assert math.isnan(cls().result())
    assert cls(None).result().shape == (0,)


@pytest.mark.parametrize("cls", ALL)
@pytest.mark.parametrize("given", ["labels", "one", "several"])
def test_steps_count_up_to_the_rows_end(backend: lamina.Backend, cls: Any, given: str) -> None:
    rng = np.random.default_rng(4)
    outputs = {"labels": 4, "one": 1, "several": 3}[given]
    logits, lengths = rng.standard_normal((5, 6, outputs)), np.array([6, 0, 2, 5, 1])
    target = rng.integers(0, 4, (5, 6)) if given == "labels" else rng.integers(0, 2, (5, 6, outputs))
    weight = rng.integers(0, 3, (5, 6)).astype(float)
    valid = np.arange(6) < lengths[:, None]
    logits[~valid] = math.nan
    metric = cls(multi_label=given == "several")
    plain, by_row = metric(logits[valid], target[valid]), np.repeat(np.arange(1.0, 6), lengths)
    assert streamed(metric, backend, 2, logits, target, lengths, None) == pytest.approx(plain, rel=1e-12)
    weighed = metric(logits[valid], target[valid], sample_weight=weight[valid])
    assert streamed(metric, backend, 2, logits, target, lengths, weight) == pytest.approx(weighed, rel=1e-12)
    weighed = metric(logits[valid], target[valid], sample_weight=by_row)
    assert streamed(metric, backend, 2, logits, target, lengths, np.arange(1.0, 6)) == pytest.approx(weighed, rel=1e-12)
    assert plain != pytest.approx(weighed, rel=1e-6)


@pytest.mark.parametrize("cls", ALL)
def test_nan_among_the_scores_is_nan_and_infinity_is_the_highest(backend: lamina.Backend, cls: Any) -> None:
    target = np.array([[0], [1], [1]])
    assert math.isnan(streamed(cls(), backend, 2, np.array([[0.0], [math.nan], [1.0]]), target, None, None))
    high = streamed(cls(), backend, 2, np.array([[-math.inf], [0.0], [math.inf]]), target, None, None)
    assert high == 1
    weight = np.array([1.0, 0, 1])
    assert streamed(cls(), backend, 2, np.array([[0.0], [math.nan], [1.0]]), target, None, weight) == 1


def test_sure_logits_of_two_classes_are_no_ties() -> None:
    """Their probabilities are 1, all of them."""
    logits, labels = np.array([[0.0, 50], [0, 60], [0, 70], [0, 80]]), [0, 0, 1, 1]
    assert ROCAUC()(logits, labels) == 1
    assert ROCAUC(from_logits=False)(softmax(logits), labels) == 0.5


@pytest.mark.parametrize("cls", ALL)
def test_what_is_kept_is_not_written_over_and_a_copy_shares_it(cls: Any) -> None:
    backend, metric = lamina.get_backend("numpy"), cls()
    logits, target = np.array([[0.0], [1.0], [2.0]]), np.array([[0], [1], [0]])
    expected = cls()(logits, target)
    metric.update(logits, target, None, backend)
    alone = copy.deepcopy(metric)
    logits[:], target[:] = 0, 1
    assert metric.result() == expected
    alone.update(np.array([[5.0]]), np.array([[1]]), None, backend)
    assert alone.result() > metric.result() == expected
    alone.reset()
    assert math.isnan(alone.result())
    assert metric.result() == expected


def test_batches_with_and_without_weights_or_of_another_width(backend: lamina.Backend) -> None:
    rng = np.random.default_rng(5)
    scores, target = rng.standard_normal((12, 1)), rng.integers(0, 2, (12, 1))
    metric, ones = ROCAUC(), np.ones(4)
    for part, weight in ((slice(0, 4), None), (slice(4, 8), ones * 2), (slice(8, 12), None)):
        given = None if weight is None else backend.asarray(weight)
        metric.update(backend.asarray(scores[part]), backend.asarray(target[part]), None, backend, given)
    expected = ROCAUC()(scores, target, sample_weight=np.concatenate([ones, ones * 2, ones]))
    assert metric.result() == pytest.approx(expected, rel=1e-12)
    several = ROCAUC(multi_label=True)
    for outputs in (2, 3):
        several.update(*(backend.asarray(np.zeros((2, outputs))) for _ in range(2)), None, backend)
    with pytest.raises(ShapeError, match=r"^ROCAUC: expected as many outputs in all batches, got 2 and 3$"):
        several.result()


def test_while_an_epoch_runs_it_is_not_computed_again_and_again(monkeypatch: pytest.MonkeyPatch) -> None:
    now, calls = [0.0], [0]
    monkeypatch.setattr("lamina.metrics.kept.time.perf_counter", lambda: now[0])
    plain = ROCAUC.compute

    def slow(self: Any) -> Any:
        now[0] += 1.0
        calls[0] += 1
        return plain(self)

    monkeypatch.setattr(ROCAUC, "compute", slow)
    metric, backend = ROCAUC(), lamina.get_backend("numpy")
    for index in range(100):
        metric.update(np.array([[float(index)]]), np.array([[index % 2]]), None, backend)
        now[0] += 1.0
        metric.so_far()
    assert 4 <= calls[0] <= 7  # a second each, in a hundred
    assert metric.result() == ROCAUC()(np.arange(100.0)[:, None], (np.arange(100) % 2)[:, None])


def test_they_run_in_a_trainer() -> None:
    rng = np.random.default_rng(6)
    x = rng.standard_normal((40, 3))
    y = (x.sum(axis=1, keepdims=True) > 0).astype(int)
    model = lamina.Sequential(lamina.layers.Dense(1))
    trainer = lamina.Trainer(model, "binary_cross_entropy", metrics=["roc_auc", "average_precision"])
    history = trainer.fit(x, y, epochs=2, validation_data=(x, y), verbose=False)
    expected = score(ROCAUC)(y[:, 0], trainer.predict(x)[:, 0])
    assert history["val_roc_auc"][-1] == pytest.approx(expected, rel=1e-12)
    assert trainer.evaluate(x, y)["roc_auc"] == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("cls", ALL)
def test_what_does_not_fit_is_refused(cls: Any) -> None:
    with pytest.raises(ArgumentError, match=r"^unknown average of \w+ 'binary': Known: macro, micro, weighted$"):
        cls("binary")
    with pytest.raises(ShapeError, match=r"expected targets of shape \(2, 3\), got \(2,\)$"):
        cls(multi_label=True)(np.zeros((2, 3)), [0, 1])
    with pytest.raises(ShapeError, match=r"expected predictions \(batch, outputs\), got \(2,\)$"):
        cls(multi_label=True)(np.zeros(2), np.zeros(2))
    with pytest.raises(DataError, match=r"expected targets from 0 to 1, got 2\.0 at index \(1, 0\)$"):
        cls()(np.zeros((2, 1)), [[0.0], [2.0]])


def test_defaults_are_as_written_out(defaults: Any) -> None:
    # scikit-learn's average.
    assert defaults(Ranking) == {"average": "macro", "ignore_index": None, "multi_label": False, "from_logits": True}
    assert defaults(ROCAUC) == {"average": "macro", "ignore_index": None, "multi_label": False, "from_logits": True}
    assert defaults(AveragePrecision) == {
        "average": "macro",
        "ignore_index": None,
        "multi_label": False,
        "from_logits": True,
    }
