"""What a file tells of the model that it was written from, so that it can be read as the same kind of model."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from lamina.core.layer import Layer
from lamina.core.model_file import metadata_of
from lamina.errors import CheckpointError
from lamina.onnx.graph import Graph

__all__ = ["KEY", "describe_model", "index_arrays", "read_weights"]

NumpyArray = np.ndarray[Any, Any]

#: How the names of the entries begin.
KEY = "lamina."


def describe_model(model: Layer, graph: Graph, **options: bool) -> dict[str, str]:
    """Return the entries of a file: what a model file has of it, and how its weights stand in the graph.

    One whose layers cannot be described, such as a composite that is not registered, has ``lamina.unknown`` instead.
    """
    try:
        known = metadata_of(model)
    except CheckpointError as error:
        return {f"{KEY}unknown": str(error)}
    parameters = model.named_parameters()
    rest = {name: float(one.numpy().item()) for name, one in parameters.items() if id(one) not in graph.taken}
    further = {"shapes": {name: one.shape for name, one in parameters.items()}, "rest": rest, "options": options}
    return {f"{KEY}{name}": value for name, value in known.items()} | {
        f"{KEY}{name}": json.dumps(value) for name, value in further.items()
    }


def index_arrays(shapes: Mapping[str, Any]) -> dict[str, NumpyArray]:
    """Return arrays of shapes, by name, of which each element holds a number of its own, from 1 on."""
    arrays, start = {}, 1
    for name, shape in shapes.items():
        size = int(np.prod(shape, dtype=np.int64))
        arrays[name] = np.arange(start, start + size, dtype=np.float64).reshape(shape)
        start += size
    return arrays


def read_weights(
    shapes: Mapping[str, Any],
    rest: Mapping[str, Any],
    places: Mapping[str, NumpyArray],
    found: Mapping[str, NumpyArray],
) -> dict[str, NumpyArray]:
    """Return a model's parameters by name, of what a file's graph holds.

    Parameters
    ----------
    shapes : mapping of str to shape
    rest : mapping of str to float
        The parameters of one number that no node takes, such as over how many steps a deviation was measured.
    places : mapping of str to array
        What the graph of a model holds, whose parameters are `index_arrays`: where each number of them is.
    found : mapping of str to array
        What the file's graph holds.

    Raises
    ------
    CheckpointError
        If something is missing, or has another shape.
    """
    total = sum(int(np.prod(shape, dtype=np.int64)) for shape in shapes.values())
    values, known = np.zeros(total + 1), np.zeros(total + 1, bool)
    for name, place in places.items():
        if name not in found or found[name].shape != place.shape:
            got = "none" if name not in found else str(found[name].shape)
            raise CheckpointError(f"expected weights {name!r} of shape {place.shape}, got {got}")
        at = place.astype(np.int64)
        values[at], known[at] = found[name], True
    arrays: dict[str, NumpyArray] = {}
    start = 1
    for name, shape in shapes.items():
        size = int(np.prod(shape, dtype=np.int64))
        if name in rest:
            arrays[name] = np.full(shape, rest[name], np.float64)
        elif not known[start : start + size].all():
            raise CheckpointError(f"the graph has not all of the weights of {name!r}")
        else:
            arrays[name] = values[start : start + size].reshape(shape)
        start += size
    return arrays
