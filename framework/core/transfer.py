"""Setting a whole model's parameters at once: from another backend, or from arrays by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from lamina.backends import Backend, get_backend
from lamina.core.build import find_dtype, place
from lamina.core.host import as_host
from lamina.core.parameter import Parameter
from lamina.core.record import Binding
from lamina.core.tree import Tree
from lamina.errors import CheckpointError, shown
from lamina.files.printable import printable

__all__ = ["fitting_arrays", "listed", "load_parameters", "move", "set_values", "tie", "ties"]

NumpyArray: TypeAlias = np.ndarray[Any, Any]

# So many names one message tells.
_MOST_NAMES = 20


def move(model: Tree, backend: str | Backend, dtype: str | None = None) -> None:
    """Move a model's parameters and their gradients to a backend, and bind its layers to it."""
    parameters = model.parameters()
    binding = Binding(get_backend(backend), model.dtype if dtype is None else find_dtype(dtype))
    place(parameters, binding)
    for _, layer in model.walk():
        if layer.is_built:
            layer._record.binding = binding


def load_parameters(model: Tree, state: Mapping[str, Any], source: str = "state") -> None:
    """Set all parameters from arrays by path; nothing is changed unless all of them fit.

    Raises
    ------
    CheckpointError
        Names every missing, unexpected and misshapen array, and what holds no numbers.
    """
    model.bound()
    parameters = model.named_parameters()
    set_values(parameters, fitting_arrays(model, parameters, state, source))


def fitting_arrays(
    model: Tree, parameters: Mapping[str, Parameter], state: Mapping[str, Any], source: str
) -> dict[str, NumpyArray]:
    """Return the arrays of a state for a model's parameters, which need no memory yet, by path.

    Raises
    ------
    CheckpointError
        Names every missing, unexpected and misshapen array, and what holds no numbers; of many, the first ones.
    """
    arrays = {name: as_host(array, f"array {name!r}") for name, array in state.items()}
    missing = [name for name in parameters if name not in arrays]
    unexpected = [name for name in arrays if name not in parameters]
    misshapen = [
        f"{name} (expected {parameter.shape}, got {arrays[name].shape})"
        for name, parameter in parameters.items()
        if name in arrays and arrays[name].shape != parameter.shape
    ]
    no_numbers = [
        f"{name} ({arrays[name].dtype})"
        for name in parameters
        if name in arrays and arrays[name].dtype.kind not in "fiub"
    ]
    named = (("missing", missing), ("unexpected", unexpected), ("misshapen", misshapen), ("no numbers", no_numbers))
    problems = [f"{kind}: {listed(names)}" for kind, names in named if names]
    if problems:
        raise CheckpointError(f"{source} does not fit {model.label}; {printable('; '.join(problems))}")
    return arrays


def set_values(parameters: Mapping[str, Parameter], arrays: Mapping[str, NumpyArray]) -> None:
    """Set the values of parameters that have memory."""
    with np.errstate(over="ignore"):  # what is too large for the model's dtype is infinite there
        for name, parameter in parameters.items():
            parameter.data = arrays[name]


def listed(names: Sequence[str]) -> str:
    """Return names between commas; of many, the first ones and how many more there are."""
    more = len(names) - _MOST_NAMES
    return ", ".join(names[:_MOST_NAMES]) + (f" and {more} more" if more > 0 else "")


def ties(model: Tree) -> dict[str, str]:
    """Return the further paths of parameters that stand in several places, and each one's first path."""
    first: dict[int, str] = {}
    further: dict[str, str] = {}
    for path, parameter in _places(model):
        if id(parameter) in first:
            further[path] = first[id(parameter)]
        else:
            first[id(parameter)] = path
    return further


def tie(model: Tree, paths: Mapping[str, str]) -> None:
    """Put parameters in further places, as `ties` told.

    Raises
    ------
    CheckpointError
        If the model has no such places, one of them is tied elsewhere itself, or their shapes differ.
    """
    parameters = dict(_places(model))
    for further, first in paths.items():
        where = f"{model.label}: cannot tie {shown(further)} to {shown(first)}"
        if further not in parameters or first not in parameters:
            raise CheckpointError(f"{where}: there is no such parameter")
        if first in paths:
            raise CheckpointError(f"{where}: that is tied to {shown(paths[first])}")
        if parameters[further].shape != parameters[first].shape:
            shapes = f"{parameters[further].shape} and {parameters[first].shape}"
            raise CheckpointError(f"{where}: their shapes differ, {shapes}")
    for further, first in paths.items():
        _put(model, further.split("."), parameters[first])


def _places(model: Tree) -> list[tuple[str, Parameter]]:
    return [
        (f"{path}.{name}" if path else name, parameter)
        for path, layer in model.walk()
        for name, parameter in layer.own_parameters().items()
    ]


def _put(holder: Any, steps: list[str], parameter: Parameter) -> Any:
    """Put a parameter at the end of a path, and return the holder, or another one where it is a tuple."""
    step, *rest = steps
    before = _part(holder, step)
    after = _put(before, rest, parameter) if rest else parameter
    if after is before:
        return holder
    if isinstance(holder, tuple):
        return (*holder[: int(step)], after, *holder[int(step) + 1 :])
    if isinstance(holder, list):
        holder[int(step)] = after
    elif isinstance(holder, dict):
        holder[_key(holder, step)] = after
    else:
        setattr(holder, step, after)
    return holder


def _part(holder: Any, step: str) -> Any:
    """Return what a step of a path leads to: a child, an attribute, or an item of a list or dict."""
    if isinstance(holder, (list, tuple)):
        return holder[int(step)]
    if isinstance(holder, dict):
        return holder[_key(holder, step)]
    children = {} if isinstance(holder, Parameter) else holder.children()
    return children[step] if step in children else getattr(holder, step)


def _key(holder: dict[Any, Any], step: str) -> Any:
    """Return the key that stands in a path as ``step``: it need not be a string."""
    return next(key for key in holder if str(key) == step)
