"""Reading an ONNX file as a model."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from lamina.backends import Backend
from lamina.core.finite import warn_non_finite
from lamina.core.layer import Layer
from lamina.core.load import rebuilt
from lamina.core.metadata import read_json
from lamina.errors import CheckpointError, LaminaError
from lamina.files.printable import printable
from lamina.onnx.description import KEY, index_arrays, read_weights
from lamina.onnx.export import translated
from lamina.onnx.foreign import read_foreign
from lamina.onnx.packages import onnx_package

__all__ = ["load"]

_MOST_MESSAGE = 500


def load(path: str | Path, backend: str | Backend | None = None, dtype: str | None = None) -> Layer:
    """Return the model in an ONNX file, built.

    A file that `export` wrote comes back as the model that it was written from: of the same classes, with the weights
    that its graph holds, to the bit. One of a stream comes back as the model that streams. Of other files those are
    read that are chains and graphs of recurrent layers (RNN, GRU and LSTM, in one direction or both, stacked), dense
    layers, embeddings, convolutions, activations, layer normalization, sums and products, and what moves their axes, as
    PyTorch's exporter writes them: a `Sequential` where it is a chain, otherwise an `OnnxGraph`. Its inputs are then
    (batch, time, features), whichever of the two comes first in the file, and an initial state is (batch, units).

    No file runs code. `NonFiniteWarning` is given where a weight is NaN or infinite.

    Parameters
    ----------
    path : str or Path
    backend : str or Backend, optional
        Where to build it; the default backend if not given.
    dtype : str, optional
        The file's if not given.

    Raises
    ------
    CheckpointError
        If the file cannot be read, is damaged, or keeps its weights in other files; or names the first node of which
        there is no layer.
    UnknownNameError
        If it holds a layer that is not registered in this process.
    MissingPackageError
        If onnx is not installed.
    """
    package, source = onnx_package(), repr(str(path))
    try:
        content = Path(path).read_bytes()
    except (OSError, ValueError) as error:
        raise CheckpointError(f"cannot read {source}: {getattr(error, 'strerror', None) or error}") from error
    try:
        file = package.load_model_from_string(content)
        found = _arrays(package, file)
        known = {one.key.removeprefix(KEY): one.value for one in file.metadata_props if one.key.startswith(KEY)}
    except LaminaError:
        raise
    except Exception as error:  # whatever the parser makes of other bytes
        raise CheckpointError(f"{source}: no ONNX file, or a damaged one") from error
    try:
        if "unknown" in known:
            raise CheckpointError(f"the model that it was written from was not described: {known['unknown']}")
        if "architecture" in known:
            model = _own(known, found, source, backend, dtype)
        else:
            model = read_foreign(file, found, backend, dtype)
    except LaminaError as error:
        if not isinstance(error, CheckpointError):
            raise
        text = printable(str(error))[:_MOST_MESSAGE]
        raise CheckpointError(text if text.startswith(source) else f"{source}: {text}") from error
    except MemoryError:
        raise
    except Exception as error:  # a graph may be wrong in any way
        text = printable(f"{type(error).__name__}: {error}")[:_MOST_MESSAGE]
        raise CheckpointError(f"{source}: damaged, or nothing that can be read ({text})") from error
    warn_non_finite(model.parameters(), source)
    return model


def _arrays(package: Any, file: Any) -> dict[str, np.ndarray[Any, Any]]:
    for one in file.graph.initializer:
        if one.data_location == package.TensorProto.EXTERNAL:
            raise CheckpointError(f"{printable(one.name)!r}: weights in other files are not read: save it as one file")
    return {one.name: package.numpy_helper.to_array(one) for one in file.graph.initializer}


def _own(
    known: dict[str, str],
    found: Mapping[str, np.ndarray[Any, Any]],
    source: str,
    backend: str | Backend | None,
    dtype: str | None,
) -> Layer:
    """Return the model that a file of ours tells of."""
    entries = {name: read_json(known.pop(name, "null"), name) for name in ("shapes", "rest", "options")}
    for name, entry in entries.items():
        if not isinstance(entry, dict):
            raise CheckpointError(f"damaged metadata (there is no {name!r})")
    shapes, rest, options = entries["shapes"], entries["rest"], entries["options"]
    held = sum(array.size for array in found.values()) + len(rest)
    if sum(int(np.prod(shape, dtype=np.float64)) for shape in shapes.values()) > held:
        raise CheckpointError("damaged metadata (more weights than the graph holds)")
    # A model that is like it, but for its weights, which say where each of them is to be found in the graph.
    numbered = rebuilt(known, index_arrays(shapes), source, None, "float64")
    graph = translated(numbered, dtype=known["dtype"], **options).graph
    return rebuilt(known, read_weights(shapes, rest, graph.weights, found), source, backend, dtype)
