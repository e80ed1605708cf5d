"""Setting a whole model's parameters at once: from another backend, or from arrays by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from lamina.backends import Backend, get_backend
from lamina.building import Binding, find_dtype, place
from lamina.errors import CheckpointError

if TYPE_CHECKING:
    from lamina.layer import Layer

__all__ = ["load_parameters", "move"]


def move(model: Layer, backend: str | Backend, dtype: str | None = None) -> None:
    """Move a model's parameters and their gradients to a backend, and bind its layers to it."""
    parameters = model.parameters()
    binding = Binding(get_backend(backend), model.dtype if dtype is None else find_dtype(dtype))
    before = [(parameter.backend, parameter.data, parameter.grad) for parameter in parameters]
    place(parameters, binding)
    for parameter, (backend, data, grad) in zip(parameters, before, strict=True):
        parameter.data, parameter.grad = backend.to_numpy(data), backend.to_numpy(grad)
    for _, layer in model.walk():
        if layer.is_built:
            layer.binding = binding


def load_parameters(model: Layer, state: Mapping[str, Any], source: str = "state") -> None:
    """Set all parameters from arrays by path; nothing is changed unless all of them fit.

    Raises
    ------
    CheckpointError
        Names every missing, unexpected and misshapen array, and what holds no numbers.
    """
    model.bound()
    parameters = model.named_parameters()
    arrays = {name: np.asarray(array) for name, array in state.items()}
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
    problems = [f"{kind}: {', '.join(names)}" for kind, names in named if names]
    if problems:
        raise CheckpointError(f"{source} does not fit {model.label}; {'; '.join(problems)}")
    for name, parameter in parameters.items():
        parameter.data = arrays[name]
