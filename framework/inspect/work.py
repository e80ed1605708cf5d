"""How much a layer computes, and what its saved state holds."""

from __future__ import annotations

import math
from typing import Any

from lamina.backends import Array, Backend
from lamina.core.layer import Layer
from lamina.core.parameter import Parameter
from lamina.core.saved_state import SavedState
from lamina.core.shapes import Lengths
from lamina.kinds.recurrent import RecurrentLayer
from lamina.layers import GRU, LSTM, Dense, SimpleRNN

__all__ = ["Retained", "flops_of"]

# Each element of their matrices is multiplied once at every step.
_PRODUCTS = (Dense, SimpleRNN, LSTM, GRU)


def flops_of(layer: Layer, inputs: tuple[Array, ...], y: Any, lengths: Lengths | None) -> float | None:
    """Return the floating-point operations of a layer's matrix products forward, or None where it is not known.

    Parameters
    ----------
    layer : Layer
        Asked by its ``flops(*shapes)``, where it has one.
    inputs : tuple of arrays
    y : array or tuple of arrays
    lengths : (batch,) integers or None
        Only valid steps count in a recurrent layer.
    """
    own = getattr(layer, "flops", None)
    if callable(own):
        return float(own(*(tuple(x.shape) for x in inputs if x is not None)))
    if not isinstance(layer, _PRODUCTS):
        return None
    shape = tuple(inputs[0].shape)
    steps = math.prod(shape[:-1])
    if isinstance(layer, RecurrentLayer) and lengths is not None:
        steps = int(lengths.sum())
    matrices = [one for one in layer.own_parameters().values() if len(one.shape) == 2]
    return float(2 * steps * sum(one.size for one in matrices))


class Retained:
    """Counts the bytes that saved states hold, each buffer once.

    Parameters
    ----------
    backend : Backend
    model : Layer
        Whose weights do not count.
    inputs : tuple of arrays
        Which do not count either.
    """

    def __init__(self, backend: Backend, model: Layer, inputs: tuple[Array, ...]) -> None:
        self._backend = backend
        # By id, with the buffer itself: so that no later one can have its id.
        self._seen: dict[int, Any] = {}
        weights = [array for one in model.parameters() for array in (one.data, one.read_grad())]
        for array in (*inputs, *weights):
            self._new(array)

    def count(self, saved: Any) -> int:
        """Return the bytes of what a layer saved, without what layers in it saved."""
        return self._size(saved._content if isinstance(saved, SavedState) else saved)

    def _size(self, value: Any) -> int:
        if value is None or isinstance(value, (SavedState, Layer, Parameter, Backend, str, int, float, type)):
            return 0
        if self._backend.is_array(value):
            return self._new(value)
        if isinstance(value, dict):
            return sum(map(self._size, value.values()))
        if isinstance(value, (tuple, list)):
            return sum(map(self._size, value))
        attributes = getattr(value, "__dict__", None)
        if attributes is None or callable(value) or id(value) in self._seen:
            return 0
        self._seen[id(value)] = value
        return sum(map(self._size, list(attributes.values())))

    def _new(self, array: Array) -> int:
        root = array
        while getattr(root, "base", None) is not None and self._backend.is_array(root.base):
            root = root.base
        if id(root) in self._seen:
            return 0
        self._seen[id(root)] = root
        size = getattr(root, "nbytes", None)
        return int(math.prod(root.shape) * root.dtype.itemsize if size is None else size)
