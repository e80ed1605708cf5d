"""NumPy's kernels for one step of a recurrence, for inference: few calls, each on whole blocks where it can be."""

from __future__ import annotations

import numpy as np

from lamina.backends.arrays import Array
from lamina.backends.backend import Backend

__all__ = ["NumPyStepKernels"]


class NumPyStepKernels(Backend):
    """The recurrent layers' equations for one step; as the generic kernels."""

    def simple_rnn_step(
        self, x: Array, w_x: Array, w_h: Array, b: Array | None, h: Array, *, activation: str = "tanh"
    ) -> Array:
        """Return h' = f(x w_x + h w_h + b)."""
        a = x.dot(w_x)
        a += h.dot(w_h)
        _add_to_each(a, b)
        if activation == "tanh":
            return np.tanh(a, out=a)
        return np.maximum(a, np.zeros((), a.dtype), out=a)

    def lstm_step(self, x: Array, w_x: Array, w_h: Array, b: Array | None, h: Array, c: Array) -> tuple[Array, Array]:
        """Return c' = f c + i g and h' = o tanh(c'), as (h', c')."""
        units = len(w_h)
        a = x.dot(w_x)
        a += h.dot(w_h)
        _add_to_each(a, b)
        first, g, o = a[:, : 2 * units], a[:, 2 * units : 3 * units], a[:, 3 * units :]
        _open(first)
        _open(o)
        np.tanh(g, out=g)
        after = first[:, units:] * c
        g *= first[:, :units]
        after += g
        new = np.tanh(after)
        new *= o
        return new, after

    def gru_step(
        self,
        x: Array,
        w_x: Array,
        w_h: Array,
        b: Array | None,
        b_h: Array | None,
        h: Array,
        *,
        reset_after: bool = True,
    ) -> Array:
        """Return h' = (1 - z) n + z h."""
        units = len(w_h)
        a = x.dot(w_x)
        _add_to_each(a, b)
        gates, n = a[:, : 2 * units], a[:, 2 * units :]
        if reset_after:
            product = h.dot(w_h)
            gates += product[:, : 2 * units]
            _open(gates)
            inside = product[:, 2 * units :]
            _add_to_each(inside, b_h)
            inside *= gates[:, :units]
            n += inside
        else:
            gates += h.dot(w_h[:, : 2 * units])
            _open(gates)
            n += (gates[:, :units] * h).dot(w_h[:, 2 * units :])
        np.tanh(n, out=n)
        new = h - n
        new *= gates[:, units:]
        new += n
        return new


def _add_to_each(rows: Array, row: Array | None) -> None:
    """Add a row to each; to one alone without broadcasting, which takes as long as three sums."""
    if row is not None:
        if len(rows) == 1:
            rows = rows[0]
        rows += row


def _open(gate: Array) -> None:
    """Turn z into sigmoid(z) = tanh(z / 2) / 2 + 1 / 2, which overflows nowhere."""
    half = np.asarray(0.5, gate.dtype)
    gate *= half
    np.tanh(gate, out=gate)
    gate *= half
    gate += half
