"""The work of ``lamina train``, from reading the data to writing the results."""

from __future__ import annotations

import argparse
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lamina import recipes
from lamina.backends import get_backend
from lamina.callbacks import EarlyStopping
from lamina.checkpoints.every import EVERY, Every
from lamina.cli.data import Data, read, require_range
from lamina.cli.memory import require_memory
from lamina.cli.messages import complain, reason
from lamina.cli.options import columns_of
from lamina.cli.ranks import speaking
from lamina.cli.report import labelled_lines, part_text
from lamina.cli.say import say
from lamina.cli.task import Split, Task, Verdict
from lamina.cli.tasks import find_task
from lamina.core.build import find_dtype
from lamina.core.finite import all_finite
from lamina.core.layer import Layer
from lamina.distributed import Communicator, connect
from lamina.errors import ArgumentError, DataError, LaminaError, OutputError
from lamina.files import require_writable
from lamina.layers import Standardize
from lamina.optimization.optimizer import Optimizer
from lamina.train.callback import Callback, Training
from lamina.train.history import History
from lamina.train.trainer import Trainer

__all__ = ["train"]

# A stack of more is made for longer than anyone waits.
_MOST_LAYERS = 1000
_FILES = ("model.safetensors", "history.csv", "history.png")


@dataclass(frozen=True, eq=False)
class _Trained:
    """A model, how its training went, and how well it does."""

    model: Layer
    history: History
    verdict: Verdict
    seed: int

    @property
    def best_validation(self) -> float:
        """Its loss on the validation part; 0 where there is none, so that the first is best."""
        losses = self.history["val_loss"] if "val_loss" in self.history and len(self.history) else [0.0]
        place: int = self.model.facts["training"].get("restored_epoch", 0) - 1
        return losses[place]


def train(arguments: argparse.Namespace) -> int:
    """Train, on several ranks where it is asked; return the exit code."""
    communicator = None if arguments.distributed is None else connect(arguments.distributed, **_timeout(arguments))
    with speaking(communicator) as leads:
        return _train(arguments, communicator, leads)


def _timeout(arguments: argparse.Namespace) -> dict[str, float]:
    return {} if arguments.timeout is None else {"timeout": arguments.timeout}


def _train(arguments: argparse.Namespace, communicator: Communicator | None, leads: bool) -> int:
    # Whatever can be wrong is found before training.
    task = find_task(arguments.task, vars(arguments))
    cell = recipes.find_cell(arguments.cell or task.cell)
    recipe = recipes.find_recipe(arguments.optimizer, arguments.learning_rate)
    recipes.find_schedule(arguments.schedule, arguments.epochs)
    dtype = find_dtype(arguments.dtype)
    backend = get_backend(arguments.backend)
    if arguments.patience is not None and not arguments.validation:
        raise ArgumentError("--patience: expected --validation beside it, a share such as 0.2")
    if arguments.every is not None and not arguments.checkpoint:
        raise ArgumentError("--every: expected --checkpoint beside it")
    if arguments.timeout is not None and communicator is None:
        raise ArgumentError("--timeout: expected --distributed beside it")
    Every(arguments.every or EVERY)
    data = read(arguments.data, task.name, columns_of(arguments), arguments.test, arguments.memory)
    split = task.split(data, arguments.seed, arguments.validation)
    for part in (split.train, split.test, split.validation):
        if part is not None:
            require_range(part.x, part.lengths, dtype, data.source)
    if split.train.lengths is not None and not split.train.lengths.any():
        raise DataError("every row to train on is empty: all lengths are 0")
    units = arguments.units or task.units
    _require_model(arguments, units, split)
    out = Path(arguments.out or Path("runs") / data.name)
    for name in _FILES if leads else ():
        require_writable(out / name)

    trained: list[_Trained] = []
    options = {name: getattr(arguments, name) for name in ("layers", "bidirectional", "dropout")}
    options |= {"cell": cell, "units": units}
    for seed in range(arguments.seed, arguments.seed + arguments.seeds):
        first = Standardize().adapt(split.train.x, split.train.lengths)
        model = task.build(data, first, options)
        time = split.train.x.shape[1] if task.name == "forecast" else None
        model.build((None, time, split.train.x.shape[2]), backend=backend, dtype=dtype, seed=seed)
        optimizer = recipe.make(model.parameters())
        if not trained:
            say(_plan(arguments, model, optimizer, data, split, task, communicator))
        if arguments.seeds > 1:
            say(f"seed {seed}")
        rate = optimizer.lr
        checkpoint = out / "checkpoint" / f"seed-{seed}" if arguments.checkpoint else None
        history = _fit(arguments, model, optimizer, split, task, seed, checkpoint, communicator)
        if not _is_finite(model, history):
            where = f"after {len(history)} of {arguments.epochs} epochs"
            complain(f"lamina: training diverged {where}, so nothing was written: try a --learning-rate below {rate:g}")
            return 1
        model.facts["task"] = task.facts(data)
        task.finish(model, split, data)
        _note(model, first, data, split)
        verdict = task.judge(model, split.test, data)
        model.facts["test"] = {"rows": len(split.test), **verdict.facts}
        trained.append(_Trained(model, history, verdict, seed))
        if arguments.seeds > 1:
            say(f"seed {seed}: test {verdict.line}\n")
        if history.interrupted:
            break
    if not leads:
        return 1 if trained[-1].history.interrupted else 0
    return _tell(min(trained, key=lambda one: one.best_validation), trained, task, out)


