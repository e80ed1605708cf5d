"""A Keras model's layers in turn, of a model that is there or of a file, which h5py reads: Keras need not be there."""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from lamina.convert.unit import one_line
from lamina.errors import CheckpointError, ConversionError, MissingPackageError

__all__ = ["Entry", "Group", "entries_of", "groups_of", "opened", "read_model"]

Arrays = Sequence[np.ndarray[Any, Any]]


class Entry(NamedTuple):
    """A layer in a Keras model.

    Attributes
    ----------
    name : str
        With those of the models that it is in.
    kind : str
        Its class.
    config, call : mapping
        What it was made of, and what it is called with by name.
    arrays : callable
        Returns its arrays, for the places below it where a file holds them.
    """

    name: str
    kind: str
    config: Mapping[str, Any]
    call: Mapping[str, Any]
    arrays: Callable[[Sequence[str]], Arrays]


Source = Callable[[Sequence[str], str], Callable[[Sequence[str]], Arrays]]


def entries_of(kind: str, config: Mapping[str, Any], arrays: Source) -> tuple[list[Entry], Any]:
    """Return a model's layers in turn, and the shape of its input where it tells.

    Parameters
    ----------
    kind : str
        ``"Sequential"`` or ``"Functional"``.
    config : mapping
        As Keras writes it.
    arrays : callable
        Returns where the arrays are of the layer with some names, each in the one before, and some group in a file.
    """
    return _expand(kind, config, (), "", arrays)


def _expand(
    kind: str, config: Mapping[str, Any], names: tuple[str, ...], group: str, arrays: Source
) -> tuple[list[Entry], Any]:
    if kind not in ("Sequential", "Functional", "Model"):
        raise ConversionError(f"{kind}: what a class of one's own does in turn is not told: give into=model")
    used: dict[str, int] = {}
    groups = []
    for one in config["layers"]:  # a file counts the layers of each class
        base = snake(one["class_name"])
        used[base] = used.get(base, -1) + 1
        groups.append(f"{group}layers/{base}" + (f"_{used[base]}" if used[base] else ""))
    placed = list(zip(config["layers"], groups, strict=True))
    calls: dict[str, Mapping[str, Any]] = {}
    if kind != "Sequential":
        placed, calls = _in_turn(config, placed)
    found: list[Entry] = []
    shape = config.get("build_input_shape")
    for one, where in placed:
        own, name = one["config"], one["config"].get("name", one["class_name"])
        if one["class_name"] == "InputLayer":
            shape = own.get("batch_shape") or own.get("batch_input_shape")
        elif one["class_name"] in ("Sequential", "Functional", "Model"):
            inner, first = _expand(one["class_name"], own, (*names, name), f"{where}/", arrays)
            found += inner
            shape = shape or first
        else:
            call = calls.get(name, {})
            found.append(Entry("/".join((*names, name)), one["class_name"], own, call, arrays((*names, name), where)))
    return found, shape


def _in_turn(config: Mapping[str, Any], placed: Sequence[tuple[Any, str]]) -> tuple[list[tuple[Any, str]], Any]:
    """Return a functional model's layers in the order of a chain, and what each is called with by name."""
    by_name = {(one.get("name") or one["config"]["name"]): (one, where) for one, where in placed}
    after: dict[str, str] = {}
    calls = {}
    for name, (one, _) in by_name.items():
        nodes = one.get("inbound_nodes") or []
        if one["class_name"] == "InputLayer":
            continue
        before = {tensor[0] for node in nodes for tensor in _tensors(node)}
        if len(nodes) != 1 or len(before) != 1 or before & after.keys():
            raise ConversionError(f"{name!r} ({one['class_name']}): no chain of layers: give into=model")
        after[before.pop()] = name
        options = nodes[0].get("kwargs", {})
        given = {key for key in ("query", "value", "key", "inputs") if any(_tensors(options.get(key)))}
        calls[name] = {key: value for key, value in options.items() if value is not None and key not in given}
    inputs, outputs = (_names(config[key]) for key in ("input_layers", "output_layers"))
    if len(inputs) != 1 or len(outputs) != 1:
        raise ConversionError(f"expected one input and one output, got {len(inputs)} and {len(outputs)}")
    order = [inputs[0]]
    while order[-1] in after:
        order.append(after[order[-1]])
    if order[-1] != outputs[0] or len(order) != len(by_name):
        raise ConversionError(f"{order[-1]!r}: no chain of layers: give into=model")
    return [by_name[name] for name in order], calls


def _tensors(value: Any) -> Iterator[Any]:
    """Yield the histories of the tensors in what a layer is called with."""
    if isinstance(value, Mapping):
        if value.get("class_name") == "__keras_tensor__":
            yield value["config"]["keras_history"]
        else:
            for one in value.values():
                yield from _tensors(one)
    elif isinstance(value, (list, tuple)):
        for one in value:
            yield from _tensors(one)


