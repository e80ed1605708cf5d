"""From Keras 3: whole chains, or the weights of a model that is there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

from lamina.convert.chain import Chain, build
from lamina.convert.keras_layers import KERAS_LAYERS
from lamina.convert.keras_model import Arrays, Entry, arrays_at, entries_of, groups_of, opened, read_model, snake
from lamina.convert.settings import differing
from lamina.convert.unit import Unit, assign, raise_problems, units_of
from lamina.core.host import as_host
from lamina.core.layer import Layer
from lamina.core.transfer import listed
from lamina.errors import ArgumentError, CheckpointError, ConversionError, LaminaError, shown

__all__ = ["entries_in", "from_keras", "require_alike", "theirs_of"]

# What wraps a layer that is the same for every step here.
_EACH_STEP = ("Dense", "Activation", "Dropout", "LayerNormalization", "RMSNormalization")


def from_keras(source: Any, into: Layer | None = None, *, shape: Sequence[int | None] | None = None) -> Layer:
    """Return a model with the weights of a Keras 3 model, layer or file.

    Without ``into`` a model, or a ``.keras`` file, becomes a new `Sequential`, built, if it is a chain: a Sequential,
    or a functional model whose layers each take what the one before gives, as ``MultiHeadAttention`` may take it as
    query and value. A layer with an activation becomes two.

    With ``into`` that model gets the weights, or, where something does not fit, is as it was. Its layers with weights
    get those of Keras's layers with weights in order; of a ``.weights.h5`` file, which keeps no order between layers of
    several classes, those of the class that each is in Keras, in order. Settings that change outputs must be the same.

    Parameters
    ----------
    source : keras.Model, keras.Layer or path
        A path ends in ``.keras`` or ``.weights.h5``: h5py reads it, Keras need not be there, and nothing in it is run.
    into : Layer, optional
        A built model; needed for ``.weights.h5``, and for models of a class of one's own.
    shape : sequence of int or None, optional
        What a new model is built for, with the batch first, where Keras's model tells no shape.

    Returns
    -------
    Layer
        ``into``, or a new model.

    Raises
    ------
    ConversionError
        Names all that has no counterpart, and arrays that are missing or left over; before anything is changed.
    ShapeError
        If an array has another shape than the layer's.
    CheckpointError
        If a file cannot be read.
    MissingPackageError
        If a file is given and h5py is not installed.
    """
    units = None if into is None else units_of(into, "keras")
    if into is not None and shape is not None:
        raise ArgumentError("from_keras: shape is of a new model, and into is one that is built")
    if isinstance(source, (str, Path)):
        label = repr(str(source))
        if str(source).endswith(".weights.h5"):
            if into is None or units is None:
                raise ArgumentError(f"from_keras: {label} holds weights alone: give into=model, built")
            return _from_weights(source, into, units, label)
        kind, config, weights = read_model(source)
        with opened(BytesIO(weights), label) as file:
            try:
                entries, given = entries_of(
                    kind, config, lambda names, group: lambda below: arrays_at(file, group, below, label)
                )
            except (KeyError, TypeError, IndexError, AttributeError) as error:
                raise CheckpointError(
                    f"{label}: no readable configuration ({type(error).__name__}: {error})"
                ) from error
            return _converted(entries, given, into, units, shape, label)
    entries, given = entries_in(source, into is not None)
    return _converted(entries, given, into, units, shape, type(source).__name__)


def entries_in(source: Any, any_order: bool) -> tuple[list[Entry], Any]:
    """Return the layers of a Keras model in turn; of one that is no chain in the order in which it has them."""
    if not hasattr(source, "get_config") or not hasattr(source, "weights"):
        raise ArgumentError(f"from_keras: expected a Keras model, a layer or a path, got {shown(source)}")
    kind = type(source).__name__
    if any_order or not (hasattr(source, "layers") and hasattr(source, "summary")):
        return _all_below(source, ()), None

    def arrays(names: Sequence[str], group: str) -> Any:
        layer = source
        for name in names:
            layer = layer.get_layer(name)
        return lambda below: weights_of(layer)

    found, shape = entries_of("Functional" if kind == "Model" else kind, source.get_config(), arrays)
    if shape is None and source.built:
        shape = source.input_shape
    return found, shape


def _all_below(layer: Any, names: tuple[str, ...]) -> list[Entry]:
    inner = getattr(layer, "layers", None)
    name = "/".join((*names, layer.name))
    if inner is not None and hasattr(layer, "summary"):
        return [one for own in inner for one in _all_below(own, (*names, layer.name))]
    if type(layer).__name__ == "InputLayer":
        return []
    return [Entry(name, type(layer).__name__, layer.get_config(), {}, lambda below: weights_of(layer))]


def weights_of(layer: Any) -> Arrays:
    """Return a Keras layer's arrays, on whichever backend of Keras."""
    return [as_host(one.value, f"{layer.name}: {one.name}") for one in layer.weights]


def theirs_of(unit: Unit, arrays: Arrays, source: str) -> dict[str, Any]:
    """Return Keras's arrays of a unit by name: they come in a fixed order."""
    names = list(unit.exported())
    if len(names) != len(arrays):
        got = listed([str(array.shape) for array in arrays]) or "none"
        raise ConversionError(f"{unit.label} from {source}: expected {listed(names)}, got {len(arrays)} arrays, {got}")
    return dict(zip(names, arrays, strict=True))


