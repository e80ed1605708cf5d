"""Whole trainings on both backends, as a user runs them: they should end at the same accuracy."""

from __future__ import annotations

import inspect
import tempfile
import time
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.gpu.part import Item, Tell
from benchmarks.gpu.precision import NAMES, NotThere, in_precision
from benchmarks.gpu.records import Records
from benchmarks.gpu.rehearsal import sized

__all__ = ["items"]

_BACKENDS = ("cupy", "numpy")
_CELLS = ("simple_rnn", "lstm", "gru")


def items(records: Records) -> Iterable[Item]:
    """Return the trainings: the default one, the other cells, and the precisions."""
    yield from (Item(f"{_CELLS[0]}, {backend}", partial(_command, _CELLS[0], backend)) for backend in _BACKENDS)
    yield from (Item(f"precision {name}", partial(_precision, name)) for name in NAMES)
    for cell in _CELLS[1:]:
        yield from (Item(f"{cell}, {backend}", partial(_command, cell, backend)) for backend in _BACKENDS)


def _command(cell: str, backend: str, tell: Tell) -> None:
    """Run ``lamina train japanese-vowels``; tell the accuracy that it saved with the model."""
    import lamina
    from lamina.cli import main

    with tempfile.TemporaryDirectory() as folder:
        options = ["--cell", cell, "--backend", backend, "--out", folder]
        options += sized([], ["--epochs", "2", "--units", "8"])
        start = time.perf_counter()
        code = main(["train", "japanese-vowels", *options])
        seconds = time.perf_counter() - start
        if code != 0:
            raise RuntimeError(f"lamina train ended with code {code}")
        facts = lamina.load(Path(folder) / "model.safetensors", backend="numpy").facts
    tell(cell=cell, backend=backend, accuracy=facts["test"]["accuracy"], seconds=seconds)


def _precision(name: str, tell: Tell) -> None:
    """Train an LSTM with ``Trainer(precision=...)``, where there is such a thing."""
    import lamina

    backend = lamina.get_backend("cupy")
    try:
        in_precision(backend, name)
        if "precision" not in inspect.signature(lamina.Trainer).parameters:
            raise NotThere("not there: Trainer takes no precision")
    except NotThere as reason:
        tell(backend="cupy", precision=name, missing=str(reason))
        return
    data = lamina.datasets.japanese_vowels()
    layers = lamina.layers
    model = lamina.Sequential(layers.Standardize(), layers.LSTM(sized(128, 8)), layers.Dense(9))
    model.build((None, None, data.x_train.shape[2]), seed=0, backend=backend)
    options: dict[str, Any] = {"optimizer": "adam", "metrics": "accuracy", "precision": name}
    trainer = lamina.Trainer(model, **options)
    start = time.perf_counter()
    trainer.fit(
        data.x_train, data.y_train, lengths=data.lengths_train, epochs=sized(40, 1), batch_size=32, verbose=False
    )
    seconds = time.perf_counter() - start
    accuracy = trainer.evaluate(data.x_test, data.y_test, lengths=data.lengths_test)["accuracy"]
    tell(cell="lstm", backend="cupy", precision=name, accuracy=accuracy, seconds=seconds)
