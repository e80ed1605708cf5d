"""A layer as the root of a tree: the layers below it, their parameters by path, and the model as a whole."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Self, cast

import numpy as np

from lamina.backends import Backend
from lamina.building import Binding
from lamina.parameter import Parameter

if TYPE_CHECKING:
    from pathlib import Path

    from lamina.layer import Layer

__all__ = ["LayerTree"]


class LayerTree:
    """What every layer knows of itself and of the layers below it, taken together as a model."""

    def bound(self) -> Binding:
        """Return what the layer was built on, or raise `NotBuiltError`."""
        raise NotImplementedError

    def children(self) -> dict[str, Layer]:
        """Return the layers directly below this one, by the last part of their paths."""
        return {name: cast("Layer", value) for name, value in _attributes(self) if isinstance(value, LayerTree)}

    def own_parameters(self) -> dict[str, Parameter]:
        """Return this layer's own parameters by attribute, in the order of assignment."""
        return {name: value for name, value in _attributes(self) if isinstance(value, Parameter)}

    def walk(self) -> Iterator[tuple[str, Layer]]:
        """Yield this layer and all below it with their paths, each once."""
        seen: set[int] = set()

        def visit(layer: Layer, path: str) -> Iterator[tuple[str, Layer]]:
            if id(layer) in seen:
                return
            seen.add(id(layer))
            yield path, layer
            for name, child in layer.children().items():
                yield from visit(child, f"{path}.{name}" if path else name)

        return visit(cast("Layer", self), "")

    def named_parameters(self) -> dict[str, Parameter]:
        """Return all parameters by path, each once: tied weights count under their first path."""
        found: dict[str, Parameter] = {}
        seen: set[int] = set()
        for path, layer in self.walk():
            for name, parameter in layer.own_parameters().items():
                if id(parameter) not in seen:
                    seen.add(id(parameter))
                    found[f"{path}.{name}" if path else name] = parameter
        return found

    def parameters(self) -> list[Parameter]:
        """Return all parameters, each once.

        Raises
        ------
        NotBuiltError
            If the model is not built: it has none yet.
        """
        self.bound()
        return list(self.named_parameters().values())

    def zero_grad(self) -> None:
        """Set all gradients to zero."""
        for parameter in self.parameters():
            parameter.zero_grad()

    @property
    def parameter_count(self) -> int:
        """The number of weights in all parameters."""
        return sum(parameter.size for parameter in self.named_parameters().values())

    @property
    def facts(self) -> dict[str, Any]:
        """What is worth keeping with the model (JSON): training settings and figures, class names."""
        facts: dict[str, Any] = self.__dict__.setdefault("_facts", {})
        return facts

    def to(self, backend: str | Backend, dtype: str | None = None) -> Self:
        """Move the model to a backend, in place, and return it.

        Parameters
        ----------
        backend : str or Backend
        dtype : str, optional
            Convert to ``"float32"`` or ``"float64"`` on the way.
        """
        from lamina.moving import move

        move(cast("Layer", self), backend, dtype)
        return self

    def state_dict(self) -> dict[str, np.ndarray[Any, Any]]:
        """Return copies of all parameters, on the host, by path."""
        self.bound()
        return {name: parameter.numpy() for name, parameter in self.named_parameters().items()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Set all parameters from arrays by path; nothing is changed unless all of them fit.

        Raises
        ------
        CheckpointError
            Names every missing, unexpected and misshapen array.
        """
        from lamina.moving import load_parameters

        load_parameters(cast("Layer", self), state)

    def save(self, path: str | Path) -> None:
        """Write weights, architecture and facts to a safetensors file; see `lamina.load`."""
        from lamina.checkpoint import save

        save(cast("Layer", self), path)

    def load_weights(self, path: str | Path) -> None:
        """Set all parameters from a model file of the same architecture."""
        from lamina.checkpoint import load_weights

        load_weights(cast("Layer", self), path)

    def summary(self) -> str:
        """Return a table of the layers: output shape, parameters, dtype, backend and kernel."""
        from lamina.summary import summary

        return summary(cast("Layer", self))


def _attributes(layer: LayerTree) -> Iterator[tuple[str, Any]]:
    """Yield parameters and layers among a layer's attributes, those in lists and dicts included, in order."""

    def parts(name: str, value: Any) -> Iterator[tuple[str, Any]]:
        if isinstance(value, (Parameter, LayerTree)):
            yield name, value
        elif isinstance(value, (list, tuple)):
            for index, item in enumerate(value):
                yield from parts(f"{name}.{index}", item)
        elif isinstance(value, dict) and not name.startswith("_"):
            for key, item in value.items():
                yield from parts(f"{name}.{key}", item)

    for name, value in vars(layer).items():
        yield from parts(name, value)
