"""How much a layer computes, and what its saved state holds."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping
from functools import partial
from types import CellType, FunctionType, MemberDescriptorType, MethodType, ModuleType
from typing import Any

from lamina.backends import Array, Backend
from lamina.core.layer import Layer
from lamina.core.parameter import Parameter
from lamina.core.saved_state import SavedState
from lamina.core.shapes import Lengths
from lamina.kinds.recurrent import RecurrentLayer
from lamina.layers import (
    GRU,
    LRU,
    LSTM,
    SLSTM,
    Dense,
    GRUCell,
    IndRNN,
    LayerNormGRU,
    LayerNormLSTM,
    LSTMCell,
    MinGRU,
    MinLSTM,
    SimpleRNN,
    SimpleRNNCell,
)

__all__ = ["Retained", "flops_of"]

# Not all there are: an array of another library, or a range, is none to go through one by one.
_COLLECTIONS = (tuple, list, deque)
# What no layer keeps for its backward, though it may know it.
_NOT_KEPT = (SavedState, Layer, Parameter, Backend, str, bytes, int, float, type, ModuleType)
_EMPTY = CellType()
# Each element of their matrices is multiplied once at every step.
_PRODUCTS = (
    Dense,
    SimpleRNN,
    LSTM,
    GRU,
    LayerNormLSTM,
    LayerNormGRU,
    SimpleRNNCell,
    LSTMCell,
    GRUCell,
    MinGRU,
    MinLSTM,
    IndRNN,
    LRU,
    SLSTM,
)


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
        if value is None or isinstance(value, _NOT_KEPT):
            return 0
        if self._backend.is_array(value):
            return self._new(value)
        if id(value) in self._seen:
            return 0
        self._seen[id(value)] = value
        return sum(map(self._size, _parts(value)))

    def _new(self, array: Array) -> int:
        root = array
        while getattr(root, "base", None) is not None and self._backend.is_array(root.base):
            root = root.base
        if id(root) in self._seen:
            return 0
        self._seen[id(root)] = root
        size = getattr(root, "nbytes", None)
        return int(math.prod(root.shape) * root.dtype.itemsize if size is None else size)


def _parts(value: Any) -> list[Any]:
    """Return what a collection, an object's attributes, those in slots included, or a function's closure hold."""
    if isinstance(value, Mapping):
        return list(value.values())
    if isinstance(value, _COLLECTIONS):
        return list(value)
    if isinstance(value, FunctionType):
        return [cell.cell_contents for cell in value.__closure__ or () if cell != _EMPTY]
    if isinstance(value, MethodType):
        return [value.__self__]
    if isinstance(value, partial):
        return [value.func, value.args, value.keywords]
    slots = [
        member
        for cls in type(value).__mro__
        if "__slots__" in vars(cls)
        for member in vars(cls).values()
        if isinstance(member, MemberDescriptorType) and hasattr(value, member.__name__)
    ]
    return [*getattr(value, "__dict__", {}).values(), *(member.__get__(value) for member in slots)]
