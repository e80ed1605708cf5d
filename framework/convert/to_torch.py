"""To PyTorch: a new module, or the weights of one that is there, or a safetensors file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from lamina.compose.residual import Residual
from lamina.compose.sequential import Sequential
from lamina.convert.from_torch import require_alike
from lamina.convert.torch_makers import MAKERS
from lamina.convert.torch_state import exported, matched, modules_of, torch_state
from lamina.convert.torch_wrappers import wrapper
from lamina.convert.unit import raise_problems, under, units_of
from lamina.core.layer import Layer
from lamina.core.model_bytes import to_bytes
from lamina.errors import ArgumentError, ConversionError, MissingPackageError, ShapeError, shown
from lamina.files import write_file

__all__ = ["to_torch"]


def to_torch(model: Layer, into: Any = None, *, names: Mapping[str, str | Sequence[str]] | None = None) -> Any:
    """Return a PyTorch module with the weights of a built model.

    Without ``into`` a new one is made, whose ``state_dict`` is what `torch_state` gives: it takes (batch, time,
    features) as the model does, without lengths, for one device and dtype after another by its own ``to``. The model
    is a `Sequential`, or one layer, of what PyTorch has.

    Parameters
    ----------
    model : Layer
    into : torch.nn.Module or path, optional
        A module whose weights are set, found as by `from_torch`; it stays as it is where one does not fit. A path that
        ends in ``.safetensors`` is written, with the names of `torch_state`, and PyTorch need not be there.
    names : mapping of str, optional
        By a place in the module: the path of the layer, or paths of layers, whose weights it gets.

    Returns
    -------
    torch.nn.Module or path
        A new module, to be called in ``eval()``, or ``into``.

    Raises
    ------
    ConversionError
        Names every layer that has no counterpart; before anything is changed.
    ShapeError
        If an array of the module has another shape.
    MissingPackageError
        If PyTorch is not installed.
    """
    if isinstance(into, (str, Path)):
        if Path(into).suffix != ".safetensors":
            raise ArgumentError(f"to_torch: expected a path that ends in .safetensors, got {shown(str(into))}")
        arrays = torch_state(model)
        write_file(into, *to_bytes(arrays, {"format": "pt"}))
        return into
    try:
        torch = import_module("torch")
    except ImportError as error:
        raise MissingPackageError(
            "to_torch needs PyTorch: pip install torch; torch_state and .safetensors files need none"
        ) from error
    if into is None:
        state = torch_state(model)
        module = _made(model, torch)
        module.load_state_dict({name: torch.tensor(array) for name, array in state.items()})
        return module.eval()
    if not hasattr(into, "load_state_dict"):
        raise ArgumentError(f"to_torch: expected a torch.nn.Module or a path, got {shown(into)}")
    units, given = units_of(model, "torch"), into.state_dict()
    modules = matched(units, modules_of(given), names, True)
    require_alike(into, [(unit.layer, unit.label, one) for unit, one in zip(units, modules, strict=True)])
    state = {}
    for unit, one in zip(units, modules, strict=True):
        for name, array in exported(unit, one.name, one.number).items():
            if name not in given:
                raise ConversionError(f"{unit.label} to {one.label}: the module has no {name}")
            if tuple(given[name].shape) != array.shape:
                raise ShapeError(
                    f"{unit.label} to {one.label}: expected {name} of {tuple(given[name].shape)}, got {array.shape}"
                )
            state[name] = torch.as_tensor(np.array(array))
    left = [name for name in given if name not in state and not name.endswith("num_batches_tracked")]
    raise_problems("to_torch: arrays of the module that no layer has", left)
    into.load_state_dict(state, strict=False)  # what else there is, such as a count of batches, is no weight
    return into


def _made(model: Layer, torch: Any) -> Any:
    """Return a module that does what a model does; or name all layers that it cannot have."""
    problems: list[str] = []

    def visit(path: str, layer: Layer) -> Any:
        if isinstance(layer, Sequential):
            parts = [visit(under(path, name), child) for name, child in layer.children().items()]
            return None if problems else torch.nn.Sequential(*parts)
        if isinstance(layer, Residual):
            inner = visit(under(path, "inner"), layer.inner)
            return None if problems else wrapper("Residual")(kept={"inner": inner})
        try:
            if type(layer) not in MAKERS:
                raise ConversionError("")
            return MAKERS[type(layer)](layer, torch.nn)
        except ConversionError as error:
            problems.append(f"{type(layer).__name__} {path!r}: {error}".removesuffix(": "))
            return None

    module = visit("", model)
    raise_problems("to_torch: no counterpart", problems)
    return module.to(getattr(torch, model.dtype))