def _from_weights(source: Any, into: Layer, units: Sequence[Unit], label: str) -> Layer:
    """Set a model's weights from a file that knows of layers their classes alone, and of each class the order."""
    with opened(source, label) as file:
        left = groups_of(file)
        found = {}
        for unit in units:
            wanted = snake(unit.translation.name)
            own = [one for one in left if one.kind in (wanted, "")]
            own = own or [one for one in left if one.kind == "time_distributed"]
            taken = []
            # Of models in models no order is kept: then one alone must fit.
            apart = len({one.place.rpartition("/")[0] for one in own}) > 1
            for group in own if apart else own[:1]:
                below = [
                    f"layer{place}" if group.kind == "time_distributed" else place for place in unit.translation.groups
                ]
                try:
                    arrays = theirs_of(unit, arrays_at(file, group.place, below, label), group.place)
                    taken.append((group, unit.taken(arrays, group.place)))
                except LaminaError:
                    if not apart:
                        raise
            if len(taken) != 1:
                had = listed([one.place for one in own if taken or apart] or [one.place for one in left]) or "none"
                raise ConversionError(f"{unit.label} from {label}: expected one group {wanted} that fits, got {had}")
            ((group, found[unit.path]),) = taken
            left.remove(group)
        raise_problems(f"{label}: arrays that no layer has", [one.place for one in left])
    assign(into, found, label)
    return into


def _converted(entries: Sequence[Entry], given: Any, into: Layer | None, units: Any, shape: Any, label: str) -> Layer:
    if into is not None:
        held = [(entry, entry.arrays(_places(entry))) for entry in entries]
        held = [(entry, arrays) for entry, arrays in held if len(arrays)]
        if len(held) != len(units):
            mine, theirs = listed([one.label for one in units]), listed([repr(entry.name) for entry, _ in held])
            raise ConversionError(f"expected arrays for {len(units)} layers ({mine}), got {len(held)} ({theirs})")
        require_alike(units, [entry for entry, _ in held])
        found = {
            unit.path: unit.taken(theirs_of(unit, arrays, repr(entry.name)), repr(entry.name))
            for unit, (entry, arrays) in zip(units, held, strict=True)
        }
        assign(into, found, label)
        return into
    wanted = shape or given
    chain, problems = Chain(None if wanted is None else len(tuple(wanted))), []
    for entry in entries:
        try:
            add(chain, entry)
        except LaminaError as error:
            problems.append(f"{entry.name!r} ({entry.kind}): {error}".removesuffix(": "))
    raise_problems("from_keras: no counterpart", problems)
    if wanted is None:
        raise ConversionError("from_keras: the model tells no shape: give shape=(None, ..., features)")
    by_name = {entry.name: entry for entry in entries}
    all_arrays = {name: by_name[name].arrays(_places(by_name[name])) for name, _ in chain.places}
    double = all(array.dtype == "float64" for arrays in all_arrays.values() for array in arrays)
    dtype, count = "float64" if double and all_arrays else None, sum(a.size for one in all_arrays.values() for a in one)
    model, made = build(chain, (None, *tuple(wanted)[1:]), dtype, "keras", count)
    found = {}
    for unit, (name, _) in zip(made, chain.places, strict=True):
        found[unit.path] = unit.taken(theirs_of(unit, all_arrays[name], repr(name)), repr(name))
    assign(model, found, label)
    return model


_BELOW = {
    "Bidirectional": ("forward_layer/cell", "backward_layer/cell"),
    "MultiHeadAttention": ("query_dense", "key_dense", "value_dense", "output_dense"),
    **dict.fromkeys(("GRU", "LSTM", "RNN", "SimpleRNN"), ("cell",)),
    "TimeDistributed": ("layer",),
}


def _places(entry: Entry) -> Sequence[str]:
    return _BELOW.get(entry.kind, ("",))


def add(chain: Chain, entry: Entry) -> None:
    """Add what an entry does to a chain."""
    kind, config = entry.kind, entry.config
    if kind == "TimeDistributed":
        kind, config = config["layer"]["class_name"], config["layer"]["config"]
        if kind not in _EACH_STEP:
            raise ConversionError(f"of {kind}")
    if kind not in KERAS_LAYERS:
        raise ConversionError("")
    call: Mapping[str, Any] = {name: value for name, value in entry.call.items() if name != "mask"}
    try:
        KERAS_LAYERS[kind](chain, entry.name, {**config, "name_of_class": kind}, call)
    except (KeyError, TypeError, IndexError, AttributeError) as error:
        raise ConversionError(f"no readable configuration ({type(error).__name__}: {error})") from error


def require_alike(units: Sequence[Unit], entries: Sequence[Entry]) -> None:
    """Raise where a layer of Keras's has other settings than the one that has its weights, and gives other outputs."""
    problems = []
    for unit, entry in zip(units, entries, strict=True):
        shapes = unit.layer.input_shapes
        chain = Chain(len(shapes[0]) if shapes else None)
        call = {"use_causal_mask": getattr(unit.layer, "causal", False)}  # which is told where it is called
        try:
            add(chain, entry._replace(call=call if entry.kind == "MultiHeadAttention" else {}))
        except LaminaError:
            continue  # its weights may fit all the same
        made = [own for own in chain.layers if type(own) is type(unit.layer)]
        if made:
            problems += [f"{unit.label} from {entry.name!r}: {text}" for text in differing(unit.layer, made[0])]
    raise_problems("other settings", problems)
