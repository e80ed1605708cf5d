"""Recurrent layers and their cells: the order of gates, one bias or two, both directions."""

from __future__ import annotations

from typing import Any

import numpy as np

from lamina.compose.bidirectional import Bidirectional
from lamina.convert.translation import Arrays, Format, Translation, translates, translation_of
from lamina.core.layer import Layer
from lamina.errors import ConversionError
from lamina.layers.gru import GRU
from lamina.layers.gru_cell import GRUCell
from lamina.layers.lstm import LSTM
from lamina.layers.lstm_cell import LSTMCell
from lamina.layers.simple_rnn import SimpleRNN
from lamina.layers.simple_rnn_cell import SimpleRNNCell

__all__ = ["pairs"]


def _torch(layer: Any, own: Arrays) -> Arrays:
    """Return PyTorch's arrays: gates along the first axis in the same order, r, z, n of a GRU; two biases, one of 0."""
    found = {"weight_ih": own["w_x"].T, "weight_hh": own["w_h"].T}
    if "b" in own:
        second = np.zeros_like(own["b"])
        if "b_h" in own:
            second[-layer.units :] = own["b_h"]
        elif isinstance(layer, (GRU, GRUCell)):
            raise ConversionError("reset_after=False, which PyTorch does not have")
        found |= {"bias_ih": own["b"], "bias_hh": second}
    elif isinstance(layer, (GRU, GRUCell)) and not layer.reset_after:
        raise ConversionError("reset_after=False, which PyTorch does not have")
    if "w_p" in own:
        found["weight_hr"] = own["w_p"].T
    return found


def _from_torch(layer: Any, theirs: Arrays) -> Arrays:
    """Return the layer's arrays: the two biases are added but for a GRU's candidate, whose second is apart."""
    found = {"w_x": theirs["weight_ih"].T, "w_h": theirs["weight_hh"].T}
    if "bias_ih" in theirs:
        first, second = (theirs[name].astype(np.float64) for name in ("bias_ih", "bias_hh"))
        if isinstance(layer, (GRU, GRUCell)):
            found["b_h"] = second[-layer.units :]
            second = np.concatenate([second[: -layer.units], np.zeros(layer.units)])
        found["b"] = first + second
    if "weight_hr" in theirs:
        found["w_p"] = theirs["weight_hr"].T
    return found


def _keras(layer: Any, own: Arrays) -> Arrays:
    """Return Keras's arrays, in its order: gates of an LSTM in the same order, of a GRU z, r, n; bias of two rows."""
    if getattr(layer, "projection", None) is not None:
        raise ConversionError("a projection, which Keras does not have")
    is_gru = isinstance(layer, (GRU, GRUCell))
    turned = {name: _exchanged(array) if is_gru and name != "b_h" else array for name, array in own.items()}
    found = {"kernel": turned["w_x"], "recurrent_kernel": turned["w_h"]}
    if "b_h" in own:
        second = np.zeros_like(own["b"])
        second[-layer.units :] = own["b_h"]
        found["bias"] = np.stack([turned["b"], second])
    elif "b" in own:
        found["bias"] = turned["b"]
    return found


def _from_keras(layer: Any, theirs: Arrays) -> Arrays:
    is_gru = isinstance(layer, (GRU, GRUCell))
    turned = {name: _exchanged(array) if is_gru else array for name, array in theirs.items()}
    found = {"w_x": turned["kernel"], "w_h": turned["recurrent_kernel"]}
    if "bias" in turned and turned["bias"].ndim == 2:
        names = {"bias_ih": turned["bias"][0], "bias_hh": turned["bias"][1]}
        return _from_torch(layer, {"weight_ih": found["w_x"].T, "weight_hh": found["w_h"].T, **names})
    if "bias" in turned:
        found["b"] = turned["bias"]
    return found


def _exchanged(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return an array with the first two of its three gates, side by side in the last axis, exchanged."""
    first, second, third = np.split(array, 3, axis=-1)
    return np.concatenate([second, first, third], axis=-1)


for _cell, _layer, _name in ((SimpleRNNCell, SimpleRNN, "SimpleRNN"), (LSTMCell, LSTM, "LSTM"), (GRUCell, GRU, "GRU")):
    translates(
        _layer,
        Translation(Format(_torch, _from_torch), Format(_keras, _from_keras), _name, ("cell",), stacked=True),
    )
    translates(_cell, Translation(Format(_torch, _from_torch), Format(_keras, _from_keras), "RNN", ("cell",)))


def pairs(layer: Layer) -> Translation | None:
    """Return the translation of a `Bidirectional` over a layer that has one: both directions' arrays together."""
    inner = translation_of(layer.layer) if isinstance(layer, Bidirectional) else None
    if inner is None or inner.torch is None or inner.keras is None:
        return None

    def of(format: Format, ahead: str, back: str) -> Format:
        def export(layer: Any, own: Arrays) -> Arrays:
            first, second = (format.export(one, _under(own, name)) for name, one in layer.children().items())
            return {_named(ahead, name): one for name, one in first.items()} | {
                _named(back, name): one for name, one in second.items()
            }

        def take(layer: Any, theirs: Arrays) -> Arrays:
            found: Arrays = {}
            for (name, one), pattern in zip(layer.children().items(), (ahead, back), strict=True):
                names = format.export(one, {key: value.numpy() for key, value in one.named_parameters().items()})
                own = format.take(one, {key: theirs[_named(pattern, key)] for key in names})
                found |= {f"{name}.{key}": array for key, array in own.items()}
            return found

        return Format(export, take)

    return Translation(
        of(inner.torch, "*", "*_reverse"),
        of(inner.keras, "forward/*", "backward/*"),
        "Bidirectional",
        ("forward_layer/cell", "backward_layer/cell"),
        stacked=True,
    )


def _named(pattern: str, name: str) -> str:
    return pattern.replace("*", name)


def _under(own: Arrays, name: str) -> Arrays:
    return {key.removeprefix(f"{name}."): array for key, array in own.items() if key.startswith(f"{name}.")}
