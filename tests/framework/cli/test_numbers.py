"""Windows of series, and the naive forecasts that a model's errors stand beside."""

from typing import Any

import numpy as np
import pytest

import lamina
from lamina.cli.numbers import Forecast, Regress
from lamina.cli.part import Data, Part
from lamina.errors import ArgumentError, DataError


def series(steps: int = 30) -> Data:
    x = np.arange(float(steps))[None, :, None]
    return Data("a", "a.npz", Part(x, np.zeros(1, int), None), None, (), targets=("x",))


def test_windows_never_tell_what_is_tested() -> None:
    task = Forecast(horizon=3, window=5)
    split = task.split(series(), 0, 0.0)
    # The last fifth, steps 24 to 29, is told by the test's windows alone; they may read what is before it.
    assert split.train.y.max() == 23 and split.test.y.min() == 24 and split.test.y.max() == 29
    assert split.test.x[0].ravel().tolist() == [19, 20, 21, 22, 23]
    assert split.test.y[0].ravel().tolist() == [24, 25, 26]
    validated = task.split(series(), 0, 0.25)
    assert validated.validation is not None
    assert validated.train.y.max() == 17 and validated.validation.y.min() == 18 and validated.validation.y.max() == 23


@pytest.mark.parametrize(
    ("given", "window"), [({}, 10), ({"horizon": 8}, 16), ({"season": 11}, 22), ({"window": 3}, 3)]
)
def test_the_window_follows_from_season_and_horizon(given: Any, window: int) -> None:
    assert Forecast(**given).window == window


def test_a_season_must_fit_into_the_window() -> None:
    with pytest.raises(ArgumentError, match="expected a season of 5 steps at least, got 4"):
        Forecast(window=4, season=5)


def test_the_end_of_a_series_is_what_is_told_from() -> None:
    task = Forecast(window=2)
    x = np.arange(8.0).reshape(2, 4, 1)
    assert task.last_windows(x, None, "a").ravel().tolist() == [2, 3, 6, 7]
    assert task.last_windows(x, np.array([3, 2]), "a").ravel().tolist() == [1, 2, 4, 5]
    with pytest.raises(DataError, match="'a': expected 2 steps at least, got 1 in row 1"):
        task.last_windows(x, np.array([3, 1]), "a")


def test_errors_are_as_by_their_formulas() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(20, 3, 1)), rng.normal(size=(20, 2)) * [1, 10]
    model: Any = lamina.Sequential(lamina.layers.SimpleRNN(2), lamina.layers.Dense(2))
    model.build((None, None, 1), dtype="float64")
    model.facts["task"] = {"target_mean": [0.5, -1.0]}
    data = Data("a", "a", None, None, (), targets=("u", "v"))
    verdict = Regress().judge(model, Part(x, y, None), data)
    told = model(x)
    rows = [line.split() for line in verdict.text.splitlines()[1:]]
    for place, (name, *figures) in enumerate(rows):
        error, spread = told[:, place] - y[:, place], y[:, place] - y[:, place].mean()
        naive = np.abs(y[:, place] - [0.5, -1.0][place]).mean()
        expected = [np.abs(error).mean(), naive, (error**2).mean() ** 0.5, 1 - (error**2).sum() / (spread**2).sum()]
        assert name == "uv"[place] and [float(one) for one in figures] == pytest.approx(expected, rel=1e-3)
    assert verdict.figure == pytest.approx(np.abs(told - y).mean())


def test_a_constant_target_is_told_as_it_is() -> None:
    part = Part(np.zeros((4, 2, 1)), np.full((4, 1), 7.0), None)
    data = Data("a", "a", part, part, (), targets=("u",))
    task: Any = Regress()
    split = task.split(data, 0, 0.0)
    assert task.goal(part, split).tolist() == [[0.0]] * 4
    model: Any = lamina.Sequential(lamina.layers.SimpleRNN(2), lamina.layers.Dense(1, w_initializer="zeros"))
    model.build((None, None, 1))
    model.facts["task"] = {}
    task.finish(model, split, data)
    assert model(part.x).tolist() == [[7.0]] * 4