def _names(layers: Any) -> list[str]:
    return [layers[0]] if isinstance(layers[0], str) else [one[0] for one in layers]


def snake(name: str) -> str:
    """Return a class's name as Keras's files write it: ``GlobalMaxPooling1D`` is ``global_max_pooling1d``."""
    name = re.sub(r"\W+", "", name)
    return re.sub("([a-z])([A-Z])", r"\1_\2", re.sub("(.)([A-Z][a-z]+)", r"\1_\2", name)).lower()


# Files.


@contextmanager
def opened(source: Any, label: str) -> Iterator[Any]:
    """Open an HDF5 file.

    Raises
    ------
    MissingPackageError
        If h5py is not installed.
    CheckpointError
        If it cannot be read.
    """
    try:
        h5py = import_module("h5py")
    except ImportError as error:
        raise MissingPackageError(f"{label}: Keras's files need h5py: pip install h5py") from error
    try:
        file = h5py.File(source, "r")
    except (OSError, ValueError) as error:
        raise CheckpointError(one_line(f"{label}: no readable file of weights ({error})")) from error
    with file:
        yield file


def read_model(path: str | Path) -> tuple[str, Mapping[str, Any], bytes]:
    """Return the class, the configuration and the weights in a ``.keras`` file.

    Raises
    ------
    CheckpointError
        If it cannot be read.
    """
    label = repr(str(path))
    try:
        with zipfile.ZipFile(path) as file:
            for name in ("config.json", "model.weights.h5"):
                if file.getinfo(name).compress_type != zipfile.ZIP_STORED:  # as Keras writes it
                    raise ValueError(f"{name} is packed")
            whole = json.loads(file.read("config.json"))
            return str(whole["class_name"]), whole["config"], file.read("model.weights.h5")
    except FileNotFoundError as error:
        raise CheckpointError(f"{label}: there is no such file") from error
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, zipfile.BadZipFile) as error:
        raise CheckpointError(one_line(f"{label}: no readable .keras file ({error})")) from error


def arrays_at(file: Any, group: str, below: Sequence[str], label: str) -> Arrays:
    """Return a layer's arrays in a file: those of its group, or of groups below it, in their order.

    Raises
    ------
    CheckpointError
        If one does not lie in the file.
    """
    found = []
    for place in below:
        held: Any = file
        for part in "/".join(part for part in (group, place, "vars") if part).split("/"):
            held = _inside(held, part)
        for number in range(len(held) if held is not None else 0):
            array = _inside(held, str(number))
            # Neither elsewhere, nor larger than the bytes that are there.
            own = hasattr(array, "nbytes") and not array.external and not array.is_virtual
            if not own or array.nbytes > array.id.get_storage_size():
                raise CheckpointError(f"{label}: {group}/{place}: expected array {number} to lie in the file")
            found.append(np.asarray(array))
    return found


def _inside(group: Any, name: str) -> Any:
    """Return what a group holds itself, by no link to another place or file; None where there is nothing."""
    is_own = hasattr(group, "items") and type(group.get(name, getlink=True)).__name__ == "HardLink"
    return group[name] if is_own else None


class Group(NamedTuple):
    """A layer's group in a file of weights.

    Attributes
    ----------
    place : str
    kind : str
        The class, as files write it.
    """

    place: str
    kind: str


def groups_of(file: Any) -> list[Group]:
    """Return the groups of a file of weights, those of one class in their order."""
    found: list[Group] = []

    def visit(group: str, held: Any, depth: int) -> None:
        for name in sorted(held, key=lambda one: [int(p) if p.isdigit() else p for p in re.split(r"(\d+)$", one)]):
            one, place = _inside(held, name), f"{group}/{name}"
            inner = _inside(one, "layers")
            if hasattr(inner, "items") and len(inner) and depth:
                visit(f"{place}/layers", inner, depth - 1)
            elif _holds(one, _MOST_DEPTH):
                found.append(Group(place, re.sub(r"_\d+$", "", name)))

    layers = _inside(file, "layers")
    if hasattr(layers, "items"):
        visit("layers", layers, _MOST_DEPTH)
    elif _holds(file, _MOST_DEPTH):
        found.append(Group("", ""))
    return found


# How deep groups are looked into: a file may hold a group in itself.
_MOST_DEPTH = 16


def _holds(group: Any, depth: int) -> bool:
    """Tell whether a group holds arrays, but for seeds."""
    if not hasattr(group, "items"):
        return group is not None
    return depth > 0 and any(_holds(_inside(group, name), depth - 1) for name in group if name != "seed_generator")
