"""Reading an ONNX file as a model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lamina.backends import Backend
from lamina.core.layer import Layer
from lamina.core.load import rebuilt
from lamina.core.metadata import read_json
from lamina.core.shapes import as_shape
from lamina.errors import CheckpointError, LaminaError
from lamina.files.printable import printable
from lamina.onnx.description import KEY, index_arrays, read_weights
from lamina.onnx.export import translated
from lamina.onnx.packages import onnx_package

__all__ = ["load"]


def load(path: str | Path, backend: str | Backend | None = None, dtype: str | None = None) -> Layer:
    """Return the model that an ONNX file holds."""
    source = repr(str(path))
    try:
        content = Path(path).read_bytes()
        file = onnx_package().load_model_from_string(content)
    except OSError as error:
        raise CheckpointError(f"cannot read {source}: {error.strerror}") from error
    props = {one.key: one.value for one in file.metadata_props if one.key.startswith(KEY)}
    known = {name.removeprefix(KEY): value for name, value in props.items()}
    found = {one.name: onnx_package().numpy_helper.to_array(one) for one in file.graph.initializer}
    shapes, rest, options = (read_json(known.pop(name), name) for name in ("shapes", "rest", "options"))
    numbered = rebuilt(known, index_arrays(shapes), source, None, "float64")
    graph = translated(numbered, dtype=known["dtype"], **options).graph
    return rebuilt(known, read_weights(shapes, rest, graph.weights, found), source, backend, dtype)
