"""To PyTorch: a new module, or the weights of one that is there, or a safetensors file."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from lamina.compose.bidirectional import Bidirectional
from lamina.compose.residual import Residual
from lamina.compose.sequential import Sequential
from lamina.convert.from_torch import require_alike
from lamina.convert.torch_state import exported, matched, modules_of, torch_state
from lamina.convert.torch_wrappers import wrapper
from lamina.convert.unit import raise_problems, under, units_of
from lamina.core.layer import Layer
from lamina.core.model_bytes import to_bytes
from lamina.errors import ArgumentError, ConversionError, MissingPackageError, ShapeError, shown
from lamina.files import write_file
from lamina.kinds.window import sides
from lamina.layers import (
    CELU, ELU, GELU, GRU, LSTM, SELU, AveragePool1D, BatchNorm, Conv1D, Conv1DTranspose, Dense, Dropout, Embedding,
    Flatten, GlobalAveragePool1D, GlobalMaxPool1D, GroupNorm, HardSwish, LastStep, LayerNorm, LeakyReLU,
    LogSoftmax, MaxPool1D, Mish, Permute, PReLU, ReLU, ReLU6, RepeatVector, Rescaling, RMSNorm, Select, SelfAttention,
    Sigmoid, SiLU, SimpleRNN, Softmax, Softplus, Softsign, Tanh,
)  # fmt: skip

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


def _features(layer: Layer) -> int:
    return layer.size_of(layer.input_shapes[0], -1)


def _sequence(layer: Layer) -> bool:
    return len(layer.input_shapes[0]) == 3


def _recurrent(layer: Any, nn: Any) -> Any:
    one, both = (layer.layer, True) if isinstance(layer, Bidirectional) else (layer, False)
    if both and layer.merge != "concat":
        raise ConversionError(f"merge={layer.merge!r}")
    if one.return_state:
        raise ConversionError("return_state=True")
    kind = {LSTM: "LSTM", GRU: "GRU", SimpleRNN: "RNN"}.get(type(one))
    if kind is None or one.recurrent_dropout:
        raise ConversionError("" if kind is None else "recurrent_dropout")
    options: dict[str, Any] = {"bias": one.use_bias, "batch_first": True, "bidirectional": both}
    if kind == "LSTM":
        options["proj_size"] = one.projection or 0
    elif kind == "RNN":
        options["nonlinearity"] = one.activation
    made = wrapper(f"{'Outputs' if one.return_sequences else 'Last'}{kind}")(_features(layer), one.units, **options)
    made.go_backwards = one.go_backwards
    return made


def _convolution(layer: Any, nn: Any) -> Any:
    reach = (layer.kernel_size - 1) * layer.dilation + 1
    before, after = sides(layer.padding, reach)
    made = wrapper("StepsConv1d")(
        _features(layer), layer.units, layer.kernel_size, layer.stride, before if before == after else 0,
        layer.dilation, layer.groups, layer.use_bias,
    )  # fmt: skip
    made.pads = () if before == after else (before, after)
    return made


def _transposed(layer: Any, nn: Any) -> Any:
    if layer.padding in ("same", "causal"):
        raise ConversionError(f"padding={layer.padding!r}")
    before, after = sides(layer.padding, 1)
    # What PyTorch adds at the end is less than a stride.
    more = before - after + layer.output_padding
    if not 0 <= more < max(layer.stride, layer.dilation):
        raise ConversionError(f"padding={layer.padding!r}")
    return wrapper("StepsConvTranspose1d")(
        _features(layer), layer.units, layer.kernel_size, layer.stride, before, more, layer.groups, layer.use_bias,
        layer.dilation,
    )  # fmt: skip


def _pool(layer: Any, nn: Any) -> Any:
    reach = (layer.size - 1) * layer.dilation + 1
    before, after = sides(layer.padding, reach)
    if before != after or 2 * before > layer.size:
        raise ConversionError(f"padding={layer.padding!r}")
    if isinstance(layer, MaxPool1D):
        return wrapper("StepsMaxPool1d")(layer.size, layer.stride, before, layer.dilation, ceil_mode=layer.ceil)
    if layer.dilation != 1:
        raise ConversionError(f"dilation={layer.dilation}")
    return wrapper("StepsAvgPool1d")(layer.size, layer.stride, before, layer.ceil, layer.count_padding)


def _batch_norm(layer: Any, nn: Any) -> Any:
    affine = _affine(layer)
    make = wrapper("StepsBatchNorm1d") if _sequence(layer) else nn.BatchNorm1d
    return make(_features(layer), layer.epsilon, layer.momentum, affine)


def _affine(layer: Any) -> bool:
    if layer.use_scale != layer.use_shift:
        raise ConversionError(f"use_scale={layer.use_scale} with use_shift={layer.use_shift}")
    return bool(layer.use_scale)


def _group_norm(layer: Any, nn: Any) -> Any:
    make = wrapper("StepsGroupNorm") if _sequence(layer) else nn.GroupNorm
    return make(layer.groups, _features(layer), layer.epsilon, _affine(layer))


def _layer_norm(layer: Any, nn: Any) -> Any:
    if layer.axis != -1 or (layer.use_shift and not layer.use_scale):
        raise ConversionError(f"axis={layer.axis}" if layer.axis != -1 else "use_scale=False with use_shift=True")
    return nn.LayerNorm(_features(layer), layer.epsilon, layer.use_scale, layer.use_shift)


def _attention(layer: Any, nn: Any) -> Any:
    if layer.return_scores or layer.additive_mask:
        raise ConversionError("return_scores or additive_mask")
    return wrapper("Attention")(
        _features(layer), layer.heads, layer.dropout, layer.use_bias, batch_first=True, kept={"causal": layer.causal}
    )


def _prelu(layer: Any, nn: Any) -> Any:
    count = 1 if layer.shared else _features(layer)
    return (wrapper("StepsPReLU") if _sequence(layer) and count > 1 else nn.PReLU)(count)


def _select(layer: Any, nn: Any) -> Any:
    index, axis = (-1, 1) if isinstance(layer, LastStep) else (layer.index, layer.axis)
    return wrapper("Select")(kept={"index": index, "axis": axis})


MAKERS: dict[type[Layer], Callable[[Any, Any], Any]] = {
    AveragePool1D: _pool,
    BatchNorm: _batch_norm,
    Bidirectional: _recurrent,
    CELU: lambda layer, nn: nn.CELU(layer.alpha),
    Conv1D: _convolution,
    Conv1DTranspose: _transposed,
    Dense: lambda layer, nn: nn.Linear(_features(layer), layer.units, layer.use_bias),
    Dropout: lambda layer, nn: nn.Dropout(layer.rate),
    ELU: lambda layer, nn: nn.ELU(layer.alpha),
    Embedding: lambda layer, nn: nn.Embedding(layer.rows, layer.units),
    Flatten: lambda layer, nn: nn.Flatten(),
    GELU: lambda layer, nn: nn.GELU(layer.approximate),
    GRU: _recurrent,
    GlobalAveragePool1D: lambda layer, nn: wrapper("Mean")(kept={}),
    GlobalMaxPool1D: lambda layer, nn: wrapper("Maximum")(kept={}),
    GroupNorm: _group_norm,
    HardSwish: lambda layer, nn: nn.Hardswish(),
    LSTM: _recurrent,
    LastStep: _select,
    LayerNorm: _layer_norm,
    LeakyReLU: lambda layer, nn: nn.LeakyReLU(layer.slope),
    LogSoftmax: lambda layer, nn: nn.LogSoftmax(layer.axis),
    MaxPool1D: _pool,
    Mish: lambda layer, nn: nn.Mish(),
    PReLU: _prelu,
    Permute: lambda layer, nn: wrapper("Permute")(kept={"axes": tuple(layer.axes)}),
    RMSNorm: lambda layer, nn: nn.RMSNorm(_features(layer), layer.epsilon, layer.use_scale),
    ReLU: lambda layer, nn: nn.ReLU(),
    ReLU6: lambda layer, nn: nn.ReLU6(),
    RepeatVector: lambda layer, nn: wrapper("Repeat")(kept={"count": layer.count}),
    Rescaling: lambda layer, nn: wrapper("Affine")(kept={"scale": layer.scale, "offset": layer.offset}),
    SELU: lambda layer, nn: nn.SELU(),
    Select: _select,
    SelfAttention: _attention,
    SiLU: lambda layer, nn: nn.SiLU(),
    Sigmoid: lambda layer, nn: nn.Sigmoid(),
    SimpleRNN: _recurrent,
    Softmax: lambda layer, nn: nn.Softmax(layer.axis),
    Softplus: lambda layer, nn: nn.Softplus(layer.beta),
    Softsign: lambda layer, nn: nn.Softsign(),
    Tanh: lambda layer, nn: nn.Tanh(),
}
