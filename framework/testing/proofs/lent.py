"""A model that serves one relation after another: what a relation left in it is put back."""

from __future__ import annotations

from collections.abc import Mapping

from lamina.core.layer import Layer
from lamina.kinds.random import RandomLayer
from lamina.testing.proofs.arrays import HostArray

__all__ = ["Lent", "random_layers"]


class Lent:
    """A built model, with what is looked up once: its parameters, and the layers that draw.

    Parameters
    ----------
    model : Layer
    """

    def __init__(self, model: Layer) -> None:
        self._model = model
        self._parameters = model.parameters()
        self._random = [(layer, layer.draws) for layer in random_layers(model)]

    def begun_anew(self, weights: Mapping[str, HostArray]) -> Layer:
        """Return the model with these weights, gradients of zero, and draws from the first call on."""
        for parameter in self._parameters:
            parameter.data = weights[parameter.name]
            parameter.zero_grad()
        for layer, draws in self._random:
            if draws is not None and layer.draws != draws:
                layer.reseed(**draws)
        return self._model


def random_layers(model: Layer) -> list[RandomLayer]:
    """Return the layers of a model that draw random numbers in training."""
    return [layer for _, layer in model.walk() if isinstance(layer, RandomLayer)]
