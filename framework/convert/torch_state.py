"""PyTorch's ``state_dict``: its arrays by module, and which layer of a model gets which; PyTorch need not be there."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from lamina.convert.translation import Arrays
from lamina.convert.unit import Unit, under, units_of
from lamina.core.layer import Layer
from lamina.core.model_bytes import read_arrays
from lamina.core.transfer import listed
from lamina.errors import CheckpointError, ConversionError, LaminaError
from lamina.layers.batch_norm import BatchNorm

__all__ = ["Module", "matched", "modules_of", "read_state", "torch_state"]

# weight_ih_l0, bias_hh_l1_reverse: of one module, the layers that stand on each other.
_STACKED = re.compile(r"((?:weight|bias)_(?:ih|hh|hr))_l(\d+)(_reverse)?")
# By their names in safetensors files: those that stand beside bfloat16.
_KINDS = {"F16": "<f2", "F32": "<f4", "F64": "<f8", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "i1", "U8": "u1"}
_COUNTED = "num_batches_tracked"  # of BatchNorm1d, which only a momentum of None needs


class Module(NamedTuple):
    """One module's arrays, or those of one of the layers in it that stand on each other.

    Attributes
    ----------
    name : str
        The module's place, as ``"encoder.rnn"``.
    number : int or None
        Which of the layers in it.
    arrays : dict
        By name: without the place and the number.
    """

    name: str
    number: int | None
    arrays: dict[str, Any]

    @property
    def label(self) -> str:
        """The name used in messages."""
        return repr(self.name) if self.number is None else f"{self.name!r}, layer {self.number}"


def modules_of(state: Mapping[str, Any]) -> list[Module]:
    """Return the arrays of a ``state_dict`` by module, in its order."""
    found: dict[tuple[str, int | None], dict[str, Any]] = {}
    attending = {
        key.rpartition(".")[0] for key in state if key.rpartition(".")[2] in ("in_proj_weight", "q_proj_weight")
    }
    for key, array in state.items():
        prefix, _, name = key.rpartition(".")
        outer, _, last = prefix.rpartition(".")
        number: int | None = None
        stacked = _STACKED.fullmatch(name)
        if name == _COUNTED:
            continue
        if last == "out_proj" and outer in attending:
            prefix, name = outer, f"out_proj.{name}"
        elif stacked is not None:
            name, number = f"{stacked[1]}{stacked[3] or ''}", int(stacked[2])
        found.setdefault((prefix, number), {})[name] = array
    return [Module(*place, arrays) for place, arrays in found.items()]


def matched(
    units: Sequence[Unit], modules: Sequence[Module], names: Mapping[str, str | Sequence[str]] | None, in_order: bool
) -> list[Module]:
    """Return the module for each unit.

    By ``names`` where they are given; else by the places' own names, where these are the model's; else one after the
    other, if the modules come in order; else by what fits, if one alone does.

    Raises
    ------
    ConversionError
        If there are not as many, a name is none, or several fit.
    """
    if names is not None:
        return _named(units, modules, names)
    places = [(module.name, module.number) for module in modules]
    own = [(unit.path, 0 if unit.translation.stacked else None) for unit in units]
    if set(own) == set(places):
        return [modules[places.index(place)] for place in own]
    if len(units) != len(modules):
        mine, theirs = listed([unit.label for unit in units]), listed([module.label for module in modules])
        raise ConversionError(f"expected arrays for {len(units)} layers ({mine}), got {len(modules)} ({theirs})")
    return list(modules) if in_order else _fitting(units, modules)


def _named(units: Sequence[Unit], modules: Sequence[Module], names: Mapping[str, str | Sequence[str]]) -> list[Module]:
    theirs: dict[str, list[Module]] = {}
    for module in modules:
        theirs.setdefault(module.name, []).append(module)
    wanted: dict[str, list[str]] = {}
    for name, paths in names.items():
        if name not in theirs:
            raise ConversionError(f"names: expected one of {listed([repr(one) for one in theirs])}, got {name!r}")
        wanted[name] = [paths] if isinstance(paths, str) else list(paths)
    given: dict[str, Module] = {}
    for name, several in wanted.items():
        if len(several) != len(theirs[name]):
            raise ConversionError(f"names: expected {len(theirs[name])} layers for {name!r}, got {listed(several)}")
        given.update(zip(several, theirs[name], strict=True))
    missing = [unit.label for unit in units if unit.path not in given]
    unknown = [repr(path) for path in given if path not in {unit.path for unit in units}]
    left = [repr(name) for name in theirs if name not in names]
    told = (("not named", missing), ("no layers of arrays", unknown), ("left over", left))
    if missing or unknown or left:
        raise ConversionError(f"names: {'; '.join(f'{kind}: {listed(one)}' for kind, one in told if one)}")
    return [given[unit.path] for unit in units]


def _fitting(units: Sequence[Unit], modules: Sequence[Module]) -> list[Module]:
    """Return the modules by what fits: for each unit there must be one alone."""
    found = []
    for unit in units:
        fitting = [module for module in modules if _fits(unit, module)]
        if len(fitting) != 1:
            told = listed([module.label for module in fitting]) or "none"
            raise ConversionError(
                f"{unit.label}: expected one module that fits, got {told}: a file keeps no order, so give names"
            )
        found += fitting
    return found


def _fits(unit: Unit, module: Module) -> bool:
    try:
        unit.taken(module.arrays, module.label)
    except LaminaError:
        return False
    return True


def read_state(path: str | Path) -> dict[str, Any]:
    """Return the arrays of a safetensors file.

    Raises
    ------
    CheckpointError
        If it is none: a pickle of PyTorch's, which could run anything, is not read.
    """
    try:
        return read_arrays(path)[0]
    except CheckpointError as error:
        if isinstance(error.__cause__, TypeError):
            return _read_wide(path)
        pickled = Path(path).suffix in (".pt", ".pth", ".bin", ".ckpt")
        hint = "; read a pickle with torch.load(..., weights_only=True) and give its state_dict" if pickled else ""
        raise CheckpointError(f"{str(path)!r}: {error}{hint}") from error


def _read_wide(path: str | Path) -> dict[str, Any]:
    """Return the arrays of a safetensors file, those of bfloat16, which NumPy does not have, as float32."""
    unpacked: Any = import_module("safetensors").deserialize(Path(path).read_bytes())
    found = {}
    for name, content in unpacked:
        kind, data = content["dtype"], content["data"]
        if kind == "BF16":
            array = (np.frombuffer(data, "<u2").astype(np.uint32) << 16).view(np.float32)
        elif kind in _KINDS:
            array = np.frombuffer(data, _KINDS[kind])
        else:
            raise CheckpointError(f"{str(path)!r}: array {name!r} is of {kind}, which cannot be read")
        found[name] = array.reshape(content["shape"])
    return found


def torch_state(model: Layer) -> Arrays:
    """Return a built model's weights under PyTorch's names, to be loaded by ``load_state_dict``.

    They lie as PyTorch has them: a `Dense` at ``"2"`` gives ``"2.weight"`` (units, features) and ``"2.bias"``, an
    `LSTM` ``"0.weight_ih_l0"`` and its like. See `from_torch` and `to_torch`.

    Parameters
    ----------
    model : Layer

    Raises
    ------
    NotBuiltError
        If the model is not built.
    ConversionError
        Names every layer that has weights and no counterpart in PyTorch.

    Examples
    --------
    >>> import lamina
    >>> model = lamina.Sequential(lamina.layers.LSTM(4), lamina.layers.Dense(3))
    >>> model.build((None, None, 2), seed=0)
    (None, 3)
    >>> {name: array.shape for name, array in lamina.convert.torch_state(model).items()}["1.weight"]
    (3, 4)
    """
    return {key: array for unit in units_of(model, "torch") for key, array in exported(unit, unit.path, 0).items()}


def exported(unit: Unit, name: str, number: int | None) -> Arrays:
    """Return a unit's arrays under the keys of a state_dict, for a module's place and a layer's number in it."""
    found = {}
    for key, array in unit.exported().items():
        if unit.translation.stacked:
            base, back, _ = key.partition("_reverse")
            key = f"{base}_l{number or 0}{back}"
        found[under(name, key)] = array
    if isinstance(unit.layer, BatchNorm):
        found[under(name, _COUNTED)] = np.zeros((), np.int64)
    return found
