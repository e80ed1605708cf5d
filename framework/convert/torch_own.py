"""The way back from the modules that `to_torch` makes: their axes are Lamina's, so nothing is exchanged."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import lamina.layers as layers
from lamina.compose.residual import Residual
from lamina.compose.sequential import Sequential
from lamina.convert.chain import CHANNELS, PLAIN, Chain
from lamina.convert.torch_modules import MODULES
from lamina.core.layer import Layer
from lamina.errors import ConversionError

__all__ = ["add_own"]

# Adds what a module does to a chain: of another chain, inside a sum, for one.
Inner = Callable[[Chain, str, Any], None]


def add_own(chain: Chain, name: str, module: Any, inner: Inner) -> None:
    """Add what one of those modules does.

    Parameters
    ----------
    chain : Chain
    name : str
        The module's place.
    module : torch.nn.Module
    inner : callable
        Adds what a module does to a chain, for the place in what is added to its input.
    """
    kind = type(module).__name__
    chain.last()
    for prefix, add in (("Steps", _steps), ("Outputs", _recurrent), ("Last", _recurrent)):
        if kind.startswith(prefix):
            add(chain, name, module, kind.removeprefix(prefix))
            return
    if kind == "Residual":
        own = Chain(chain.rank)
        own.order, own.begun, own.assumed = chain.order, chain.begun, chain.assumed
        inner(own, f"{name}.inner" if name else "inner", module.inner)
        if not chain.begun:
            chain.begin(own.first_rank or 2, own.features, own.integers)
        chain.add(Residual(Sequential(*own.layers)), own.places)
        chain.rank, chain.order = own.rank, own.order
        return
    _plain(chain, name, module, kind)


def _steps(chain: Chain, name: str, module: Any, kind: str) -> None:
    """Add a module that looks at (batch, features, time), which it makes of its input, and makes its output of it."""
    if not chain.begun:
        features = {"Conv1d": "in_channels", "ConvTranspose1d": "in_channels", "GroupNorm": "num_channels"}
        chain.begin(3, getattr(module, features.get(kind, "num_features"), None))
    chain.steps()
    chain.order = CHANNELS
    MODULES[kind](chain, name, module, {})
    chain.order = PLAIN


def _recurrent(chain: Chain, name: str, module: Any, kind: str) -> None:
    gives = "sequence" if type(module).__name__.startswith("Outputs") else "states"
    MODULES[kind](chain, name, module, {"gives": gives})
    if module.go_backwards:
        made = chain.layers[-1]
        chain.layers[-1] = type(made)(**{**made.config(), "go_backwards": True})


def _plain(chain: Chain, name: str, module: Any, kind: str) -> None:
    if kind == "Attention":
        MODULES["MultiheadAttention"](chain, name, module, {})
        made = chain.layers[-1]
        chain.layers[-1] = type(made)(**{**made.config(), "causal": module.causal})
        return
    if kind == "Repeat":
        chain.add(layers.RepeatVector(module.count))
        chain.become(3)
        return
    if kind == "Affine":
        chain.add(layers.Rescaling(module.scale, module.offset))
        return
    makers: Mapping[str, Callable[[], Layer]] = {
        "Maximum": layers.GlobalMaxPool1D,
        "Mean": layers.GlobalAveragePool1D,
        "Permute": lambda: layers.Permute(module.axes),
        "Select": lambda: layers.Select(module.index, module.axis),
    }
    if kind not in makers:
        raise ConversionError("")
    chain.steps()
    chain.add(makers[kind]())
    chain.become(3 if kind == "Permute" else 2)