def _require_model(arguments: argparse.Namespace, units: int, split: Split) -> None:
    """Raise `DataError` where a model would take more bytes than ``--memory`` gives, before any of it is drawn.

    Counted are a cell's weights as LSTM has them, four gates, four times in float32: an optimizer has gradients and
    up to two more numbers of each.
    """
    if arguments.layers > _MOST_LAYERS:
        raise ArgumentError(f"--layers: expected at most {_MOST_LAYERS}, got {arguments.layers}")
    directions = 2 if arguments.bidirectional else 1
    inputs = max(split.train.x.shape[2], units * directions)
    weights = 4 * arguments.layers * directions * units * (units + inputs)
    require_memory(16 * weights, arguments.memory, f"--units {units}", "the model")


class _StopWhereDiverged(Callback):
    """Ends training after an epoch whose loss is NaN or infinite."""

    def on_epoch_end(self, trainer: Training, epoch: int, values: dict[str, float]) -> None:
        """Stop."""
        if not math.isfinite(values["loss"]):
            trainer.stop()


def _fit(
    arguments: argparse.Namespace,
    model: Layer,
    optimizer: Optimizer,
    split: Split,
    task: Task,
    seed: int,
    checkpoint: Path | None,
    communicator: Communicator | None,
) -> History:
    schedule = recipes.find_schedule(arguments.schedule, arguments.epochs)
    callbacks: list[Callback] = [] if schedule is None else [schedule]
    if arguments.patience is not None:
        callbacks.append(EarlyStopping("val_loss", arguments.patience))
    callbacks.append(_StopWhereDiverged())
    trainer = Trainer(
        model,
        task.loss(),
        optimizer,
        metrics=task.metrics,
        callbacks=callbacks,
        seed=seed,
        communicator=communicator,
    )
    held = split.validation
    with np.errstate(over="ignore", invalid="ignore"):  # of a divergence, told by the caller
        return trainer.fit(
            split.train.x,
            task.goal(split.train, split),
            lengths=split.train.lengths,
            epochs=arguments.epochs,
            batch_size=arguments.batch_size,
            validation_data=None if held is None else (held.x, task.goal(held, split), held.lengths),
            checkpoint=checkpoint,
            every=arguments.every or EVERY,
        )


def _note(model: Layer, first: Standardize, data: Data, split: Split) -> None:
    """Keep with the model what was measured, and on what."""
    model.facts["preprocessing"] = {
        "feature_mean": (first.mean.numpy().astype(np.float64) + first.mean_rest.numpy()).tolist(),
        "feature_scale": first.deviation.numpy().astype(np.float64).tolist(),
    }
    facts = {"name": data.name, "rows_to_train_on": len(split.train), **split.facts}
    if split.validation is not None:
        facts["rows_to_validate_on"] = len(split.validation)
    model.facts["data"] = facts


def _tell(best: _Trained, trained: list[_Trained], task: Task, out: Path) -> int:
    """Print how well the models do, and write the best; what is known is printed where nothing can be written."""
    say(f"\n{best.verdict.text}\n")
    try:
        say(_write(best.model, best.history, out))
    except LaminaError:
        _print_figures(best, trained, task)
        raise
    _print_figures(best, trained, task)
    return 1 if any(one.history.interrupted for one in trained) else 0


def _print_figures(best: _Trained, trained: list[_Trained], task: Task) -> None:
    if len(trained) == 1:
        say(f"test {best.verdict.line}", flush=True)
        return
    say(f"seed {best.seed}, which is kept: test {best.verdict.line}")
    figures = np.array([one.verdict.figure for one in trained])
    mean, deviation = figures.mean(), figures.std(ddof=1)
    told = f"{100 * mean:.1f} % +- {100 * deviation:.1f}" if task.metrics else f"{mean:.4g} +- {deviation:.2g}"
    say(f"test {task.figure_name} of {len(trained)} seeds {told} (mean and deviation)", flush=True)


def _is_finite(model: Layer, history: History) -> bool:
    losses = history["loss"] if len(history) else []
    return all(map(math.isfinite, losses)) and all_finite(model.parameters())


def _plan(
    arguments: argparse.Namespace,
    model: Layer,
    optimizer: Optimizer,
    data: Data,
    split: Split,
    task: Task,
    communicator: Communicator | None,
) -> str:
    """Return what is going to be trained, on what, and how."""
    counts = f"{split.train.x.shape[2]} features, {task.describe(data)}"
    steps = f"{arguments.batch_size} rows a step, {arguments.schedule}"
    count = arguments.seeds
    seeds = f"seed {arguments.seed}" if count == 1 else f"seeds {arguments.seed} to {arguments.seed + count - 1}"
    pairs = [
        ("data", f"{data.source}: {counts}"),
        ("to train on", part_text(split.train)),
        ("to test on", part_text(split.test) + split.drawn),
        ("backend", f"{model.backend.name}, {model.dtype}"),
        ("optimizer", repr(optimizer)),
        ("training", f"{arguments.epochs} epochs, {steps}, {seeds}"),
    ]
    if communicator is not None:
        count = communicator.size
        pairs.append(("distributed", f"{count} rank{'s' * (count != 1)} over {communicator.name}"))
    if split.validation is not None:
        pairs.insert(2, ("to validate on", part_text(split.validation)))
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
    except OutputError:
        raise
    except (
        Exception
    ) as error:  # what draws may fail in any way, as by an environment's choice of how; all else is there
        picture.unlink(missing_ok=True)  # an earlier run's, which does not belong to this one
        lines.append(f"no {picture.name}: {reason(error).removeprefix('plot: ')}")
    return "\n".join(lines)
