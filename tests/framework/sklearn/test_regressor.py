"""The regressor: units, several numbers, and weights."""

from typing import Any

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="needs scikit-learn: pip install -e '.[sklearn]'")

from sklearn.linear_model import LinearRegression
from sklearn.metrics import r2_score

from lamina.sklearn import SequenceRegressor

RNG = np.random.default_rng(0)
X = RNG.normal(size=(120, 5, 2))
Y = np.tanh(X[..., 0].cumsum(axis=1))[:, -1]
QUICK: dict[str, Any] = {"units": 4, "epochs": 2, "random_state": 0, "dtype": "float64"}


def test_the_unit_of_the_targets_does_not_matter() -> None:
    one = SequenceRegressor(**QUICK).fit(X, Y).predict(X)
    other = SequenceRegressor(**QUICK).fit(X, 1e6 + 1e3 * Y).predict(X)
    np.testing.assert_allclose((other - 1e6) / 1e3, one, rtol=1e-6, atol=1e-8)


def test_it_tells_more_than_a_line_through_the_features() -> None:
    settings = {"units": 16, "optimizer": "adam", "learning_rate": 0.02, "epochs": 60, "random_state": 0}
    fitted = SequenceRegressor(**settings).fit(X[:80], Y[:80])
    line = LinearRegression().fit(X[:80].reshape(80, -1), Y[:80])
    found = fitted.score(X[80:], Y[80:])
    assert found == pytest.approx(r2_score(Y[80:], fitted.predict(X[80:])), abs=1e-12)
    assert found > line.score(X[80:].reshape(40, -1), Y[80:]) + 0.03


def test_several_numbers_and_a_column_keep_their_axis() -> None:
    fitted = SequenceRegressor(**QUICK).fit(X, np.stack([Y, 5 - Y], axis=1))
    assert fitted.predict(X).shape == (120, 2)
    assert SequenceRegressor(**QUICK).fit(X, Y[:, None]).predict(X).shape == (120, 1)
    assert SequenceRegressor(**QUICK).fit(X, Y).predict(X).shape == (120,)
    with pytest.raises(ValueError, match="expected 2 targets, as before, got 1"):
        fitted.partial_fit(X, Y)
    with pytest.raises(ValueError, match="dim 3"):
        fitted.fit(X, Y[:, None, None])


def test_a_constant_target_is_told() -> None:
    np.testing.assert_allclose(SequenceRegressor(units=2, epochs=60).fit(X, np.full(120, 7.0)).predict(X), 7, atol=0.5)


def test_the_mean_is_that_of_the_weighted_targets() -> None:
    weights = RNG.random(120)
    fitted = SequenceRegressor(**QUICK).fit(X, Y, sample_weight=weights)
    np.testing.assert_allclose(fitted.target_mean_, np.average(Y, weights=weights), rtol=1e-12)
    spread = np.sqrt(np.average((Y - fitted.target_mean_) ** 2, weights=weights))
    np.testing.assert_allclose(fitted.target_scale_, spread, rtol=1e-12)
    mean = fitted.model_[0].mean.numpy() + fitted.model_[0].mean_rest.numpy()
    steps = np.average(X, axis=0, weights=weights).mean(axis=0)
    np.testing.assert_allclose(mean, steps, rtol=1e-12)
