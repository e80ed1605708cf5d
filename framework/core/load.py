"""Models from files: the one place where names in a file become layers again.

A file may be anyone's, and its checksum proves nothing against them. So what it asks for is looked at before it is
made: the architecture's size, then, once the layers have said their shapes, each parameter's against the file's
arrays. Only then there is memory, and no weight is drawn.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lamina.backends import Backend, get_backend
from lamina.core.bounds import Budget, require_bounded
from lamina.core.build import build_without_draws, find_dtype, name_parameters, place
from lamina.core.config import rebuild
from lamina.core.finite import warn_non_finite
from lamina.core.initializers import Initializer
from lamina.core.layer import Layer
from lamina.core.metadata import Metadata, read_metadata
from lamina.core.model_file import read_file
from lamina.core.record import Binding
from lamina.core.registry import Registry
from lamina.core.transfer import fitting_arrays, listed, set_values, tie
from lamina.errors import CheckpointError, LaminaError, UnknownNameError
from lamina.files.printable import printable

__all__ = ["load", "rebuilt"]

# After so many characters a message is cut: it may hold what the file does.
_MOST_MESSAGE = 1000


def load(path: str | Path, backend: str | Backend | None = None, dtype: str | None = None) -> Layer:
    """Return the model in a file that ``model.save`` wrote, built.

    No file, whoever wrote it, runs code, or takes more memory than a few times its size. `NonFiniteWarning` is given
    where a weight is NaN or infinite.

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
        If the file cannot be read, is no model of Lamina, or one of a newer format; if its weights are damaged or do
        not fit its architecture; or if it asks for what no layer takes, or for more than a file may.
    UnknownNameError
        If it holds a layer that is not registered in this process.
    """
    chosen, wanted = get_backend(backend), None if dtype is None else find_dtype(dtype)
    arrays, metadata = read_file(path)
    source = repr(str(path))
    model = rebuilt(metadata, arrays, source, chosen, wanted)
    warn_non_finite(model.parameters(), source)
    return model


def rebuilt(
    metadata: Mapping[str, str],
    arrays: Mapping[str, Any],
    source: str,
    backend: str | Backend | None = None,
    dtype: str | None = None,
) -> Layer:
    """Return the model that a file tells of, with arrays as its parameters; see `load`.

    Parameters
    ----------
    metadata : mapping of str to str
        As `lamina.core.model_file.metadata_of` gives it.
    arrays : mapping of str to array
        By path.
    source : str
        What messages call the file.
    backend, dtype : optional
        As `load` takes them.
    """
    chosen, wanted = get_backend(backend), None if dtype is None else find_dtype(dtype)
    try:
        known = read_metadata(metadata)
        model = _made(known.architecture)
        _build(model, known, arrays, Binding(chosen, wanted or known.dtype), source)
    except UnknownNameError:
        raise  # whose layer it is knows best: its name comes first
    except LaminaError as error:
        raise CheckpointError(_message(source, str(error))) from error
    except MemoryError:
        raise
    except Exception as error:  # a layer of anyone's may fail in any way on what it never was given before
        raise CheckpointError(_message(source, f"cannot be built ({type(error).__name__}: {error})")) from error
    model.facts.update(known.facts)
    return model


def _message(source: str, text: str) -> str:
    text = printable(text)
    text = text if len(text) <= _MOST_MESSAGE else f"{text[: _MOST_MESSAGE - 4]} ..."
    return text if text.startswith(source) else f"{source}: {text}"


def _made(architecture: Any) -> Layer:
    """Return the layer that is described, not built."""
    registries: dict[str, Registry[Any]] = {one.kind: one for one in (Layer.registry, Initializer.registry)}

    def copies(kind: str, name: Any) -> int:
        return int(registries[kind].find(name)._copies) if kind in registries else 1

    require_bounded(architecture, copies)
    model = rebuild(architecture, registries)
    if not isinstance(model, Layer):
        raise CheckpointError("damaged metadata (the architecture is no layer)")
    return model


def _build(model: Layer, known: Metadata, arrays: Mapping[str, Any], binding: Binding, source: str) -> None:
    """Build a model for the shapes that its file tells, and give it the file's weights."""

    def fill() -> None:
        tie(model, known.ties)
        fresh = name_parameters(model)
        parameters = {parameter.name: parameter for parameter in fresh}
        fitting = fitting_arrays(model, parameters, arrays, source)
        nowhere = sorted(known.frozen - parameters.keys())
        if nowhere:
            raise CheckpointError(f"frozen: {model.label} has no parameter {listed([repr(name) for name in nowhere])}")
        place(fresh, binding)
        set_values(parameters, fitting)
        for name, parameter in parameters.items():
            parameter.trainable = name not in known.frozen

    build_without_draws(model, lambda: model.build(*known.input_shapes), binding, Budget(), fill)
