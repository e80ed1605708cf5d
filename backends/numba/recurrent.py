"""Recurrent kernels on Numba: whole passes, compiled, over the memory of passes before."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Any

from lamina.backends.arrays import Array
from lamina.backends.numba.passes import CompiledPasses, ends, plain

__all__ = ["NumbaRecurrentKernels", "Pass"]

# Bytes of a pass's memory that are kept for the next one, and how many such.
_MOST, _KEPT = 2**28, 4


class Pass:
    """A forward pass, for its way back: it has its memory until nobody holds it any more.

    Attributes
    ----------
    alone : lamina.backends.numba.engine.alone.Alone
    """

    def __init__(self, alone: Any, free: list[Any]) -> None:
        self.alone = alone
        self._free = free

    def __del__(self) -> None:
        if len(self._free) < _KEPT and self.alone.nbytes <= _MOST:
            self._free.append(self.alone)


class NumbaRecurrentKernels(CompiledPasses):
    """Kernels of recurrent layers that plans have a form of."""

    _free: dict[Any, list[Any]]

    def recurrent_forward(
        self,
        kernel: str,
        x: Array,
        weights: tuple[Array | None, ...],
        states: Sequence[Array | None],
        lengths: Array | None,
        **options: Any,
    ) -> tuple[list[Array], Pass] | None:
        """Return h of all steps and the last states, and what `recurrent_backward` needs; None for what has no pass.

        Parameters
        ----------
        kernel : str
        x : (batch, time, features)
        weights : tuple of array or None
            w_x, w_h, b and, of a GRU, b_h.
        states : sequence of (batch, units) or None
        lengths : (batch,) integers, or None
        """
        given = [array for array in (x, *weights, *states) if array is not None]
        if not self.has_pass(*given) or not x.size:
            return None
        rows, steps, features = x.shape
        units, wide = given[2].shape
        free = self._free.setdefault((kernel, x.dtype, features, units, wide, *options.values()), [])
        alone, most = _taken(free, rows, steps)
        if alone is None:
            made = import_module("lamina.backends.numba.engine.alone").Alone
            alone = made(kernel, x.dtype.name, *most, features, units, wide, self.empty, **options)
        x, *rest = [None if array is None else plain(array) for array in (x, *weights, *states)]
        own, begin = rest[: len(weights)], rest[len(weights) :]
        return alone.forward(x, own, begin, ends(lengths)), Pass(alone, free)

    def recurrent_backward(
        self, upstream: Sequence[Array | None], saved: Pass, w_x: Array, w_h: Array, *, input_gradient: bool
    ) -> tuple[Array | None, tuple[Array, Array, Array, Array], list[Array]]:
        """Return the gradients of x, of w_x, w_h, b and b_h, and of the first states.

        Parameters
        ----------
        upstream : sequence of array or None
            Of h and of the last states.
        saved : Pass
        w_x, w_h : array
        """
        given = [None if array is None else plain(array) for array in upstream]
        dx, dw, db_h, first = saved.alone.backward(given, (plain(w_x), plain(w_h)), input_gradient=input_gradient)
        features = len(w_x)
        return dx, (dw[:features], dw[features:-1], dw[-1], db_h), first


def _taken(free: list[Any], rows: int, steps: int) -> tuple[Any, tuple[int, int]]:
    """Return memory that is free and large enough, or None and for how many rows and steps to make it.

    What is too small is given up for one that serves both, unless that were much larger than either.
    """
    most = rows, steps
    for _ in range(len(free)):
        try:
            alone = free.pop(0)  # other threads may take one too
        except IndexError:
            break
        if alone.rows >= rows and alone.steps >= steps:
            return alone, most
        both = max(alone.rows, most[0]), max(alone.steps, most[1])
        if both[0] * both[1] <= 2 * max(alone.rows * alone.steps, rows * steps):
            most = both
        else:
            free.append(alone)
    return None, most
