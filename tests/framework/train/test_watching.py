"""Every callback that watches a figure, in a real trainer: the right figure, in the direction in which it is better.

Each figure there is, the loss and a metric of either direction, of training and of validation, is scripted: the one
watched goes its own way, and the others another. What is right is written out in `best_so_far`.
"""

import inspect
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lamina
from lamina import Loss
from lamina.callbacks import Callback, EarlyStopping, SaveBest
from lamina.core.model_file import read_file
from lamina.layers import Dense
from lamina.metrics import Metric
from lamina.optimizers import SGD, ReduceOnPlateau

X, Y = np.zeros((4, 2)), np.zeros((4, 1))
# Where lower is better: bettered in epochs 2 and 3 and, by 0.5, in 4; then as good, then worse, and best in epoch 8.
WATCHED = [5.0, 4.0, 3.0, 2.5, 2.5, 7.0, 8.0, 1.0]
# The other figures, beside either direction: no two epochs are alike, and none is best where the watched one is.
DECOY = [7.0, 6.5, 6.0, 5.5, 5.0, 4.5, 4.0, 3.5]
FIGURES = {"loss": False, "up": True, "down": False, "val_loss": False, "val_up": True, "val_down": False}
PATIENCE = 2


class Scripts:
    """The figures to come, for training and for validation in turn, by the name of what measures them."""

    def __init__(self, monitor: str, rising_decoys: bool) -> None:
        self.turns = {}
        for name in ("loss", "up", "down"):
            series = [self.series(one, monitor, rising_decoys) for one in (name, f"val_{name}")]
            self.turns[name] = [value for pair in zip(*series, strict=True) for value in pair]

    @staticmethod
    def series(name: str, monitor: str, rising_decoys: bool) -> list[float]:
        if name == monitor:
            return [-value for value in WATCHED] if FIGURES[name] else WATCHED
        return [-value for value in DECOY] if rising_decoys else DECOY


class ScriptedLoss(Loss):
    def __init__(self, turns: list[float]) -> None:
        self.turns = turns

    def forward(self, prediction: Any, target: Any) -> Any:
        return np.asarray(self.turns.pop(0)), prediction

    def backward(self, prediction: Any) -> Any:
        return np.zeros_like(prediction)


class Scripted(Metric):
    def __init__(self, name: str, turns: list[float], higher_is_better: bool) -> None:
        self.name, self.turns, self.higher_is_better = name, turns, higher_is_better

    def __deepcopy__(self, memo: Any) -> "Scripted":
        return self  # an evaluation measures with a copy, which takes its turn like any

    def reset(self) -> None:
        pass

    def update(self, *arguments: Any) -> None:
        pass

    def result(self) -> float:
        return self.turns.pop(0)


def fit(callback: Callback, monitor: str, rising_decoys: bool, *further: Callback) -> lamina.History:
    scripts = Scripts(monitor, rising_decoys)
    metrics = [Scripted(name, scripts.turns[name], FIGURES[name]) for name in ("up", "down")]
    model = Dense(1)
    trainer = lamina.Trainer(
        model,
        ScriptedLoss(scripts.turns["loss"]),
        lambda parameters: SGD(parameters, lr=1.0),
        metrics=metrics,
        callbacks=[callback, *further],
    )
    return trainer.fit(X, Y, epochs=len(WATCHED), validation_data=(X, Y), verbose=False)


def best_so_far(min_delta: float = 0.0) -> list[int]:
    """Return, after each epoch, the epoch with the best figure, where a change of ``min_delta`` or less is none."""
    found, best = [], 0
    for epoch, value in enumerate(WATCHED):
        best = epoch if WATCHED[best] - value > min_delta else best
        found.append(best + 1)
    return found


def stopped_after(min_delta: float = 0.0) -> int:
    """Return the first epoch that is ``PATIENCE`` after the best."""
    return next(epoch for epoch, best in enumerate(best_so_far(min_delta), 1) if epoch - best >= PATIENCE)


def watch_plateau(monitor: str, rising: bool, path: Path) -> None:
    for min_delta in (0.0, 0.5):
        plateau = ReduceOnPlateau(monitor, factor=0.5, patience=PATIENCE, min_delta=min_delta, cooldown=9)
        history = fit(plateau, monitor, rising)
        # The rate of an epoch is noted before the callback lowers that of the next.
        high = stopped_after(min_delta)
        assert history["learning_rate"] == [1.0] * high + [0.5] * (len(WATCHED) - high)
        assert plateau.best == (-1.0 if FIGURES[monitor] else 1.0)


def watch_stopping(monitor: str, rising: bool, path: Path) -> None:
    for min_delta in (0.0, 0.5):
        stopping = EarlyStopping(monitor, patience=PATIENCE, min_delta=min_delta)
        history = fit(stopping, monitor, rising)
        end = stopped_after(min_delta)
        epoch = best_so_far(min_delta)[end - 1]
        assert (len(history), stopping.stopped_epoch, stopping.best_epoch) == (end, end, epoch)
        assert stopping.best_value == (-1 if FIGURES[monitor] else 1) * WATCHED[epoch - 1]


def watch_saving(monitor: str, rising: bool, path: Path) -> None:
    saved = []

    class Read(Callback):
        def on_epoch_end(self, trainer: lamina.Trainer, epoch: int, values: dict[str, float]) -> None:
            saved.append(json.loads(read_file(path)[1]["facts"])["training"]["epochs"])

    saving = SaveBest(path, monitor)
    fit(saving, monitor, rising, Read())
    assert saved == best_so_far()
    assert saving.best_epoch == saved[-1] == 8


WATCHING: dict[type[Callback], Callable[[str, bool, Path], None]] = {
    ReduceOnPlateau: watch_plateau,
    EarlyStopping: watch_stopping,
    SaveBest: watch_saving,
}


@pytest.mark.parametrize("rising_decoys", [True, False])
@pytest.mark.parametrize("monitor", FIGURES)
@pytest.mark.parametrize("kind", WATCHING, ids=lambda kind: kind.__name__)
def test_each_watches_its_figure_in_its_direction(
    kind: type[Callback], monitor: str, rising_decoys: bool, tmp_path: Path
) -> None:
    WATCHING[kind](monitor, rising_decoys, tmp_path / "best")


@pytest.mark.parametrize("monitor", FIGURES)
def test_a_trainers_history_knows_the_directions(monitor: str) -> None:
    history = fit(Callback(), monitor, rising_decoys=False)
    assert history.higher_is_better == FIGURES
    assert history.best(monitor) == (8, -1.0 if FIGURES[monitor] else 1.0)


def test_no_callback_that_watches_is_left_out() -> None:
    known = [Callback]
    for cls in known:
        known += cls.__subclasses__()
    ours = [cls for cls in known if cls.__module__.startswith("lamina.") and not cls.__name__.startswith("_")]
    assert {cls for cls in ours if "monitor" in inspect.signature(cls).parameters} == set(WATCHING)
