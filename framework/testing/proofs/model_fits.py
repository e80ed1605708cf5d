"""Relations of training: what must come out the same, however it is asked for."""

from __future__ import annotations

import copy
import pickle
import tempfile
import warnings
from collections.abc import Callable, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from lamina.core.layer import Layer
from lamina.core.lengths import lengths_after
from lamina.core.load import load
from lamina.core.shapes import as_tuple
from lamina.errors import ArgumentError, StreamError
from lamina.testing.proofs.arrays import expect_close, expect_same_bits
from lamina.testing.proofs.model_copies import is_here, unregistered
from lamina.testing.proofs.model_goals import ModelGoals
from lamina.testing.proofs.model_loop import train_by_hand
from lamina.testing.proofs.model_rounding import expect_trained
from lamina.testing.proofs.model_trial import ModelTrial
from lamina.testing.report import CheckError, Skip
from lamina.train.trainer import Trainer

__all__ = [
    "accumulates",
    "evaluates",
    "expect_same_model",
    "fit_with",
    "fitting",
    "frozen",
    "moved_in_training",
    "optimizer_state",
    "parts_apart",
    "require_training",
    "trainer_of",
    "truncates",
    "two_fits",
    "written_out",
]

# What no weight reaches in a few steps that go anywhere; a recurrent one is multiplied by at each step of a sequence.
_RUN_AWAY = {"float64": 1e8, "float32": 1e4}
# Rows a batch, so that the last one of an epoch is smaller.
_BATCH = 2
# What a message says of rows that count alike, and of others.
_WEIGHED = ("", ", with weights of rows")


def evaluates(trial: ModelTrial) -> float:
    """Check that evaluate gives, at any batch size, the loss of the whole output."""
    goals, model = trial.require_goals(), trial.shared
    _require_terms(trial, goals, model)
    after, worst = lengths_after(model, trial.lengths), 0.0
    arrays = [model.as_input(value, index) for index, value in enumerate(trial.values)]
    called = as_tuple(model.infer(*arrays, **({} if trial.lengths is None else {"lengths": trial.lengths})))
    trainer = Trainer(model, **goals.settings())
    for weighed in goals.weighings:
        if not any(goals.terms(called, after, weighed)):
            continue  # what counts in the targets weighs nothing
        wanted, options = goals.value(called, after, weighed), {"lengths": trial.lengths, **goals.weights(weighed)}
        for size in (1, 2, trial.rows):
            got = trainer.evaluate(trial.x, trial.target, batch_size=size, **options)["loss"]
            what = f"loss of evaluate, batch_size={size}{_WEIGHED[weighed]}"
            worst = max(worst, expect_close(what, np.asarray(got), np.asarray(wanted), trial.tolerance))
    return worst


def _require_terms(trial: ModelTrial, goals: ModelGoals, model: Layer) -> None:
    outputs = [np.empty(one.shape) for one in trial.call(model)]
    if not any(goals.terms(outputs, lengths_after(model, trial.lengths))):
        raise Skip("nothing counts in these targets")


