"""The runs that are killed: small ones, that together have all that a checkpoint must hold."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from lamina.callbacks import CSVLog, EarlyStopping, ForPart, JSONLinesLog, LearningRateSchedule, SaveBest
from lamina.compose.composite import Composite
from lamina.compose.sequential import Sequential
from lamina.core.layer import Layer
from lamina.core.registry import register
from lamina.layers import GRU, LSTM, BatchNorm, Dense, Dropout, Embedding, SimpleRNN, Standardize
from lamina.optimizers import LBFGS, SGD, Adam, AdamW, Lookahead
from lamina.optimizers.schedules import CosineDecay, LinearWarmup, ReduceOnPlateau
from lamina.train.trainer import Trainer
from lamina.train.weight_average import WeightAverage

__all__ = ["CASES", "PLANNED", "Begun"]

#: A trainer, and the arguments of its fit but those of the checkpoint.
Begun: TypeAlias = "tuple[Trainer, dict[str, Any]]"

_ROWS, _TIME, _FEATURES, _CLASSES = 48, 6, 3, 4


def _data() -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    generator = np.random.default_rng(5)
    return generator.normal(size=(_ROWS, _TIME, _FEATURES)), generator.integers(0, _CLASSES, _ROWS)


def _labels() -> np.ndarray[Any, Any]:
    return np.random.default_rng(6).integers(0, _CLASSES, (_ROWS, _TIME))


def _built(*layers: Layer, backend: str | None = None) -> Sequential:
    model = Sequential(*layers)
    model.build((None, None, _FEATURES), seed=3, backend=backend)
    return model


def simple_rnn(folder: Path) -> Begun:
    """Train by SGD with momentum, a schedule by steps, accuracy, and a part held out."""
    x, y = _data()
    schedule = CosineDecay(18, per="step")
    trainer = Trainer(Sequential(SimpleRNN(5), Dense(4)), optimizer=_momentum, metrics="accuracy", callbacks=schedule)
    return trainer, {"x": x, "y": y, "epochs": 3, "batch_size": 8, "validation_split": 0.25}


def _momentum(parameters: Any) -> SGD:
    return SGD(parameters, lr=0.05, momentum=0.9, clip_norm=1.0, groups={"*.b": {"lr": 0.01}})


def lstm_dropout(folder: Path) -> Begun:
    """Draw random masks, measure the data and keep running statistics."""
    x, y = _data()
    model = Sequential(Standardize(), LSTM(4, recurrent_dropout=0.2), BatchNorm(), Dropout(0.4), Dense(4))
    lengths = np.random.default_rng(1).integers(0, _TIME + 1, _ROWS)
    trainer = Trainer(model, optimizer="adam", metrics=["accuracy", "confusion_matrix"], callbacks=WeightAverage(model))
    return trainer, {"x": x, "y": y, "lengths": lengths, "epochs": 3, "batch_size": 8}


def embedding_adam(folder: Path) -> Begun:
    """Update the rows of an embedding that a batch has alone, in batches of rows of like length."""
    generator = np.random.default_rng(2)
    x, lengths = generator.integers(0, 30, (_ROWS, _TIME)), generator.integers(1, _TIME + 1, _ROWS)
    trainer = Trainer(Sequential(Embedding(30, 4), GRU(4), Dense(4)), optimizer=lambda own: Adam(own, lr=0.01))
    return trainer, {"x": x, "y": _data()[1], "lengths": lengths, "epochs": 3, "batch_size": 8, "bucket": True}


def accumulated(folder: Path) -> Begun:
    """Take three batches a step, with random masks, weights of rows and of classes, and slow weights beside."""
    x, y = _data()
    trainer = Trainer(
        Sequential(GRU(4), Dropout(0.3), Dense(4)),
        optimizer=lambda own: Lookahead(AdamW(own, lr=0.01), 2),
        accumulate=3,
    )
    weights = np.random.default_rng(3).random(_ROWS)
    return trainer, {"x": x, "y": y, "sample_weight": weights, "class_weight": "balanced", "epochs": 3, "batch_size": 5}


def truncated(folder: Path) -> Begun:
    """Cut batches in chunks, whose states go on."""
    x, lengths = _data()[0], np.random.default_rng(1).integers(1, _TIME + 1, _ROWS)
    trainer = Trainer(Sequential(LSTM(4, return_sequences=True), Dense(4)), optimizer="rmsprop", metrics="accuracy")
    return trainer, {"x": x, "y": _labels(), "lengths": lengths, "epochs": 2, "batch_size": 12, "truncate": 2}


def plateau(folder: Path) -> Begun:
    """Reduce the rate, end early with the best weights put back, and write files beside."""
    x, y = _data()
    callbacks = [
        LinearWarmup(2),
        ReduceOnPlateau("val_loss", patience=1, factor=0.5),
        EarlyStopping("val_loss", patience=3),
        SaveBest(folder / "beside" / "kept.safetensors"),
        CSVLog(folder / "beside" / "log.csv"),
        JSONLinesLog(folder / "beside" / "log.jsonl"),
    ]
    trainer = Trainer(Sequential(SimpleRNN(6), Dense(4)), optimizer=_momentum, callbacks=callbacks)
    return trainer, {"x": x, "y": y, "epochs": 12, "batch_size": 16, "validation_split": 0.25, "stratify": True}


@register
class TwoOutputs(Composite):
    """A class and a number for each row, from one state."""

    def __init__(self) -> None:
        self.cell = GRU(4)
        self.kind = Dense(4)
        self.size = Dense(1)

    def compose(self, t: Any, *inputs: Any, **options: Any) -> Any:
        """Return both."""
        state = t(self.cell, inputs[0])
        return t(self.kind, state), t(self.size, state)


def two_outputs(folder: Path) -> Begun:
    """Train two outputs, with an optimizer and a schedule for each part."""
    x, y = _data()
    trainer = Trainer(
        TwoOutputs(),
        {"kind": "softmax_cross_entropy", "size": "mean_squared_error"},
        {"*": "adagrad", "size.*": lambda own: SGD(own, lr=0.02)},
        metrics={"kind": "accuracy", "size": ()},
        callbacks=ForPart("size.*", CosineDecay(3)),
    )
    return trainer, {"x": x, "y": {"kind": y, "size": x[:, 0, :1]}, "epochs": 3, "batch_size": 8}


def _slower(epoch: int, rate: float) -> float:
    return rate * 0.9


def batches(folder: Path) -> Begun:
    """Take some batches of a source each epoch, and make the rate by a function of the one before."""
    x, y = _data()

    def source() -> Iterator[Any]:
        for start in range(0, _ROWS, 8):
            yield x[start : start + 8], y[start : start + 8]

    trainer = Trainer(Sequential(GRU(4), Dense(4)), optimizer="adamax", callbacks=LearningRateSchedule(_slower))
    return trainer, {"x": source, "epochs": 4, "steps_per_epoch": 4}


def stored(folder: Path) -> Begun:
    """Read rows from a disk."""
    x, y = _data()
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "x.npy"
    if not path.exists():
        np.save(folder / "x-whole.npy", x)
        (folder / "x-whole.npy").replace(path)
    trainer = Trainer(Sequential(SimpleRNN(4), Dense(4)), optimizer="nadam")
    return trainer, {"x": np.load(path, mmap_mode="r"), "y": y, "epochs": 3, "batch_size": 8}


def closure(folder: Path) -> Begun:
    """Compute the loss several times a step."""
    x, y = _data()
    trainer = Trainer(Sequential(SimpleRNN(4), Dense(4)), optimizer=lambda own: LBFGS(own))
    return trainer, {"x": x, "y": y, "epochs": 4, "batch_size": 24}


def planned(folder: Path) -> Begun:
    """Take steps that the compiled engine has planned, with random masks."""
    x, y = _data()
    model = _built(LSTM(4), Dropout(0.3), Dense(4), backend="numba")
    lengths = np.random.default_rng(1).integers(0, _TIME + 1, _ROWS)
    trainer = Trainer(model, optimizer="adam", metrics="accuracy", compile=True)
    return trainer, {"x": x, "y": y, "lengths": lengths, "epochs": 3, "batch_size": 8}


def planned_chunks(folder: Path) -> Begun:
    """Take planned steps over chunks, whose states go on, several a step."""
    model = _built(GRU(4, return_sequences=True), Dense(4), backend="numba")
    lengths = np.random.default_rng(1).integers(1, _TIME + 1, _ROWS)
    trainer = Trainer(model, optimizer="rmsprop", compile=True, accumulate=2)
    return trainer, {"x": _data()[0], "y": _labels(), "lengths": lengths, "epochs": 2, "batch_size": 9, "truncate": 2}


CASES: dict[str, Callable[[Path], Begun]] = {
    one.__name__: one
    for one in (
        simple_rnn, lstm_dropout, embedding_adam, accumulated, truncated, plateau, two_outputs, batches, stored,
        closure,
    )
}  # fmt: skip
#: For these Numba must be installed.
PLANNED: dict[str, Callable[[Path], Begun]] = {one.__name__: one for one in (planned, planned_chunks)}
