"""From PyTorch: whole chains, or the weights of a model that is there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lamina.convert.chain import Chain, build
from lamina.convert.settings import differing
from lamina.convert.torch_functions import FUNCTIONS, WEIGHTLESS
from lamina.convert.torch_modules import MODULES
from lamina.convert.torch_own import add_own
from lamina.convert.torch_state import Module, matched, modules_of, read_state
from lamina.convert.torch_trace import Step, is_own, steps_of
from lamina.convert.unit import assign, raise_problems, under, units_of
from lamina.core.layer import Layer
from lamina.core.transfer import listed
from lamina.errors import ArgumentError, ConversionError, LaminaError, shown

__all__ = ["from_torch", "require_alike"]


def from_torch(
    source: Any,
    into: Layer | None = None,
    *,
    names: Mapping[str, str | Sequence[str]] | None = None,
    shape: Sequence[int | None] | None = None,
) -> Layer:
    """Return a model with the weights of a PyTorch module, ``state_dict`` or safetensors file.

    Without ``into`` a module becomes a new `Sequential`, built, if its ``forward`` is a chain: modules one after
    another, recurrent ones with their outputs or their last state, self-attention, activations, the choice of a step.
    The model takes (batch, time, features) whatever the module takes: what is (batch, channels, time) or (time, batch,
    features) there is exchanged by the caller, and weights are not.

    With ``into`` that model gets the weights, or, where something does not fit, is as it was. Each of its layers with
    weights gets a module's: by ``names``; else by the place, where all places have the model's own paths; else in
    order, as modules were assigned; a file has no order, and there each layer's weights must be the only ones that fit.
    Several layers of one recurrent module are layers of their own. Settings that change outputs must be the same.

    Parameters
    ----------
    source : torch.nn.Module, mapping of arrays, or path
        A mapping is a ``state_dict``; a path is that of a ``.safetensors`` file, for which PyTorch need not be there.
    into : Layer, optional
        A built model; needed for all but a module.
    names : mapping of str, optional
        By a module's place, such as ``"encoder.rnn"``: the path of the layer that gets its weights; of several layers
        in one module, their paths.
    shape : sequence of int or None, optional
        What a new model is built for, (batch, features) or (batch, time, features); where it is not given, the first
        module that tells how many features it takes decides.

    Returns
    -------
    Layer
        ``into``, or a new model, of float64 if all its weights are.

    Raises
    ------
    ConversionError
        Names all that has no counterpart, and arrays that are missing or left over; before anything is changed.
    ShapeError
        If an array has another shape than the layer's.
    CheckpointError
        If a file cannot be read.
    """
    if into is None:
        return _whole(source, shape)
    if shape is not None:
        raise ArgumentError("from_torch: shape is of a new model, and into is one that is built")
    units = units_of(into, "torch")
    if isinstance(source, (str, Path)):
        state, label, module = read_state(source), repr(str(source)), None
    else:
        module = source if hasattr(source, "state_dict") else None
        state, label = (source if module is None else module.state_dict()), type(source).__name__
    if not isinstance(state, Mapping):
        raise ArgumentError(f"from_torch: expected a module, a mapping of arrays or a path, got {shown(source)}")
    others = [repr(name) for name, array in state.items() if not isinstance(name, str) or not hasattr(array, "shape")]
    if others:
        raise ArgumentError(f"from_torch: expected a mapping of arrays, got one with {listed(others)}")
    chosen = matched(units, modules_of(state), names, not isinstance(source, (str, Path)))
    if module is not None:
        require_alike(module, [(unit.layer, unit.label, one) for unit, one in zip(units, chosen, strict=True)])
    found = {unit.path: unit.taken(one.arrays, one.label) for unit, one in zip(units, chosen, strict=True)}
    assign(into, found, label)
    return into


def _whole(module: Any, shape: Sequence[int | None] | None) -> Layer:
    """Return a new model for a module."""
    if not hasattr(module, "named_modules"):
        raise ArgumentError("from_torch: weights alone tell no model: give into=model, built")
    chain = Chain(None if shape is None else len(tuple(shape)))
    _follow(chain, "", module)
    state = module.state_dict()
    count = sum(array.numel() for array in state.values())
    kinds = {str(array.dtype) for array in state.values() if array.is_floating_point()}
    model, units = build(chain, shape, "float64" if kinds == {"torch.float64"} else "float32", "torch", count)
    theirs = {(one.name, one.number): one for one in modules_of(state)}
    found = {}
    for unit, place in zip(units, chain.places, strict=True):
        one = theirs.get(place, Module(*place, {}))
        found[unit.path] = unit.taken(one.arrays, one.label)
    assign(model, found, type(module).__name__)
    return model


def _follow(chain: Chain, place: str, module: Any) -> None:
    """Add all that a module at some place does to a chain; or name all that has no counterpart."""
    problems, seen = [], set()
    for step in steps_of(module):
        try:
            if step.module is not None and step.module in seen and list(step.module.parameters()):
                raise ConversionError("stands in two places: give into=model")
            seen.add(step.module)
            _add(chain, step if not place else step._replace(name=under(place, step.name).removesuffix(".")))
        except LaminaError as error:
            what = "" if step.module is None else f" ({type(step.module).__name__})"
            problems.append(f"{step.name!r}{what}: {error}".removesuffix(": "))
    raise_problems("from_torch: no counterpart", problems)


def _add(chain: Chain, step: Step) -> None:
    if step.module is None:
        if step.name not in FUNCTIONS:
            raise ConversionError("")
        FUNCTIONS[step.name](chain, step.arguments, step.options)
        return
    name = type(step.module).__name__
    if is_own(step.module):
        add_own(chain, step.name, step.module, _follow)
        return
    if not type(step.module).__module__.startswith("torch.nn.") or name not in {*MODULES, *WEIGHTLESS}:
        raise ConversionError("")
    if name in MODULES:
        MODULES[name](chain, step.name, step.module, step.options)
    else:
        WEIGHTLESS[name](chain, step.module)


def require_alike(module: Any, pairs: Sequence[tuple[Layer, str, Module]]) -> None:
    """Raise where a module has other settings than the layer that gets its weights, and would give other outputs."""
    problems = []
    for layer, label, one in pairs:
        theirs = module.get_submodule(one.name)
        chain = Chain()
        try:
            _add(chain, Step(one.name, theirs, (), {"gives": "sequence"}))
        except LaminaError:
            continue  # its weights may fit all the same
        made = [own for own in chain.layers if type(own) is type(layer)]
        if made:
            number = one.number or 0
            problems += [f"{label} from {one.label}: {text}" for text in differing(layer, made[number % len(made)])]
    raise_problems("from_torch: other settings", problems)
