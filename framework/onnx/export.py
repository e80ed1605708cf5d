"""Writing a model as an ONNX file."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from lamina.compose.stream import Stream
from lamina.core.arguments import flag, instance
from lamina.core.layer import Layer
from lamina.core.lengths import is_timed
from lamina.core.shapes import Shape, as_tuple
from lamina.core.version import __version__
from lamina.errors import ExportError, ShapeError
from lamina.files import write_file
from lamina.files.whole import require_writable
from lamina.onnx.description import describe_model
from lamina.onnx.graph import IR_VERSION, OPSET, Graph, Tensor
from lamina.onnx.packages import onnx_package, runtime_package
from lamina.onnx.states import States
from lamina.onnx.translation import call
from lamina.onnx.verification import largest_difference

__all__ = ["Exported", "export", "translated"]


# Protobuf's limit, and room for what is no weight.
_MOST_BYTES = 2**31 - 2**24


class Exported(NamedTuple):
    """What was written.

    Attributes
    ----------
    inputs, outputs : tuple of str
        Their names, in order; those of states come last.
    difference : float or None
        The largest difference from the model that ONNX Runtime has shown, relative to the largest number of an output;
        None where it was not asked.
    """

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    difference: float | None


class _Port(NamedTuple):
    """An input or output of a file: its name, sizes that are a number or a name, and dtype."""

    name: str
    sizes: tuple[int | str, ...]
    dtype: str


class Translated(NamedTuple):
    """A model as a graph.

    Attributes
    ----------
    graph : Graph
    inputs, outputs : list of _Port
    lengths : list of str or None
        For each input of the model, the name of that of its lengths.
    """

    graph: Graph
    inputs: list[_Port]
    outputs: list[_Port]
    lengths: list[str | None]


def export(
    model: Layer, path: str | Path, *, lengths: bool = True, states: bool = False, verify: bool = True
) -> Exported:
    """Write a built model as an ONNX file, as it is outside of training.

    The file is of opset 22 and ``ir_version`` 10, and takes a batch of any size, of rows of any number of steps. Its
    inputs are the model's, and then, for each that has a time axis, the number of valid steps of each row: ``lengths``,
    or the input's name and ``_lengths`` where there are several. Outputs are 0 past each row's end. `lamina.onnx.load`
    reads it again.

    Parameters
    ----------
    model : Layer
    path : str or Path
        A file there is replaced, by a whole one.
    lengths : bool
        Whether the file takes lengths. Without them all steps of all rows are valid.
    states : bool
        Whether the file is of a stream, as `lamina.Stream` runs it: it takes the states before the steps that it is
        given, and gives those after. A stream begins with zeros: ``state_0.path (batch, size)``, and no keys
        and values of an attention, (batch, 0, units).
    verify : bool
        Whether ONNX Runtime has to give what the model gives, for batches of unequal rows, before anything is written.

    Returns
    -------
    Exported

    Raises
    ------
    ExportError
        Names the layer that cannot be said in ONNX: a `Lambda`, and a layer or cell of one's own without a translation,
        see `translates`; or if ONNX Runtime gives something else. Nothing is written.
    NotBuiltError
        If the model is not built.
    StreamError
        With ``states``, if the model cannot stream.
    OutputError
        If the file cannot be written.
    MissingPackageError
        If onnx, or with ``verify`` ONNX Runtime, is not installed: they come with ``pip install -e '.[onnx]'``.

    Examples
    --------
    >>> import lamina
    >>> model = lamina.Sequential(lamina.layers.GRU(8), lamina.layers.Dense(2))
    >>> model.build((None, None, 3), seed=0)
    (None, 2)
    >>> exported = lamina.onnx.export(model, "model.onnx")  # doctest: +SKIP
    >>> exported.inputs, exported.outputs  # doctest: +SKIP
    (('x', 'lengths'), ('y',))
    """
    instance("export", "model", model, Layer).bound()
    package = onnx_package()
    if flag("export", "verify", verify):
        runtime_package()
    require_writable(path)
    flag("export", "lengths", lengths), flag("export", "states", states)
    difference = None
    try:
        made = translated(model, lengths=lengths, states=states)
        content = _content(model, made, package, lengths, states)
        if verify:
            difference = largest_difference(model, content, made.lengths, made.graph.states)
    except ShapeError as error:
        if not lengths:
            raise
        raise ExportError(f"{error}: export it with lengths=False") from error
    write_file(path, content)
    inputs, outputs = (tuple(port.name for port in ports) for ports in (made.inputs, made.outputs))
    return Exported(inputs, outputs, difference)


def translated(model: Layer, *, lengths: bool, states: bool, dtype: str | None = None) -> Translated:
    """Return a model as a graph.

    Parameters
    ----------
    model : Layer
    lengths, states : bool
        See `export`.
    dtype : str, optional
        The model's, if not given.

    Raises
    ------
    ExportError, StreamError
    """
    graph = Graph(dtype or model.dtype)
    if states:
        Stream(model)  # which tells why, where there is none
        graph.states = States()
    inputs, given = _inputs(model, graph.dtype, lengths)
    tensors = as_tensors(call(graph, model, *[tensor for tensor, _ in given]))
    for parameter in model.named_parameters().values():
        if id(parameter) not in graph.taken and parameter.size != 1:
            graph.weight(parameter)  # of a layer that is never called: it is kept
    outputs = []
    for place, one in enumerate(tensors):
        name = _free(model, "y" if len(tensors) == 1 else f"y_{place}")
        whole = graph.fill_past(one, one.rank, one.lengths) if one.rank > 2 else one.name
        graph.rename(whole, name)
        outputs.append(_Port(name, _sizes(name, one.shape), "int64" if one.integers else graph.dtype))
    for state in graph.states.all if states else ():
        sizes = _sizes(state.name, state.shape)
        inputs.append(_Port(state.name, sizes, state.dtype))
        graph.rename(state.after, f"{state.name}.after")
        outputs.append(_Port(f"{state.name}.after", sizes, state.dtype))
    return Translated(graph, inputs, outputs, [own for _, own in given])


def as_tensors(given: Any) -> tuple[Tensor, ...]:
    """Return one tensor, or several, as a tuple of them."""
    return (given,) if isinstance(given, Tensor) else as_tuple(given)


def _inputs(model: Layer, dtype: str, lengths: bool) -> tuple[list[_Port], list[tuple[Tensor, str | None]]]:
    """Return the inputs of the file, and for each of the model's its tensor and the name of its lengths."""
    shapes: tuple[Shape, ...] = model.input_shapes
    names = [*model._input_names][: len(shapes)]
    names += ["x" if len(shapes) == 1 else f"x_{place}" for place in range(len(names), len(shapes))]
    names = [_free(model, name) for name in names]
    timed = [is_timed(model, place, len(shape)) for place, shape in enumerate(shapes)]
    ports, ends, given = [], [], []
    for place, (name, shape) in enumerate(zip(names, shapes, strict=True)):
        integers = model.reads_integers(place)
        time = "time" if timed[place] and timed.count(True) == 1 else ""
        ports.append(_Port(name, _sizes(name, shape, time), "int64" if integers else dtype))
        own = None
        if lengths and timed[place]:
            own = _free(model, "lengths" if timed.count(True) == 1 else f"{name}_lengths")
            ends.append(_Port(own, ("batch",), "int64"))
        given.append((Tensor(name, shape, own, integers), own))
    return ports + ends, given


