"""Generic kernels: gated linear units."""

from __future__ import annotations

from lamina.backends.arrays import Array, Saved
from lamina.backends.kernels import KernelTable

__all__ = ["GatedLinearKernels"]


class GatedLinearKernels(KernelTable):
    """One half of the features times an activation of the other; the activation is the backend's own kernel."""

    def glu_forward(self, x: Array, *, activation: str) -> tuple[Array, Saved]:
        """Return y = a f(b) for x = [a, b] (..., 2 units), with f by the name of its kernel; ``"linear"`` is b."""
        units = x.shape[-1] // 2
        a, b = self.split(x, (units, units), -1)
        gate, content = (b, None) if activation == "linear" else self.pair(activation)[0](b)
        return a * gate, (a, gate, content, activation)

    def glu_backward(self, dy: Array, saved: Saved) -> Array:
        """Return dx = [dy f(b), dy a f'(b)]."""
        a, gate, content, activation = saved
        db = dy * a
        if activation != "linear":
            db = self.pair(activation)[1](db, content)
        return self.concatenate([dy * gate, db], -1)
