"""Cells whose gates are the columns of the weights in their order, as SimpleRNN and LSTM: all but a step."""

from __future__ import annotations

from typing import Any

from lamina.backends.numba.engine.algebra import pack, pack_row, product, size_of
from lamina.backends.numba.engine.forms.one_row import add_state_product, make_inference, project
from lamina.backends.numba.engine.forms.passes import PLAIN, Edges, make_passes
from lamina.backends.numba.engine.memory import compiled

__all__ = ["finish", "make_cell", "pack_backward", "pack_forward", "pull_back"]


@compiled
def pack_forward(p: Any, dtype: Any) -> None:
    """Pack w_x above w_h above the bias."""
    u, n = p.units, p.wide
    pack(p.features, n, p.w_x, n, 1, p.packed, 0, p.depth, dtype)
    pack(u, n, p.w_h, n, 1, p.packed, p.h_at, p.depth, dtype)
    pack(1, n, p.b, n, 1, p.packed, p.one_at, p.depth, dtype)


@compiled
def _products(p: Any, rows: Any, s: Any, g: Any, dtype: Any) -> None:
    product(rows, p.wide, p.depth, s, p.stride, 1, p.packed, 0, p.depth, g, p.columns, 0, dtype)


@compiled
def pack_backward(p: Any, dtype: Any) -> None:
    """Pack what takes the gates' gradients to h and, where it is wanted, to x."""
    u, n = p.units, p.wide
    pack(n, u, p.w_h, 1, n, p.back, 0, n, dtype)
    if p.dx != 0:
        pack(n, p.features, p.w_x, 1, n, p.back_x, 0, n, dtype)


@compiled
def pull_back(p: Any, rows: Any, g: Any, first: Any, dtype: Any) -> None:
    """Write dh before a step from the gates' gradients; at the first step only where it is wanted."""
    if not first or p.dh_first != 0:
        product(rows, p.units, p.wide, g, p.columns, 1, p.back, 0, p.wide, p.dh, p.units, 0, dtype)


@compiled
def _add_weights(p: Any, rows: Any, s: Any, g: Any, dtype: Any) -> None:
    n, u, f, size = p.wide, p.units, p.features, size_of(dtype)
    pack(rows, n, g, p.columns, 1, p.chunk, 0, rows, dtype)
    if p.dw_x != 0 and p.dw_h == p.dw_x + size * f * n and p.db == p.dw_h + size * u * n:
        product(p.depth, n, rows, s, 1, p.stride, p.chunk, 0, rows, p.dw_x, n, 1, dtype)
        return
    if p.dw_x != 0:
        product(f, n, rows, s, 1, p.stride, p.chunk, 0, rows, p.dw_x, n, 1, dtype)
    if p.dw_h != 0:
        product(u, n, rows, s + size * f, 1, p.stride, p.chunk, 0, rows, p.dw_h, n, 1, dtype)
    if p.db != 0:
        product(1, n, rows, s + size * (f + u), 1, p.stride, p.chunk, 0, rows, p.db, n, 1, dtype)


@compiled
def finish(p: Any, rows: Any, s: Any, g: Any, dx: Any, dtype: Any) -> None:
    """Add the weights' gradients of some rows, and write the inputs'."""
    _add_weights(p, rows, s, g, dtype)
    if dx != 0:
        product(rows, p.features, p.wide, g, p.columns, 1, p.back_x, 0, p.wide, dx, p.features, 0, dtype)


@compiled
def _projected(p: Any, rows: Any, dtype: Any) -> None:
    project(p, rows, p.wide, p.w_x, p.b, p.gates, dtype)


@compiled
def _pack_state(p: Any, packed: Any, dtype: Any) -> None:
    pack_row(p.units, p.wide, p.w_h, p.wide, packed, dtype)


@compiled
def _add_state(p: Any, h: Any, g: Any, packed: Any, backwards: Any, dtype: Any) -> None:
    add_state_product(p.units, p.wide, h, p.w_h, p.wide, packed, backwards, g, dtype)


def make_cell(
    step: Any,
    step_back: Any,
    edges: Edges = PLAIN,
    *,
    pack_forward: Any = pack_forward,
    pack_backward: Any = pack_backward,
    finish: Any = finish,
    step_of_row: Any = None,
) -> Any:
    """Return the compiled forward, backward and inference, (address, dtype), of a cell.

    Parameters
    ----------
    step, step_back, pack_forward, pack_backward, finish
        As for `make_passes`; ``step_back`` ends with `pull_back`.
    edges : Edges
    step_of_row
        A step where no weights are packed, if that is another one.
    """
    passes = make_passes(pack_forward, _products, step, pack_backward, step_back, finish, edges)
    return *passes, make_inference(_projected, _pack_state, _add_state, step_of_row or step, edges)
