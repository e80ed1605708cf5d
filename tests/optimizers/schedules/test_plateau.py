"""The schedule that lowers the rate once a figure no longer improves."""

from typing import Any

import numpy as np
import pytest

import lamina
from lamina.errors import ArgumentError, CheckpointError, UnknownNameError
from lamina.layers import Dense
from lamina.optimizers import SGD, ReduceOnPlateau

NAN = float("nan")


def optimizer(rate: float = 8.0) -> SGD:
    model = Dense(3)
    model.build((None, 2), seed=0)
    return SGD(model.parameters(), rate)


def rates(schedule: ReduceOnPlateau, values: list[float], higher: bool = False, one: Any = None) -> list[float]:
    one = optimizer() if one is None else one
    found = []
    for value in values:
        before = one.lr
        assert schedule.observe(one, value, higher) is (one.lr < before)
        found.append(one.lr)
    return found


@pytest.mark.parametrize(
    ("settings", "values", "expected"),
    [
        ({}, [5, 4, 4, 4, 4, 4, 3], [8, 8, 8, 4, 4, 2, 2]),
        ({"min_delta": 1.0}, [5, 4.5, 4, 3, 3.5], [8, 8, 4, 4, 4]),
        ({"cooldown": 2}, [5, 5, 5, 5, 5, 5, 5], [8, 8, 4, 4, 4, 4, 2]),
        ({"floor": 3.0}, [5] * 7, [8, 8, 4, 4, 3, 3, 3]),
        ({"floor": 9.0}, [5] * 3, [8, 8, 8]),  # never raised
        ({}, [NAN, 5, NAN, NAN, 4, NAN, 3], [8, 8, 8, 4, 4, 4, 4]),
        ({"patience": 1}, [NAN, NAN], [4, 2]),
    ],
)
def test_the_rate_falls_after_epochs_without_improvement(
    settings: dict[str, Any], values: list[float], expected: list[float]
) -> None:
    schedule = ReduceOnPlateau(**({"factor": 0.5, "patience": 2} | settings))
    assert rates(schedule, values) == expected
    schedule = ReduceOnPlateau(**({"factor": 0.5, "patience": 2} | settings))
    assert rates(schedule, [-value for value in values], higher=True) == expected


def test_it_continues_from_its_state_and_starts_anew_with_another_optimizer() -> None:
    schedule, one = ReduceOnPlateau(factor=0.5, patience=3), optimizer()
    rates(schedule, [5, 6, 6], one=one)
    other = ReduceOnPlateau(factor=0.5, patience=3)
    other.load_state_dict(schedule.state_dict())
    assert rates(other, [6], one=one) == [4]
    assert rates(schedule, [9, 6], one=optimizer()) == [8, 8]
    assert (schedule.best, schedule.waited) == (6, 0)
    with pytest.raises(CheckpointError) as caught:
        schedule.load_state_dict({"count": 1})
    assert str(caught.value) == "state does not fit ReduceOnPlateau: expected best, waited and resting, got ['count']"


def test_in_a_trainer_it_watches_a_figure_and_says_what_it_did(capsys: pytest.CaptureFixture[str]) -> None:
    x, y = np.random.default_rng(0).normal(size=(12, 2)), np.arange(12) % 3
    schedule = ReduceOnPlateau("loss", factor=0.5, patience=2, min_delta=100.0)
    model = Dense(3)
    history = lamina.Trainer(model, optimizer=lambda p: SGD(p, 0.08), callbacks=schedule).fit(x, y, epochs=6)
    assert history["learning_rate"] == [0.08, 0.08, 0.08, 0.04, 0.04, 0.02]
    assert "learning rate 0.04: no better loss for a while" in capsys.readouterr().out


@pytest.mark.parametrize(("metric", "rises"), [("hits", True), ("misses", False)])
def test_in_a_trainer_a_figure_falls_or_rises_as_its_metric_says(metric: str, rises: bool) -> None:
    """A figure that goes up and up is no plateau where higher is better, and is one from the start where lower is."""

    class Rising(lamina.metrics.Metric):
        higher_is_better = rises

        def __init__(self) -> None:
            self.name, self.epochs = metric, 0

        def reset(self) -> None:
            self.epochs += 1

        def update(self, *arguments: Any) -> None: ...

        def result(self) -> float:
            return float(self.epochs)

    x, y = np.random.default_rng(0).normal(size=(12, 2)), np.arange(12) % 3
    trainer = lamina.Trainer(
        Dense(3), optimizer=lambda p: SGD(p, 0.08), metrics=Rising(), callbacks=ReduceOnPlateau(metric, 0.5, patience=1)
    )
    history = trainer.fit(x, y, epochs=4, verbose=False)
    assert history["learning_rate"] == ([0.08] * 4 if rises else [0.08, 0.08, 0.04, 0.02])


def test_a_figure_that_will_not_be_there_is_found_before_training() -> None:
    x, y = np.zeros((4, 2)), np.arange(4) % 3
    for schedule, error, message in (
        (
            ReduceOnPlateau(),
            ArgumentError,
            "ReduceOnPlateau: monitor 'val_loss' needs validation data: pass validation_data to fit",
        ),
        (
            ReduceOnPlateau("los"),
            UnknownNameError,
            "unknown monitor of ReduceOnPlateau 'los': did you mean 'loss'? Known: loss",
        ),
    ):
        with pytest.raises(error) as caught:
            lamina.Trainer(Dense(3), optimizer="sgd", callbacks=schedule).fit(x, y, verbose=False)
        assert str(caught.value) == message


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"factor": 1.0}, "expected factor to be a number above 0 and below 1, got 1.0"),
        ({"patience": 0}, "expected patience to be a whole number of 1 or more, got 0"),
        ({"min_delta": -1}, "expected min_delta to be a number of at least 0, got -1"),
        ({"cooldown": -1}, "expected cooldown to be a whole number of 0 or more, got -1"),
        ({"floor": -1}, "expected floor to be a number of at least 0, got -1"),
    ],
)
def test_settings_out_of_range_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        ReduceOnPlateau(**settings)
    assert str(caught.value) == f"ReduceOnPlateau: {message}"


def test_it_prints_what_differs_from_the_defaults() -> None:
    assert repr(ReduceOnPlateau("loss", patience=3)) == "ReduceOnPlateau(monitor='loss', patience=3)"


def test_defaults_are_as_written_out(defaults: Any) -> None:
    # PyTorch's and Keras's, but for the least change: any counts.
    assert defaults(ReduceOnPlateau) == {
        "monitor": "val_loss",
        "factor": 0.1,
        "patience": 10,
        "min_delta": 0.0,
        "cooldown": 0,
        "floor": 0.0,
    }
