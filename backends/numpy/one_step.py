"""NumPy's kernels for one step of a recurrence, for inference: few calls, each on whole blocks where it can be."""

from __future__ import annotations

import numpy as np

from lamina.backends.arrays import Array
from lamina.backends.backend import Backend
from lamina.backends.generic.slstm import MOST

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

    def slstm_step(
        self,
        x: Array,
        w_x: Array,
        w_h: Array,
        b: Array | None,
        h: Array,
        c: Array,
        n: Array,
        m: Array,
        *,
        forget: str = "sigmoid",
    ) -> tuple[Array, Array, Array, Array]:
        """Return h', c', n' and m'."""
        units = len(w_h)
        a = x.dot(w_x)
        a += h.dot(w_h)
        _add_to_each(a, b)
        exponents, i, f = a[:, : 2 * units], a[:, :units], a[:, units : 2 * units]
        z, o = a[:, 2 * units : 3 * units], a[:, 3 * units :]
        np.tanh(z, out=z)
        _open(o)
        if forget == "sigmoid":  # log f = min(a, 0) - log(1 + exp(-|a|))
            below = np.abs(f)
            np.negative(below, out=below)
            np.exp(below, out=below)
            np.log1p(below, out=below)
            np.minimum(f, np.zeros((), f.dtype), out=f)
            f -= below
        f += m
        scale = np.maximum(f, i)
        if not n.all():  # where n is 0 there is nothing to forget
            np.copyto(scale, i, where=n == 0)
            np.minimum(f, scale + np.asarray(MOST, f.dtype), out=f)
        i -= scale
        f -= scale
        np.exp(exponents, out=exponents)
        cell, normalizer = f * c, f * n
        z *= i
        cell += z
        normalizer += i
        new = cell / normalizer
        new *= o
        return new, cell, normalizer, scale


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
