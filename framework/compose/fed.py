"""Building a layer for what others give: where it does not fit, the error names both, and what to change."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from contextvars import ContextVar
from typing import Any

from lamina.core.build import is_advised
from lamina.core.layer import Layer
from lamina.core.shapes import Shape
from lamina.errors import ShapeError
from lamina.kinds.recurrent import RecurrentLayer

__all__ = ["build_fed", "without_steps"]

# Not while a copy is tried: its own parts would be copied for trials too, twice as many at every depth.
_advises: ContextVar[bool] = ContextVar("lamina_advises", default=True)


def build_fed(layer: Layer, shapes: Sequence[Shape], makers: Sequence[Sequence[Layer]]) -> Any:
    """Build a layer and return what its ``build`` does.

    Parameters
    ----------
    layer : Layer
    shapes : sequence of shapes
        Its inputs'.
    makers : sequence of sequences of Layer
        The layers that each of them came through, the last one last; none where it is a model's input.

    Raises
    ------
    ShapeError
        If the layer takes another number of inputs, or other shapes. It says so where ``return_sequences`` was
        left out before a layer that needs a time axis, or ``return_state`` gives more than a layer takes.
    """
    if not _advises.get() or not is_advised():
        return layer.build(*shapes)
    try:
        return layer.build(*shapes)
    except ShapeError as error:
        remedy = _remedy(layer, shapes, makers)
        if remedy is None:
            raise
        raise ShapeError(f"{error}: {remedy}") from error


def without_steps(shape: Shape, makers: Sequence[Layer]) -> str | None:
    """Return that a shape has no time axis because a recurrent layer gives the last step alone; None if not so."""
    label = _untimed(makers) if len(shape) == 2 else None
    return None if label is None else f"{label} gives the last step alone, unless return_sequences=True"


def _remedy(layer: Layer, shapes: Sequence[Shape], makers: Sequence[Sequence[Layer]]) -> str | None:
    """Return what a recurrent layer among the makers would have to give instead; None where that is not it."""
    for place, (shape, own) in enumerate(zip(shapes, makers, strict=True)):
        remedy = without_steps(shape, own)
        if remedy and _would_fit(layer, (*shapes[:place], (None, None, shape[-1]), *shapes[place + 1 :])):
            return remedy
    last = makers[0][-1] if makers and makers[0] else None
    if len(shapes) > 1 and last is not None and all(own and own[-1] is last for own in makers):
        several = [one for _, one in last.walk() if isinstance(one, RecurrentLayer) and one.return_state]
        if several:
            label = several[0].label if len(several) == 1 else last.label
            return (
                f"{label} gives {len(shapes)} outputs with return_state=True: leave that out, "
                "or hand on the first one alone, in a Composite"
            )
    return None


def _untimed(makers: Sequence[Layer]) -> str | None:
    """Return the label of the last recurrent layer, where it gives the last step alone."""
    for maker in reversed(makers):
        recurrent = [one for _, one in maker.walk() if isinstance(one, RecurrentLayer)]
        if recurrent:
            last = [one for one in recurrent if not one.return_sequences]
            if recurrent[-1].return_sequences:
                return None
            return maker.label if len(last) > 1 else last[0].label
        if len(maker.input_shapes[0]) > 2:
            return None  # it is another layer that took the time axis away
    return None


def _would_fit(layer: Layer, shapes: Sequence[Shape]) -> bool:
    """Tell whether a layer could be built for these shapes. The pass that builds it has failed: a copy may tell."""
    token = _advises.set(False)
    try:
        copy.deepcopy(layer).build(*shapes)
    except Exception:  # whatever it is, it is not what stands in the way
        return False
    finally:
        _advises.reset(token)
    return True
