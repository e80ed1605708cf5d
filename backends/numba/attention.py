"""Attention on Numba: one compiled pass forward, and one back, neither of which holds all scores."""

from __future__ import annotations

from typing import Any, NamedTuple

from lamina.backends.arrays import Array, Saved
from lamina.backends.numba.passes import CompiledPasses, Strided, address, ends, strided
from lamina.backends.numpy.attention import NumPyAttentionKernels

__all__ = ["NumbaAttentionKernels"]


class _Kept(NamedTuple):
    """What backward needs: the inputs as their rows lie, y, and two numbers a query of each head."""

    given: tuple[Strided, Strided, Strided]
    y: Array
    kept: Array
    ends: Array | None
    heads: int
    causal: bool


class NumbaAttentionKernels(CompiledPasses, NumPyAttentionKernels):
    """Attention a few queries at a time; what it keeps grows with the steps, not with their square."""

    def attention_forward(
        self, q: Array, k: Array, v: Array, lengths: Array | None, *, heads: int, causal: bool = False
    ) -> tuple[Array, Saved]:
        """Return softmax(q k^T / sqrt(d)) v for each head; as the generic kernel."""
        if not self.has_pass(q, k, v) or not q.size:
            return super().attention_forward(q, k, v, lengths, heads=heads, causal=causal)
        y = self.empty(q.shape, q.dtype)
        kept = self.empty((len(q), heads, q.shape[1], 2), q.dtype)
        saved = _Kept((strided(q), strided(k), strided(v)), y, kept, ends(lengths), heads, causal)
        self._attend("forward", saved, {})
        return y, saved

    def attention_backward(self, dy: Array, saved: Saved) -> tuple[Array, Array, Array]:
        """Return dq, dk and dv; as the generic kernel."""
        if not isinstance(saved, _Kept):
            return super().attention_backward(dy, saved)
        upstream = strided(dy)
        dq, dk, dv = (self.empty(dy.shape, dy.dtype) for _ in range(3))
        own = {"dy": upstream.at, "dy_row": upstream.outer, "dy_step": upstream.inner}
        self._attend("backward", saved, {**own, "dq": address(dq), "dk": address(dk), "dv": address(dv)})
        return dq, dk, dv

    def _attend(self, name: str, saved: _Kept, further: dict[str, Any]) -> None:
        """Run a pass over blocks of the batch."""
        batch, time, units = saved.y.shape
        heads, dtype, size = saved.heads, saved.y.dtype, saved.y.itemsize
        width = units // heads
        across, begins, total = self.pass_constant("attention", "places")(time, width)
        common: dict[str, Any] = {
            "time": time, "heads": heads, "width": width, "causal": saved.causal, "ends": address(saved.ends),
            "y": address(saved.y), "kept": address(saved.kept), "across": across, **further,
        }  # fmt: skip
        for letter, one in zip("qkv", saved.given, strict=True):
            common |= {letter: one.at, f"{letter}_row": one.outer, f"{letter}_step": one.inner}
        rooms, parts = [], []
        for first, last in self.in_parts(batch, batch * time * time * units):
            rooms.append(self.empty((total + 16,), dtype))
            begin = address(rooms[-1]) + -address(rooms[-1]) % 64
            own = {room: begin + size * place for room, place in begins}
            parts.append({"first": first, "last": last, **common, **own})
        self.run_pass("attention", name, dtype, parts)
