"""How X and weights are read: which form is a table and which a list, and what is refused in one line."""

from typing import Any

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="needs scikit-learn: pip install -e '.[sklearn]'")

from lamina.sklearn import SequenceClassifier
from lamina.sklearn.series import read_series, read_weights, weighted_moments

ONES, TWOS = np.ones((4, 3)), np.ones((4, 3, 2))


def read(X: Any, first: Any = None) -> Any:
    estimator = SequenceClassifier()
    if first is not None:
        read_series(estimator, first, reset=True)
    return read_series(estimator, X, reset=first is None)


@pytest.mark.parametrize(
    ("X", "shape", "features"),
    [
        (ONES, (4, 3, 1), 3),
        (ONES.tolist(), (4, 3, 1), 3),
        (TWOS, (4, 3, 2), 2),
        (TWOS.tolist(), (4, 3, 2), 2),
        (list(TWOS), [(3, 2)] * 4, 2),
        (list(ONES), [(3, 1)] * 4, 1),
        ([[1.0, 2.0], [3.0]], [(2, 1), (1, 1)], 1),
        ([np.ones((2, 5)), np.zeros((0, 5)), np.array([])], [(2, 5), (0, 5), (0, 5)], 5),
        (np.ones((2, 3), int), (2, 3, 1), 3),
    ],
)
def test_forms(X: Any, shape: Any, features: int) -> None:
    estimator = SequenceClassifier()
    found = read_series(estimator, X, reset=True)
    assert ([row.shape for row in found] if isinstance(found, list) else found.shape) == shape
    assert estimator.n_features_in_ == features


@pytest.mark.parametrize(
    ("first", "X", "told"),
    [
        (TWOS, ONES, "expected sequences of 2 features, got X of (4, 3), which is a batch of series of one"),
        (TWOS, np.ones((4, 3, 1)), "X has 1 features a step, but SequenceClassifier is expecting 2 features"),
        (ONES, TWOS, "X has 2 features a step, but SequenceClassifier is expecting 1 features"),
        (ONES, np.ones((4, 2)), "X has 2 features, but SequenceClassifier is expecting 3 features"),
        (None, np.ones((2, 2, 2, 2)), "expected X of (batch, time) or (batch, time, features), got (2, 2, 2, 2)"),
        (None, np.ones(3), "Reshape your data"),
        (None, np.full((2, 3, 2), np.nan), "contains NaN"),
        (None, [np.ones((2, 2)), np.ones((2, 3))], "expected 2 features in each sequence, as in the first, got 3"),
        (None, [np.ones((2, 2)), np.ones((2, 3, 1))], "expected sequences (time, features) or (time,) in X"),
        (None, [np.array(["a"]), np.array(["b", "c"])], "expected numbers in X, got an array of <U1 at index 0"),
        (None, [np.zeros((0, 2))], "every sequence in X is empty"),
        (None, [], "Found array with 0|Expected 2D array|minimum of 1"),
    ],
)
def test_what_is_no_batch_of_sequences_is_refused(first: Any, X: Any, told: str) -> None:
    with pytest.raises((ValueError, TypeError)) as caught:
        read(X, first)
    assert any(one in str(caught.value) for one in told.split("|"))


def test_a_table_then_lists_of_any_length() -> None:
    assert [len(row) for row in read([np.ones(7), np.ones(2)], ONES)] == [7, 2]
    assert read(ONES, [np.ones(7), np.ones(2)]).shape == (4, 3, 1)


def test_a_table_keeps_its_columns_names() -> None:
    pandas = pytest.importorskip("pandas", reason="needs pandas: pip install -e '.[data]'")
    estimator = SequenceClassifier()
    read_series(estimator, pandas.DataFrame(ONES, columns=["a", "b", "c"]), reset=True)
    assert estimator.feature_names_in_.tolist() == ["a", "b", "c"]
    with pytest.raises(ValueError, match="feature names"):
        read_series(estimator, pandas.DataFrame(ONES, columns=["a", "c", "b"]), reset=False)
    read_series(estimator, TWOS, reset=True)
    assert not hasattr(estimator, "feature_names_in_")
    # A column of objects is of sequences.
    column = pandas.Series([np.ones((2, 2)), np.ones((5, 2))])
    assert [row.shape for row in read_series(estimator, column, reset=True)] == [(2, 2), (5, 2)]


@pytest.mark.parametrize(
    ("weights", "told"),
    [
        (np.ones(3), "expected (4,)"),
        (np.ones((4, 3)), "1D array or scalar"),
        ([1, -1, 1, 1], "Negative values"),
        (np.zeros(4), "every weight is zero"),
        ([1, np.nan, 1, 1], "NaN"),
    ],
)
def test_weights_that_are_none_are_refused(weights: Any, told: str) -> None:
    with pytest.raises(ValueError) as caught:
        read_weights(SequenceClassifier(), weights, 4)
    assert told in str(caught.value)
    assert read_weights(SequenceClassifier(), 2, 4).tolist() == [2.0] * 4


def test_weighted_moments_are_those_of_repeated_sequences() -> None:
    rng = np.random.default_rng(0)
    rows = [rng.normal(1e4, 3, size=(int(n), 2)) for n in rng.integers(0, 6, 12)]
    weights = rng.integers(0, 4, 12)
    found = weighted_moments(rows, weights.astype(float))
    steps = np.concatenate([row for row, n in zip(rows, weights.tolist(), strict=True) for _ in range(n)])
    np.testing.assert_allclose(found.mean, steps.mean(axis=0), rtol=1e-14)
    np.testing.assert_allclose(found.deviation, steps.std(axis=0), rtol=1e-10)
    assert found.steps == len(steps)
