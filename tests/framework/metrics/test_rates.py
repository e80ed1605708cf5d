"""RateAt against scikit-learn's curves, over ties, weights, classes and rates that no threshold has."""

import doctest
import math
from typing import Any

import numpy as np
import pytest

import lamina
from lamina.errors import ArgumentError, UnknownNameError
from lamina.metrics import RateAt, rates
from lamina.testing import register_strict_backend

PAIRS = [
    (a, b) for a in ("recall", "precision", "specificity") for b in ("recall", "precision", "specificity") if a != b
]


@pytest.fixture(params=["numpy", "reference", "array-api-strict"])
def backend(request: pytest.FixtureRequest) -> lamina.Backend:
    return register_strict_backend() if "strict" in request.param else lamina.get_backend(request.param)


def best(rate: str, where: str, least: float, target: Any, scores: Any, weight: Any) -> float:
    """Return what scikit-learn's points of both curves give, at its thresholds and above them all."""
    sklearn = pytest.importorskip("sklearn.metrics")
    precision, recall, at = sklearn.precision_recall_curve(target, scores, sample_weight=weight)
    misses, hits, cut = sklearn.roc_curve(target, scores, sample_weight=weight, drop_intermediate=False)
    assert (cut[1:][::-1] == at).all()
    np.testing.assert_allclose(hits[1:][::-1], recall[:-1])
    precision[-1] = 0  # of no row that is taken; scikit-learn has 1
    found = {"precision": precision, "recall": recall, "specificity": 1 - misses[::-1]}
    enough = found[where] >= least
    return float(found[rate][enough].max(initial=0.0))


@pytest.mark.parametrize(("rate", "where"), PAIRS)
@pytest.mark.parametrize("digits", [1, 8], ids=["ties", "none"])
def test_equals_scikit_learns_curves(backend: lamina.Backend, rate: str, where: str, digits: int) -> None:
    rng = np.random.default_rng(0)
    scores, target = rng.standard_normal((40, 1)).round(digits), rng.integers(0, 2, (40, 1))
    for weight in (None, rng.random(40)):
        for least in (0.0, 0.311, 0.62, 0.871, 1.0):
            metric = RateAt(rate, where, least)
            for part in (slice(0, 13), slice(13, 40)):
                given = None if weight is None else backend.asarray(weight[part])
                metric.update(backend.asarray(scores[part]), backend.asarray(target[part]), None, backend, given)
            wanted = best(rate, where, least, target[:, 0], scores[:, 0], weight)
            assert metric.result() == pytest.approx(wanted, rel=1e-12)


@pytest.mark.parametrize("average", ["macro", "weighted", None])
def test_each_class_against_the_rest(average: Any) -> None:
    rng = np.random.default_rng(1)
    logits, labels = rng.standard_normal((60, 3)), rng.integers(0, 3, 60)
    powers = np.exp(logits)
    shares = powers / powers.sum(1, keepdims=True)
    each = np.array([best("recall", "precision", 0.4, labels == one, shares[:, one], None) for one in range(3)])
    amounts = np.bincount(labels) if average == "weighted" else None
    wanted = each if average is None else np.average(each, weights=amounts)
    np.testing.assert_allclose(RateAt("recall", "precision", 0.4, average)(logits, labels), wanted, rtol=1e-12)


def test_what_no_threshold_has_is_0() -> None:
    scores, target = [[0.1], [0.2], [0.3], [0.9]], [[1], [1], [0], [0]]  # a precision of 1/2 at most
    assert RateAt("recall", "precision", 0.5)(scores, target) == 1
    assert RateAt("recall", "precision", 2 / 3)(scores, target) == 0
    assert RateAt("specificity", "recall", 0.0)(scores, target) == 1  # above all scores


def test_rows_of_one_kind_tell_nothing() -> None:
    scores = [[0.1], [0.7]]
    assert math.isnan(RateAt("recall", "precision")(scores, [[0], [0]]))
    assert RateAt("recall", "precision")(scores, [[1], [1]]) == 1
    assert math.isnan(RateAt("recall", "specificity")(scores, [[1], [1]]))


def test_a_trainer_names_it_by_its_rates() -> None:
    x, y = np.linspace(-1, 1, 20, dtype=np.float32)[:, None], (np.arange(20) % 3 == 0).astype(int)[:, None]
    metric = RateAt("specificity", "recall", 0.8)
    trainer = lamina.Trainer(lamina.layers.Dense(1), "bce", "sgd", metrics=metric)
    history = trainer.fit(x, y, epochs=1, verbose=False)
    figures = trainer.evaluate(x, y)
    assert 0 <= history["specificity_at_recall"][0] <= 1
    wanted = best("specificity", "recall", 0.8, y[:, 0], trainer.predict(x)[:, 0], None)
    assert figures["specificity_at_recall"] == pytest.approx(wanted)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: RateAt("recall", "recall"),
            "RateAt: expected where to be another than rate, got 'recall' for both",
        ),
        (
            lambda: RateAt("recall", "precision", 1.5),
            "RateAt: expected least to be a number of at least 0 and of at most 1, got 1.5",
        ),
    ],
)
def test_settings_out_of_range_are_refused(make: Any, message: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        make()
    assert str(caught.value) == message


def test_another_rate_is_told_the_known_ones() -> None:
    with pytest.raises(UnknownNameError, match=r"'sensitivity'.*precision, recall, specificity"):
        RateAt("sensitivity", "precision")


def test_the_example_in_the_docstring() -> None:
    assert doctest.testmod(rates) == (0, 3)


def test_defaults_are_as_written_out(defaults: Any) -> None:
    # scikit-learn's and Keras's have none for these three.
    assert defaults(RateAt) == {
        "rate": "recall",
        "where": "precision",
        "least": 0.5,
        "average": "macro",
        "ignore_index": None,
        "multi_label": False,
        "from_logits": True,
    }
