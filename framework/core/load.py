"""Models from files: the one place where names in a file become layers again."""

from __future__ import annotations

import json
from pathlib import Path

from lamina.backends import Backend
from lamina.core.build import find_dtype
from lamina.core.config import rebuild
from lamina.core.initializers import Initializer
from lamina.core.layer import Layer
from lamina.core.model_file import read_file
from lamina.core.transfer import load_parameters, tie
from lamina.errors import CheckpointError, LaminaError

__all__ = ["load"]


def load(path: str | Path, backend: str | Backend | None = None, dtype: str | None = None) -> Layer:
    """Return the model in a file that ``model.save`` wrote, built.

    Parameters
    ----------
    path : str or Path
    backend : str or Backend, optional
        Where to build it; the default backend if not given, wherever it was trained.
    dtype : str, optional
        As saved if not given.

    Raises
    ------
    CheckpointError
        If the file cannot be read, is no model of Lamina, or one of a newer format; or if its weights are
        damaged or do not fit its architecture.
    UnknownNameError
        If it holds a layer that is not registered in this process.
    """
    arrays, metadata = read_file(path)
    try:
        description, shapes = json.loads(metadata["architecture"]), json.loads(metadata["input_shapes"])
        facts, saved_dtype = json.loads(metadata["facts"]), find_dtype(metadata["dtype"])
        tied, frozen = json.loads(metadata["ties"]), json.loads(metadata["frozen"])
        if not all(isinstance(value, list) for value in (shapes, frozen)):
            raise ValueError("input_shapes or frozen is no list")
        if not all(isinstance(value, dict) for value in (facts, tied)):
            raise ValueError("facts or ties is no object")
    except (KeyError, ValueError, LaminaError) as error:
        raise CheckpointError(f"{str(path)!r}: damaged metadata ({error})") from error
    registries = {registry.kind: registry for registry in (Layer.registry, Initializer.registry)}
    model = rebuild(description, registries)
    if not isinstance(model, Layer):
        raise CheckpointError(f"{str(path)!r}: damaged metadata (the architecture is no layer)")
    model.build(*shapes, backend=backend, dtype=dtype or saved_dtype, seed=0)
    tie(model, tied)
    load_parameters(model, arrays, source=repr(str(path)))
    for parameter in model.parameters():
        parameter.trainable = parameter.name not in frozen
    model.facts.update(facts)
    return model
