"""Checks of a layer as an object: copied, pickled, described, saved and printed."""

from __future__ import annotations

import copy
import json
import pickle
import sys
import tempfile
from pathlib import Path
from typing import Any

from lamina.core.config import describe, rebuild
from lamina.core.initializers import Initializer
from lamina.core.layer import Layer
from lamina.core.load import load
from lamina.errors import CheckpointError
from lamina.testing.proofs.arrays import expect_same_bits
from lamina.testing.proofs.passes import parameter_gradients
from lamina.testing.proofs.trial import Trial
from lamina.testing.report import CheckError, Skip

__all__ = ["arguments", "configuration", "copies", "importable", "representation", "saving"]


def copies(trial: Trial) -> str:
    """Check that a deep copy, and a pickled one, give the same output and share no weights."""
    layer = trial.build()
    makers: dict[str, Any] = {"deepcopy": copy.deepcopy}
    local = [type(below).__name__ for _, below in layer.walk() if not importable(type(below))]
    if not local:
        makers["pickle"] = lambda value: pickle.loads(pickle.dumps(value))
    expected = trial.run(layer, lengths=trial.lengths)
    for name, make in makers.items():
        made = make(layer)
        got = trial.run(made, lengths=trial.lengths)
        for (what, array), other in zip(got.named().items(), expected.named().values(), strict=True):
            expect_same_bits(f"{what} of the {name}", array, other)
        before = layer.state_dict()
        for parameter in made.parameters():
            parameter.data = parameter.numpy() + 1
            parameter.grad = parameter.numpy()
        for what, array in layer.state_dict().items():
            expect_same_bits(f"{what}, after its {name} was changed", array, before[what])
        for what, array in parameter_gradients(layer).items():
            expect_same_bits(f"gradient of {what}, after its {name}'s was changed", array, expected.gradients[what])
    return f"not pickled: {local[0]} cannot be imported by its name" if local else ""


def importable(cls: type) -> bool:
    """Tell whether a class is what its module and name lead to, as pickling needs."""
    found: Any = sys.modules.get(cls.__module__)
    for part in cls.__qualname__.split("."):
        found = getattr(found, part, None)
    return found is cls


def configuration(trial: Trial) -> None:
    """Check that the constructor's arguments, written as JSON, make the same layer again."""
    _require_registered(trial.template)
    described = describe(trial.template)
    registries = {registry.kind: registry for registry in (Layer.registry, Initializer.registry)}
    again = rebuild(json.loads(json.dumps(described)), registries)
    if describe(again) != described or type(again) is not type(trial.template):
        raise CheckError(f"expected {described}, got {describe(again)}")
    if repr(again) != repr(trial.template):
        raise CheckError(f"expected {trial.template!r}, got {again!r}")


def arguments(trial: Trial) -> None:
    """Check that the constructor's arguments are, once the layer is built and has run, what they were."""
    layer = trial.build()
    trial.run(layer, lengths=trial.lengths)
    after = layer._arguments()
    for name, value in trial.template._arguments().items():
        if _shown(after.get(name)) != _shown(value):
            raise CheckError(f"argument {name!r}: expected {value!r}, as before building, got {after.get(name)!r}")


def _shown(value: Any) -> Any:
    """Return an argument as JSON or, where it cannot be written so, as it prints; its type where that says nothing."""
    try:
        return describe(value)
    except CheckpointError:
        return type(value) if type(value).__repr__ is vars(object)["__repr__"] else repr(value)


def saving(trial: Trial) -> None:
    """Check that a saved and loaded layer gives outputs of the same bits, in both dtypes."""
    _require_registered(trial.template)
    for dtype in ("float32", "float64"):
        layer = trial.build(dtype)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "layer.safetensors"
            layer.save(path)
            loaded = load(path, backend=trial.backend)
        expected = trial.run(layer, lengths=trial.lengths)
        got = trial.run(loaded, lengths=trial.lengths)
        for (name, array), other in zip(got.named().items(), expected.named().values(), strict=True):
            expect_same_bits(f"{name} in {dtype}, loaded", array, other)


def _require_registered(layer: Layer) -> None:
    for _, below in layer.walk():
        if Layer.registry.name_of(type(below)) is None:
            own = "" if below is layer else f": {type(below).__name__}"
            raise Skip(f"not registered{own}")


def representation(trial: Trial) -> None:
    """Check that the printed layer names its class, on one line or several, built or not."""
    for layer in (trial.template, trial.build()):
        if type(layer).__name__ not in repr(layer):
            raise CheckError(f"expected {type(layer).__name__} in repr, got {layer!r}")
