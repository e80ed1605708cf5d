"""Relations of a model's copies: saved and loaded, copied, pickled, moved to another backend, or a part taken out."""

from __future__ import annotations

import copy
import pickle
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lamina.backends import get_backend
from lamina.core.config import describe
from lamina.core.layer import Layer
from lamina.core.load import load
from lamina.errors import BackendError, CheckpointError, UnknownNameError
from lamina.kinds.random import RandomLayer
from lamina.testing.proofs.arrays import arrays_in, expect_close, expect_same_bits
from lamina.testing.proofs.layer_keeping import importable
from lamina.testing.proofs.model_trial import ModelTrial
from lamina.testing.proofs.passes import Outcome, parameter_gradients
from lamina.testing.report import CheckError, Skip
from lamina.train.trainer import Trainer

__all__ = ["copied", "expect_pass", "is_here", "moved", "pickled", "saved", "unregistered"]


def saved(trial: ModelTrial) -> float:
    """Check that a saved and loaded model gives the same output and gradients, and prints the same."""
    unregistered(trial)
    model = trial.fresh()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.safetensors"
        model.save(path)
        loaded = load(path, backend=trial.backend)
    if describe(loaded) != describe(model):
        raise CheckError(f"loaded: expected {model!r}, got {loaded!r}")
    return _same(trial, model, loaded, "loaded")


def unregistered(trial: ModelTrial) -> None:
    """Skip where a layer's class is not registered: it has no name in a file."""
    for _, layer in trial.template.walk():
        if Layer.registry.name_of(type(layer)) is None:
            raise Skip(f"not registered: {type(layer).__name__}")
    try:
        describe(trial.template)
    except CheckpointError as error:
        raise Skip(f"cannot be described: {error}") from None


def copied(trial: ModelTrial) -> float:
    """Check that a deep copy gives the same, shares no weights, and that a part copied out is as it was."""
    return _duplicated(trial, copy.deepcopy, "copied")


def pickled(trial: ModelTrial) -> float:
    """Check the same of pickling."""
    if trial.backend.name == "array-api-strict":
        raise Skip("the arrays of array-api-strict cannot be pickled")
    for _, layer in trial.template.walk():
        if not importable(type(layer)):
            raise Skip(f"not importable by its name: {type(layer).__name__}")
    return _duplicated(trial, lambda model: pickle.loads(pickle.dumps(model)), "pickled")


def _duplicated(trial: ModelTrial, duplicate: Callable[[Any], Any], how: str) -> float:
    model = trial.fresh()
    trial.run(model)
    twin = duplicate(model)
    _same(trial, model, twin, how)
    before = model.state_dict()
    for parameter in twin.parameters():
        parameter.data = parameter.numpy() + 1
    for name, array in model.state_dict().items():
        expect_same_bits(f"{name!r}, after the {how} one was changed", array, before[name])
    on_host = isinstance(next((one.data for one in model.parameters()), None), np.ndarray)
    whole = _elements(duplicate(model))
    parts = {name: (child, duplicate(child)) for name, child in model.children().items()}
    held = {name: _elements(part) for name, (_, part) in parts.items()}
    for name, (child, part) in parts.items():
        for path, array in part.state_dict().items():
            expect_same_bits(f"{path!r} of part {name!r}, {how}", array, child.state_dict()[path])
        others = model.parameter_count - child.parameter_count
        if on_host and held[name] > whole - others:
            raise CheckError(f"part {name!r}, {how}: expected at most {whole - others} numbers in it, got {held[name]}")
    return 0.0


def _elements(layer: Layer) -> int:
    """Return how many numbers the memory has that the arrays of a layer hold: that of NumPy's, views left out."""
    layer.state_dict()  # a copy lays its weights out when they are first asked for
    held = arrays_in(layer, layer.backend)
    return sum(array.size for array in held if isinstance(array, np.ndarray) and array.base is None)


def moved(trial: ModelTrial, names: Sequence[str]) -> dict[str, float]:
    """Return how far other backends are apart, or raise: in inference, forward and backward, there and back."""
    model = trial.fresh()
    model_weights = model.state_dict()
    called, passed = trial.call(model), trial.run(model)
    worst: dict[str, float] = {}
    for name in names:
        if name == trial.backend.name or not is_here(name):
            continue
        twin = trial.built()
        kept = trial.run(twin).gradients
        twin.to(name)
        for path, array in parameter_gradients(twin).items():
            expect_close(f"gradient of {path!r}, moved to {name}", array, kept[path], trial.tolerance)
        twin.load_state_dict(model_weights)
        errors = [
            expect_close(f"output {index} on {name}", got, expected, trial.tolerance)
            for index, (got, expected) in enumerate(zip(trial.call(twin), called, strict=True))
        ]
        errors.append(expect_pass(f"on {name}", trial.run(twin), passed, trial.tolerance))
        if trial.loss is not None:
            errors.append(_expect_evaluated(trial, twin, model, name))
        back = twin.to(trial.backend)
        for index, (got, expected) in enumerate(zip(trial.call(back), trial.call(model), strict=True)):
            expect_close(f"output {index}, moved to {name} and back", got, expected, trial.tolerance)
        worst[name] = max(errors)
    if not worst:
        raise Skip("no other backend here")
    return worst


def is_here(name: str) -> bool:
    """Tell whether a backend is registered and installed."""
    try:
        get_backend(name)
    except (BackendError, UnknownNameError):
        return False
    return True


def _expect_evaluated(trial: ModelTrial, twin: Layer, model: Layer, name: str) -> float:
    """Check that one loss serves both, one after the other, and gives the same figure."""
    goals = trial.require_goals()
    expected, got = (
        np.asarray(Trainer(own, **goals.settings()).evaluate(trial.x, trial.target, lengths=trial.lengths)["loss"])
        for own in (model, twin)
    )
    return expect_close(f"loss on {name}", got, expected, trial.tolerance)


def expect_pass(what: str, got: Outcome, expected: Outcome, tolerance: float) -> float:
    """Return the largest difference of two passes, or raise; with a tolerance of 0 their bits must be the same."""
    mine, other, worst = got.named("'"), expected.named("'"), 0.0
    if set(mine) != set(other):
        raise CheckError(f"{what}: expected {sorted(other)}, got {sorted(mine)}")
    for name, array in mine.items():
        if tolerance:
            scale = 0.01 if name.startswith("output") else expected.scale
            worst = max(worst, expect_close(f"{name}, {what}", array, other[name], tolerance, scale))
        else:
            expect_same_bits(f"{name}, {what}", array, other[name])
    return worst


def _same(trial: ModelTrial, model: Layer, twin: Layer, how: str) -> float:
    for index, (got, expected) in enumerate(zip(trial.call(twin), trial.call(model), strict=True)):
        expect_same_bits(f"output {index}, {how}", got, expected)
    _same_draws(model, twin, how)
    expect_pass(how, trial.run(twin), trial.run(model), 0)
    trainable = [{one.name: one.trainable for one in each.parameters()} for each in (model, twin)]
    if trainable[0] != trainable[1]:
        raise CheckError(f"{how}: expected parameters frozen as before, got {trainable[1]} for {trainable[0]}")
    return 0.0


def _same_draws(model: Layer, twin: Layer, how: str) -> None:
    """Check that a copy draws on as its original; a loaded model begins anew."""
    if how == "loaded":
        return
    for (path, layer), (_, other) in zip(model.walk(), twin.walk(), strict=True):
        if isinstance(layer, RandomLayer) and isinstance(other, RandomLayer) and layer.draws != other.draws:
            raise CheckError(f"{path}: expected the {how} layer to draw on as its original")
