"""Attention in several heads."""

from __future__ import annotations

from typing import Any

import numpy as np

from lamina.convert.translation import Arrays, Format, Translation, translates
from lamina.errors import ConversionError
from lamina.layers.attention import Attention
from lamina.layers.self_attention import SelfAttention

_PARTS = "qkv"
_KERAS = {"q": "query", "k": "key", "v": "value"}


def _torch(layer: Any, own: Arrays) -> Arrays:
    """Return PyTorch's arrays: the three projections one above the other, or apart where keys have other features."""
    if own["w_q"].shape[0] != own["w_q"].shape[1]:
        features, units = own["w_q"].shape
        raise ConversionError(f"units={units} of {features} features; PyTorch's attention keeps the query's features")
    if len({own[f"w_{part}"].shape for part in _PARTS}) == 1:
        found = {"in_proj_weight": np.concatenate([own[f"w_{part}"].T for part in _PARTS])}
    else:
        found = {f"{part}_proj_weight": own[f"w_{part}"].T for part in _PARTS}
    if "b_q" in own:
        found["in_proj_bias"] = np.concatenate([own[f"b_{part}"] for part in _PARTS])
    found["out_proj.weight"] = own["w_o"].T
    return found | ({"out_proj.bias": own["b_o"]} if "b_o" in own else {})


def _from_torch(layer: Any, theirs: Arrays) -> Arrays:
    if "in_proj_weight" in theirs:
        found: Arrays = {
            f"w_{part}": w.T for part, w in zip(_PARTS, np.split(theirs["in_proj_weight"], 3), strict=True)
        }
    else:
        found = {f"w_{part}": theirs[f"{part}_proj_weight"].T for part in _PARTS}
    if "in_proj_bias" in theirs:
        found |= {f"b_{part}": b for part, b in zip(_PARTS, np.split(theirs["in_proj_bias"], 3), strict=True)}
        found["b_o"] = theirs["out_proj.bias"]
    found["w_o"] = theirs["out_proj.weight"].T
    return found


def _keras(layer: Any, own: Arrays) -> Arrays:
    """Return Keras's arrays: the heads have an axis of their own."""
    heads, units = layer.heads, own["w_o"].shape[0]
    found: Arrays = {}
    for part, name in _KERAS.items():
        found[f"{name}/kernel"] = own[f"w_{part}"].reshape(-1, heads, units // heads)
        if f"b_{part}" in own:
            found[f"{name}/bias"] = own[f"b_{part}"].reshape(heads, units // heads)
    found["attention_output/kernel"] = own["w_o"].reshape(heads, units // heads, units)
    return found | ({"attention_output/bias": own["b_o"]} if "b_o" in own else {})


def _from_keras(layer: Any, theirs: Arrays) -> Arrays:
    units = theirs["attention_output/kernel"].shape[-1]
    names = {**{f"_{part}": name for part, name in _KERAS.items()}, "_o": "attention_output"}
    found: Arrays = {}
    for own, name in names.items():
        found[f"w{own}"] = theirs[f"{name}/kernel"].reshape(-1, units)
        if f"{name}/bias" in theirs:
            found[f"b{own}"] = theirs[f"{name}/bias"].reshape(-1)
    return found


for _attention in (Attention, SelfAttention):
    translates(
        _attention,
        Translation(
            Format(_torch, _from_torch),
            Format(_keras, _from_keras),
            "MultiHeadAttention",
            ("query_dense", "key_dense", "value_dense", "output_dense"),
        ),
    )
