"""The work of ``lamina train``, from reading the data to writing the results."""

from __future__ import annotations

import argparse
import math
import sys
from pathlib import Path
from typing import Any

import numpy as np

from lamina.backends import get_backend
from lamina.cli import recipes
from lamina.cli.classifier import logits_of
from lamina.cli.data import Data, Part, fingerprint, hold_out, read, require_part, require_range
from lamina.cli.report import accuracy_text, confusion_matrix, confusion_text, labelled_lines, part_text
from lamina.core.build import find_dtype
from lamina.core.finite import all_finite
from lamina.core.layer import Layer
from lamina.errors import ArgumentError, DataError, MissingPackageError
from lamina.files import require_writable
from lamina.layers import Standardize
from lamina.losses import SoftmaxCrossEntropy
from lamina.optimization.optimizer import Optimizer
from lamina.train.callback import Callback, Training
from lamina.train.history import History
from lamina.train.trainer import Trainer

__all__ = ["train"]

_FILES = ("model.safetensors", "history.csv", "history.png")


def train(arguments: argparse.Namespace) -> int:
    """Train; return the exit code."""
    # Whatever can be wrong is found before training.
    cell = recipes.find_cell(arguments.cell)
    recipe = recipes.find_recipe(arguments.optimizer, arguments.learning_rate)
    schedule = recipes.find_schedule(arguments.schedule, arguments.epochs)
    dtype = find_dtype(arguments.dtype)
    backend = get_backend(arguments.backend)
    data = read(arguments.data)
    training, test, split = _split(data, arguments.seed)
    for part in (training, test):
        require_range(part.x, part.lengths, dtype, data.source)
    if training.lengths is not None and not training.lengths.any():
        raise DataError("every row to train on is empty: all lengths are 0")
    standardize = Standardize().adapt(training.x, training.lengths)
    out = Path(arguments.out or Path("runs") / data.name)
    for name in _FILES:
        require_writable(out / name)

    model = recipes.build_stack(
        standardize,
        cell,
        arguments.units,
        len(data.class_names),
        layers=arguments.layers,
        bidirectional=arguments.bidirectional,
        dropout=arguments.dropout,
    )
    model.build((None, None, training.x.shape[2]), backend=backend, dtype=dtype, seed=arguments.seed)
    optimizer = recipe.make(model.parameters())
    rate = optimizer.lr
    print(_plan(arguments, model, optimizer, data, training, test, bool(split)))
    trainer = Trainer(
        model,
        SoftmaxCrossEntropy(label_smoothing=recipes.LABEL_SMOOTHING),
        optimizer,
        metrics="accuracy",
        callbacks=[*([] if schedule is None else [schedule]), _StopWhereDiverged()],
        seed=arguments.seed,
    )
    with np.errstate(over="ignore", invalid="ignore"):  # of a divergence, told below
        history = trainer.fit(
            training.x,
            training.y,
            lengths=training.lengths,
            epochs=arguments.epochs,
            batch_size=arguments.batch_size,
        )
    if not _is_finite(model, history):
        where = f"after {len(history)} of {arguments.epochs} epochs"
        print(
            f"lamina: training diverged {where}, so nothing was written: try a --learning-rate below {rate:g}",
            file=sys.stderr,
        )
        return 1

    logits = logits_of(model, test.x, test.lengths, data.source)
    matrix = confusion_matrix(test.y, logits.argmax(axis=-1), len(data.class_names))
    model.facts["class_names"] = list(data.class_names)
    model.facts["preprocessing"] = {
        "feature_mean": (standardize.mean.numpy().astype(np.float64) + standardize.mean_rest.numpy()).tolist(),
        "feature_scale": standardize.deviation.numpy().astype(np.float64).tolist(),
    }
    model.facts["data"] = {"name": data.name, "rows_to_train_on": len(training), **split}
    model.facts["test"] = {"rows": len(test), "accuracy": float(matrix.trace() / len(test))}
    written = _write(model, history, out)
    print(f"\n{confusion_text(matrix, data.class_names)}\n\n{written}")
    print(f"test accuracy {accuracy_text(matrix)}")
    return 1 if history.interrupted else 0


class _StopWhereDiverged(Callback):
    """Ends training after an epoch whose loss is NaN or infinite."""

    def on_epoch_end(self, trainer: Training, epoch: int, values: dict[str, float]) -> None:
        """Stop."""
        if not math.isfinite(values["loss"]):
            trainer.stop()


def _split(data: Data, seed: int) -> tuple[Part, Part, dict[str, Any]]:
    """Return the rows to train on, those to test on, and, where these were held out, how they are found again."""
    train = require_part(data.train, "training", data)
    if len(data.class_names) < 2:
        raise DataError(f"{data.source!r}: expected at least two classes, got only {data.class_names[0]!r}")
    if data.test is not None:
        return train, data.test, {}
    found = {"held_out_of": fingerprint(train), "held_out_seed": seed}
    return *hold_out(train, seed), found


def _is_finite(model: Layer, history: History) -> bool:
    losses = history["loss"] if len(history) else []
    return all(map(math.isfinite, losses)) and all_finite(model.parameters())


def _plan(
    arguments: argparse.Namespace,
    model: Layer,
    optimizer: Optimizer,
    data: Data,
    train: Part,
    test: Part,
    held_out: bool,
) -> str:
    """Return what is going to be trained, on what, and how."""
    drawn = f", a fifth of each class, drawn with seed {arguments.seed}" if held_out else ""
    counts = f"{train.x.shape[2]} features, {len(data.class_names)} classes"
    steps = f"{arguments.batch_size} rows a step, {arguments.schedule}"
    pairs = [
        ("data", f"{data.source}: {counts}"),
        ("to train on", part_text(train)),
        ("to test on", part_text(test) + drawn),
        ("backend", f"{model.backend.name}, {model.dtype}"),
        ("optimizer", repr(optimizer)),
        ("training", f"{arguments.epochs} epochs, {steps}, seed {arguments.seed}"),
    ]
    return f"{labelled_lines(pairs)}\n\n{model.summary()}\n"


def _write(model: Layer, history: History, out: Path) -> str:
    """Write the results; return a line for each."""
    weights, table, picture = (out / name for name in _FILES)
    model.save(weights)
    history.to_csv(table)
    lines = [f"wrote {weights}", f"wrote {table}"]
    try:
        history.plot(picture)
        lines.append(f"wrote {picture}")
    except (ArgumentError, MissingPackageError) as error:
        picture.unlink(missing_ok=True)  # an earlier run's, which does not belong to this one
        lines.append(f"no {picture.name}: {str(error).removeprefix('plot: ')}")
    return "\n".join(lines)