def accumulates(trial: ModelTrial) -> float:
    """Check that batches whose gradients are added up train as one batch of all their rows."""
    goals = require_training(trial)
    if trial.moves:
        raise Skip("rows depend on one another in training")
    parts, worst = -(-trial.rows // _BATCH), 0.0
    for weighed in goals.weighings:
        options = {"shuffle": False, **goals.weights(weighed)}
        fit = fitting(trial, batch_size=trial.rows, **options)
        split = _fit(trial, trial.precise(), {"accumulate": parts}, batch_size=_BATCH, **options)
        what = f"accumulated{_WEIGHED[weighed]}"
        worst = max(worst, expect_trained(trial, what, split, fit(trial.precise()), fit))
    return worst


def truncates(trial: ModelTrial) -> float:
    """Check that chunks as long as the sequence train as no chunks do."""
    require_training(trial)
    if isinstance(trial.lengths, tuple) or not all(trial.timed):
        raise Skip("several inputs of their own lengths, or one without a time axis")
    fit = fitting(trial, batch_size=_BATCH, shuffle=False)
    whole = fit(trial.precise())
    try:
        cut = _fit(trial, trial.precise(), batch_size=_BATCH, shuffle=False, truncate=trial.values[0].shape[1])
    except (StreamError, ArgumentError) as error:
        raise Skip(f"cannot be cut: {error}") from None
    return expect_trained(trial, "truncated at the end", cut, whole, fit)


def frozen(trial: ModelTrial) -> str:
    """Check that frozen parameters keep their bits, with the layers around them trained, and all do at a rate of 0."""
    require_training(trial)
    still = trial.fresh()
    trainer = trainer_of(trial, still, schedule=False)
    trainer.optimizer.lr = 0.0
    before = {one.name: one.numpy() for one in still.parameters() if one.trainable}
    fit_with(trial, trainer, batch_size=_BATCH)
    for one in still.parameters():
        if one.name in before:
            expect_same_bits(f"{one.name!r}, trained at a rate of 0", one.numpy(), before[one.name])
    model = trial.built()
    trained = [layer for _, layer in model.walk() if layer.own_parameters()]
    parts = [layer for layer in trained if any(one.trainable for one in layer.own_parameters().values())]
    for layer in parts[1::2] or parts:
        layer.trainable = False
    kept = {one.name: one.numpy() for one in model.parameters() if not one.trainable}
    moving = _statistics(trial, model)
    if not any(one.trainable for one in model.parameters()):
        return "all were frozen"
    _fit(trial, model, batch_size=_BATCH)
    for one in model.parameters():
        if one.name in kept and one.name not in moving:
            expect_same_bits(f"frozen {one.name!r} after training", one.numpy(), kept[one.name])
    return f"{len(kept)} frozen"


def _statistics(trial: ModelTrial, model: Layer) -> set[str]:
    """Return the names of what forward itself moves, such as running means."""
    if not trial.moves:
        return set()
    probe = trial.fresh()
    before = probe.state_dict()
    trial.forward(probe)
    return {name for name, array in probe.state_dict().items() if not np.array_equal(array, before[name])}


def two_fits(trial: ModelTrial) -> float:
    """Check that two fits of an epoch are one of two, to the bit: rows in a new order each, schedules going on."""
    for weighed in require_training(trial).weighings:
        options = {"batch_size": _BATCH, **trial.require_goals().weights(weighed)}
        once, twice = trial.built(), trial.built()
        _fit(trial, once, epochs=2, **options)
        trainer = trainer_of(trial, twice)
        for _ in range(2):
            fit_with(trial, trainer, epochs=1, **options)
        expect_same_model(f"of two fits{_WEIGHED[weighed]}", twice, once)
    return 0.0


def optimizer_state(trial: ModelTrial) -> str:
    """Check that training goes on from a saved model and the optimizer's state as if it had not ended.

    Its rate is halved on the way; that what was taken goes on training changes nothing in it.
    """
    require_training(trial)
    part = trial.built()
    trainer = trainer_of(trial, part, schedule=False)
    fit_with(trial, trainer, epochs=1, batch_size=_BATCH, shuffle=False)
    trainer.optimizer.lr *= 0.5
    state = trainer.optimizer.state_dict()
    again, how = _again(trial, part)
    fit_with(trial, trainer, epochs=1, batch_size=_BATCH, shuffle=False)
    following = trainer_of(trial, again, schedule=False)
    following.optimizer.load_state_dict(pickle.loads(pickle.dumps(state)))
    fit_with(trial, following, epochs=1, batch_size=_BATCH, shuffle=False)
    expect_same_model("gone on from the optimizer's state", again, part)
    return how


def moved_in_training(trial: ModelTrial, names: Sequence[str]) -> float:
    """Check that a model moved to another backend between two epochs trains as if it stayed."""
    require_training(trial)
    there = next((name for name in names if name != trial.backend.name and is_here(name)), None)
    if there is None:
        raise Skip("no other backend here")
    fit = fitting(trial, epochs=2, batch_size=_BATCH, shuffle=False)
    stayed, gone = fit(trial.precise()), trial.precise(new=True)
    trainer = trainer_of(trial, gone)
    fit_with(trial, trainer, epochs=1, batch_size=_BATCH, shuffle=False)
    gone.to(there)
    fit_with(trial, trainer, epochs=1, batch_size=_BATCH, shuffle=False)
    return expect_trained(trial, f"moved to {there} in training", gone.to(trial.backend), stayed, fit, [there])


def parts_apart(trial: ModelTrial) -> float:
    """Check that a model whose parts have memory of their own trains as one whose weights lie side by side."""
    require_training(trial)
    whole, apart = trial.precise(), trial.precise(new=True)
    for _, layer in apart.walk():
        if layer.own_parameters() and layer.is_built:
            layer.to(trial.backend)
    fit = fitting(trial, epochs=2, batch_size=_BATCH, shuffle=False)
    return expect_trained(trial, "in parts", fit(apart), fit(whole), fit)


def _again(trial: ModelTrial, model: Layer) -> tuple[Layer, str]:
    """Return the model from its file, or a copy where its draws must go on or it has no file."""
    if trial.draws:
        return copy.deepcopy(model), "copied"  # a file holds no place in a run
    try:
        unregistered(trial)
    except Skip:
        return copy.deepcopy(model), "copied"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.safetensors"
        model.save(path)
        return load(path, backend=trial.backend), "saved and loaded"


def written_out(trial: ModelTrial) -> float:
    """Check that the trainer gives the bits of the loop written out, its schedule attached by hand."""
    goals = require_training(trial)
    for weighed in goals.weighings:
        trained, model = trial.built(), trial.built()
        _fit(trial, trained, epochs=2, batch_size=_BATCH, shuffle=False, **goals.weights(weighed))
        train_by_hand(trial, goals, model, trainer_of(trial, model).optimizer, _BATCH, weighed)
        expect_same_model(f"of the trainer, against the loop written out{_WEIGHED[weighed]}", trained, model)
    return 0.0


def require_training(trial: ModelTrial) -> ModelGoals:
    """Return the goals, or raise `Skip` where nothing can be trained."""
    goals = trial.require_goals()
    model = trial.shared
    if not any(one.trainable for one in model.parameters()):
        raise Skip("nothing is trained")
    _require_terms(trial, goals, model)
    if trial.diverges is None:
        trial.diverges = _diverges(trial)
    if trial.diverges:
        raise Skip("training diverges")
    return goals


def trainer_of(trial: ModelTrial, model: Layer, *, schedule: bool = True, **settings: Any) -> Trainer:
    """Return a trainer of the trial's goals."""
    settings = {"compile": False, **settings}  # what is planned is held to this by a relation of its own
    callbacks: list[Any] = [trial.schedule()] if schedule and trial.schedule is not None else []
    optimizer: str | Callable[..., Any] = trial.optimizer
    given = trial.require_goals().settings() | settings
    return Trainer(model, optimizer=optimizer, callbacks=callbacks, seed=trial.seed, **given)


def _fit(trial: ModelTrial, model: Layer, settings: Mapping[str, Any] | None = None, **options: Any) -> Layer:
    fit_with(trial, trainer_of(trial, model, **(settings or {})), **options)
    return model


def fitting(trial: ModelTrial, **options: Any) -> Callable[[Layer], Layer]:
    """Return what trains a model and returns it."""
    return lambda model: _fit(trial, model, **options)


def fit_with(trial: ModelTrial, trainer: Trainer, epochs: int = 1, **options: Any) -> None:
    """Train on the trial's data."""
    trainer.fit(trial.x, trial.target, lengths=trial.lengths, epochs=epochs, verbose=False, **options)


def _diverges(trial: ModelTrial) -> bool:
    """Tell whether weights run away in two epochs, trained in any of the ways that relations do: in float64."""
    goals, most = trial.require_goals(), _RUN_AWAY[trial.dtype]
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for weighed, shuffle in product(goals.weighings, (False, True)):
            model = trial.precise(new=True)
            options = {"batch_size": _BATCH, "shuffle": shuffle, **goals.weights(weighed)}
            fit_with(trial, trainer_of(trial, model), epochs=2, **options)
            if not all(np.abs(array).max(initial=0) < most for array in model.state_dict().values()):
                return True
    return False


def expect_same_model(what: str, got: Layer, expected: Layer) -> None:
    """Check bits: of new models, as one whose gradients were looked at may add up a table's in another order."""
    state = expected.state_dict()
    for name, array in got.state_dict().items():
        if not np.isfinite(array).all():
            raise CheckError(f"{name!r} {what}: expected finite numbers")
        expect_same_bits(f"{name!r} {what}", array, state[name])