def _free(model: Layer, name: str) -> str:
    """Return a name that no parameter has."""
    return f"{name}_" if name in model.named_parameters() else name


def _sizes(name: str, shape: Shape, time: str = "") -> tuple[int | str, ...]:
    """Return a shape whose open sizes have names."""
    names = {0: "batch"} | ({1: time} if time else {})
    return tuple(names.get(axis, f"{name}_{axis}") if size is None else size for axis, size in enumerate(shape))


def _content(model: Layer, made: Translated, package: Any, lengths: bool, states: bool) -> bytes:
    """Return the file's bytes, checked against the format."""
    helper, arrays = package.helper, package.numpy_helper

    def ports(given: list[_Port]) -> list[Any]:
        kinds = [helper.np_dtype_to_tensor_dtype(np.dtype(port.dtype)) for port in given]
        return [helper.make_tensor_value_info(p.name, kind, p.sizes) for p, kind in zip(given, kinds, strict=True)]

    graph = made.graph
    held = {**graph.weights, **graph.constants}
    if sum(array.nbytes for array in held.values()) > _MOST_BYTES:
        raise ExportError(f"{model.label}: expected weights of less than 2 GB, which is all that an ONNX file holds")
    values = [arrays.from_array(np.array(array, order="C"), name) for name, array in held.items()]
    body = helper.make_graph(graph.nodes, "lamina", ports(made.inputs), ports(made.outputs), values)
    file = helper.make_model(
        body,
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="lamina",
        producer_version=__version__,
    )
    helper.set_model_props(file, describe_model(model, graph, lengths=lengths, states=states))
    content: bytes = file.SerializeToString(deterministic=True)
    try:
        package.checker.check_model(content)
    except package.checker.ValidationError as error:
        raise ExportError(f"{model.label}: no valid ONNX graph: {str(error).splitlines()[0]}") from error
    return content
