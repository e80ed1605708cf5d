"""What a ``compose`` does with operators and slices: ``1 - z``, ``a * b``, ``h[:, -1]``, each done by a layer.

The layers are made when the composite is built, one after another, and found again by their place in that order. They
have no parameters: a model file holds nothing of them, as ``compose`` makes them again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from numbers import Real
from types import EllipsisType
from typing import Any, NamedTuple, NoReturn

import numpy as np

from lamina.core.arguments import number
from lamina.core.layer import Layer
from lamina.core.shapes import Shape, show
from lamina.errors import ArgumentError, ShapeError
from lamina.layers import Add, Divide, Multiply, Power, Rescaling, Select, Slice, Subtract

__all__ = ["Arithmetic", "Derived", "Spec"]

_ARITHMETIC = (
    "compose: values are combined where the tape sees it: by a layer, t(self.layer, a, b), or by t.add(a, b), "
    "t.multiply, t.average or t.concatenate"
)
# An integer, or the bounds of a slice.
_Index = int | tuple[int | None, int | None, int] | EllipsisType


class Spec(NamedTuple):
    """What is done: a class of layers with its arguments; or, in place of a class None, an index of several axes."""

    cls: type[Layer] | None
    arguments: tuple[Any, ...]

    def made(self, shape: Shape) -> list[Layer]:
        """Return new layers that do it, one after another, for a first input of a shape.

        Raises
        ------
        ArgumentError, ShapeError
            If an index does not fit it.
        """
        if self.cls is not None:
            options = {"broadcast": True} if self.cls in (Add, Subtract, Multiply, Divide) else {}
            return [self.cls(*self.arguments, **options)]
        return _sliced(self.arguments, shape)


class Derived:
    """The layers that a ``compose`` came to need, in the order in which it did."""

    def __init__(self) -> None:
        self._made: list[tuple[Spec, list[Layer]]] = []

    def __len__(self) -> int:
        return len(self._made)

    def named(self) -> Iterator[tuple[str, Layer]]:
        """Yield all of them with the last parts of their paths, ``"subtract_0"``."""
        for place, (_, layers) in enumerate(self._made):
            for index, layer in enumerate(layers):
                more = f"_{index}" if len(layers) > 1 else ""
                yield f"{type(layer).__name__.lower()}_{place}{more}", layer

    def make(self, place: int, spec: Spec, shape: Shape) -> list[Layer]:
        """Return the layers of a place, made if there are none yet, not built."""
        if place < len(self._made) and self._made[place][0] == spec:
            return self._made[place][1]
        layers = spec.made(shape)
        self._made[place : place + 1] = [(spec, layers)]
        return layers

    def layers(self, owner: Layer, place: int, spec: Spec) -> Sequence[Layer]:
        """Return the layers of a place; where a number or bound is another one now, new ones in their stead.

        Raises
        ------
        ArgumentError
            If ``compose`` did something else there when it was built.
        """
        known, layers = self._made[place] if place < len(self._made) else (None, [])
        if known == spec:
            return layers
        owner.bound()
        if known is None or known.cls is not spec.cls:
            raise ArgumentError(
                f"{owner.label}: compose did something else with its values when it was built: it must do the same "
                "at every call"
            )
        bound, places = owner.bound(), layers[0].places
        new = spec.made(places[0][0])
        for shapes in places:
            given: Any = shapes
            for layer in new:
                output = layer.build(*given, backend=bound.backend, dtype=bound.dtype)
                layer._record.places = tuple(dict.fromkeys((*layer.places, given)))
                given = (output,)
        self._made[place] = spec, new
        self.name(owner)
        return new

    def name(self, owner: Layer) -> None:
        """Tell the layers their paths."""
        for name, layer in self.named():
            layer._record.path = f"{owner.path}.{name}" if owner.path else name


class Arithmetic:
    """What values of a tape do with each other and with numbers; see `Value`."""

    __slots__ = ()
    __array_ufunc__ = None  # an array of NumPy's leaves it to the value, which refuses

    def _refuse(self, *_: Any) -> NoReturn:
        raise ArgumentError(_ARITHMETIC)

    __matmul__ = __rmatmul__ = _refuse

    def __iter__(self) -> NoReturn:
        raise ArgumentError(
            "compose: a value is one, not several: take parts of its features, h[..., :4], or call a Split"
        )

    def __add__(self, other: Any) -> Any:
        return self._with(Add, other) if isinstance(other, Arithmetic) else self._line(1.0, _number(other))

    def __radd__(self, other: Any) -> Any:
        return self._line(1.0, _number(other))

    def __sub__(self, other: Any) -> Any:
        return self._with(Subtract, other) if isinstance(other, Arithmetic) else self._line(1.0, -_number(other))

    def __rsub__(self, other: Any) -> Any:
        return self._line(-1.0, _number(other))

    def __mul__(self, other: Any) -> Any:
        return self._with(Multiply, other) if isinstance(other, Arithmetic) else self._line(_number(other), 0.0)

    def __rmul__(self, other: Any) -> Any:
        return self._line(_number(other), 0.0)

    def __truediv__(self, other: Any) -> Any:
        if isinstance(other, Arithmetic):
            return self._with(Divide, other)
        divisor = _number(other)
        if divisor == 0:
            raise ArgumentError("compose: expected a number other than 0 to divide by, got 0")
        return self._line(1 / divisor, 0.0)

    def __rtruediv__(self, other: Any) -> Any:
        return self._derive(Spec(Power, (-1.0,)))._line(_number(other), 0.0)

    def __neg__(self) -> Any:
        return self._line(-1.0, 0.0)

    def __pow__(self, exponent: Any) -> Any:
        return self._derive(Spec(Power, (_number(exponent),)))

    def __getitem__(self, index: Any) -> Any:
        return self._derive(Spec(None, _indices(index)))

    def _line(self, scale: float, offset: float) -> Any:
        return self._derive(Spec(Rescaling, (scale, offset)))

    def _with(self, cls: type[Layer], other: Any) -> Any:
        return self._derive(Spec(cls, ()), other)

    def _derive(self, spec: Spec, *others: Any) -> Any:
        tape = self.tape  # type: ignore[attr-defined]
        if tape is None:
            raise ArgumentError("compose: a value is at an end with the compose that it came from")
        return tape.derive(spec, self, *others)


def _number(value: Any) -> float:
    if not isinstance(value, (Real, np.number)) or isinstance(value, bool):
        raise ArgumentError(
            f"compose: a value is combined with values and with numbers, got {type(value).__name__}: an array is an "
            "input of the model's, and a Parameter belongs into a layer"
        )
    return number("compose", "a number beside a value", value)


def _indices(index: Any) -> tuple[_Index, ...]:
    """Return an index as what can be compared, or raise `ArgumentError` where it is none that a value takes."""
    found: list[_Index] = []
    for one in index if isinstance(index, tuple) else (index,):
        if one is Ellipsis and Ellipsis not in found:
            found.append(one)
        elif isinstance(one, slice) and all(bound is None or _is_whole(bound) for bound in _bounds(one)):
            start, stop, step = _bounds(one)
            found.append((start, stop, 1 if step is None else step))
        elif _is_whole(one):
            found.append(int(one))
        else:
            raise ArgumentError(f"compose: expected whole numbers, slices of them and ... as an index, got {one!r}")
    if found[0] not in ((None, None, 1), Ellipsis):
        raise ArgumentError(f"compose: the batch stays whole: write h[:, {_text(found[0])}], not h[{_text(found[0])}]")
    return tuple(found)


def _sliced(indices: tuple[_Index, ...], shape: Shape) -> list[Layer]:
    """Return the layers that take an index of a value of a shape, the last axis first: then the others stay."""
    rank, count = len(shape), sum(one is not Ellipsis for one in indices)
    if count > rank:
        raise ShapeError(f"compose: expected an index of at most {rank} axes of {show(shape)}, got {count}")
    layers: list[Layer] = []
    before = indices.index(Ellipsis) if Ellipsis in indices else len(indices)
    gone = 0  # axes behind this one that are taken away before it
    for place, one in reversed(list(enumerate(indices))):
        if one is Ellipsis or one == (None, None, 1):
            continue
        axis = place if place < before else place - len(indices)  # counts from the end behind the ellipsis
        if axis % rank == 0:
            raise ShapeError(f"compose: the batch stays whole: got an index of every axis of {show(shape)}")
        axis = axis + gone if axis < 0 else axis
        if isinstance(one, tuple):
            layers.append(Slice(*one, axis=axis))
        else:
            layers.append(Select(one, axis=axis))
            gone += 1
    return layers or [Rescaling()]


def _bounds(one: slice) -> tuple[Any, Any, Any]:
    return one.start, one.stop, one.step


def _is_whole(value: Any) -> bool:
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)


def _text(one: _Index) -> str:
    if isinstance(one, tuple):
        start, stop, step = ("" if bound is None else str(bound) for bound in one)
        return f"{start}:{stop}" + (f":{step}" if step != "1" else "")
    return str(one)
